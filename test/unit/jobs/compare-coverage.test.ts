import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AuditedRange } from '../../../src/db/repositories/audit-repository.ts';
import { compareCoverage, planLedgerRepair } from '../../../src/jobs/compare-coverage.ts';
import type { CoverageState } from '../../../src/market/coverage.ts';

const MINUTE = 60_000;
const KEY = { exchange: 'binance', symbol: 'BTC/USDT', timeframe: '1m', metric: 'ohlcv' } as const;
const at = (since: number, until: number) => ({ since: since * MINUTE, until: until * MINUTE });
const ledgerOf = (...ranges: [since: number, until: number, state: CoverageState][]) =>
  ranges.map(([since, until, state]) => ({ ...at(since, until), state }));

function part(changes: Partial<AuditedRange>): AuditedRange {
  return {
    key: KEY,
    range: at(0, 100),
    ledger: [],
    stored: [],
    lacking: [at(0, 100)],
    strays: [],
    contradicted: [],
    ...changes,
  };
}

const found = (seen: AuditedRange) =>
  compareCoverage(seen).map(({ kind, since, until, slots }) => [kind, since / MINUTE, until / MINUTE, slots]);
const repairs = (seen: AuditedRange) =>
  planLedgerRepair(seen).map(({ state, since, until }) => [state, since / MINUTE, until / MINUTE]);

describe('compareCoverage', () => {
  it('finds nothing where the ledger is true, nor where it is silent on nothing', () => {
    const states = (['missing', 'refused', 'out_of_window'] as const).map(
      (state, index) => [40 + index * 10, 50 + index * 10, state] as [number, number, CoverageState],
    );
    const seen = part({
      ledger: ledgerOf([10, 30, 'have'], [30, 40, 'confirmed_empty'], ...states),
      stored: [at(10, 30)],
      lacking: [at(0, 10), at(30, 100)],
    });
    assert.deepEqual(found(seen), []);
    assert.deepEqual(repairs(seen), []);
  });

  it('finds what was confirmed empty under a longer candle with volume, and has it asked for again', () => {
    const seen = part({
      ledger: ledgerOf([0, 40, 'confirmed_empty'], [40, 50, 'missing'], [50, 60, 'have']),
      stored: [at(50, 60)],
      lacking: [at(0, 50), at(60, 100)],
      contradicted: [at(20, 80)],
    });
    assert.deepEqual(found(seen), [['empty_contradicted', 20, 40, 20]]);
    assert.deepEqual(repairs(seen), [['missing', 20, 40]]);
    assert.deepEqual([planLedgerRepair(seen)[0]?.asks, planLedgerRepair(seen)[0]?.lastAskedAt], [0, null]);
  });

  it('finds what the ledger has as stored and is not, and has it fetched again', () => {
    const seen = part({
      ledger: ledgerOf([0, 50, 'have'], [50, 100, 'missing']),
      stored: [at(0, 20), at(25, 50)],
      lacking: [at(20, 25), at(50, 100)],
    });
    assert.deepEqual(found(seen), [['have_without_row', 20, 25, 5]]);
    assert.deepEqual(repairs(seen), [['missing', 20, 25]]);
    const [repair] = planLedgerRepair(seen);
    assert.deepEqual([repair?.asks, repair?.firstAskedAt], [0, null], 'nobody has asked for it since');
    assert.match(repair?.reason ?? '', /audit/);
  });

  it('finds rows that the ledger denies or does not know, and notes them', () => {
    const seen = part({
      ledger: ledgerOf([0, 10, 'confirmed_empty'], [10, 20, 'missing']),
      stored: [at(5, 15), at(60, 62)],
      lacking: [at(0, 5), at(15, 60), at(62, 100)],
    });
    assert.deepEqual(found(seen), [
      ['row_outside_have', 5, 15, 10],
      ['row_unknown', 60, 62, 2],
    ]);
    assert.deepEqual(repairs(seen), [
      ['have', 5, 15],
      ['have', 60, 62],
    ]);
  });

  it('finds a ledger that contradicts itself, and has the rows decide', () => {
    const seen = part({
      ledger: ledgerOf([0, 30, 'have'], [20, 40, 'missing'], [50.5, 60, 'have']),
      stored: [at(0, 25), at(51, 60)],
      lacking: [at(25, 51), at(60, 100)],
    });
    assert.deepEqual(found(seen), [
      ['have_without_row', 25, 30, 5],
      ['have_without_row', 50.5, 51, 1],
      ['ranges_overlap', 20, 30, 10],
      ['range_off_grid', 50.5, 60, 10],
    ]);
    assert.deepEqual(repairs(seen), [
      ['have', 20, 25],
      ['missing', 25, 30],
      ['missing', 50, 51],
      ['have', 51, 60],
    ]);
  });

  it('tells rows at no opening time and leaves them', () => {
    const seen = part({ strays: [90_001] });
    assert.deepEqual(
      compareCoverage(seen).map(({ kind, since, slots }) => [kind, since, slots]),
      [['row_off_grid', 90_001, 1]],
    );
    assert.deepEqual(repairs(seen), []);
  });
});
