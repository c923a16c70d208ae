import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CoverageSummary } from '../../../../src/db/repositories/coverage-repository.ts';
import { LedgerTotals } from '../../../../src/http/health/ledger-totals.ts';
import { createRecordingLogger } from '../in-memory.ts';

const summary = (symbol: string, timeframe: string, have: number, missing: number): CoverageSummary => ({
  key: { exchange: 'binance', symbol, timeframe, metric: 'ohlcv' },
  since: 0,
  until: 1,
  ranges: 2,
  slots: { have, missing, confirmed_empty: 0, refused: 0, out_of_window: 0 },
});

/** Totals by a clock of the test's own over summaries that take `tookMs` to read. */
function createTotals() {
  const state = { now: 1_000_000, counts: 0, tookMs: 0, isReady: true, fault: null as Error | null };
  const totals = new LedgerTotals({
    coverage: {
      summarize: () => {
        state.counts++;
        state.now += state.tookMs;
        if (state.fault) return Promise.reject(state.fault);
        return Promise.resolve([summary('A/B', '1m', 10, 1), summary('C/D', '1m', 20, 2), summary('A/B', '1h', 5, 0)]);
      },
    },
    quarantine: { count: () => Promise.resolve(7) },
    candleRewrites: { count: () => Promise.resolve(8) },
    isReady: () => state.isReady,
    logger: createRecordingLogger().logger,
    clock: { now: () => state.now },
  });
  return { totals, state };
}

describe('LedgerTotals', () => {
  it('answers at once from memory, and counts behind the answer', async () => {
    const { totals } = createTotals();
    assert.equal(totals.snapshot().slots, null);
    await totals.count();
    const { slots, groups, quarantine, revisions, as_of } = totals.snapshot();
    assert.deepEqual(slots, { have: 35, missing: 3, confirmed_empty: 0, refused: 0, out_of_window: 0 });
    assert.deepEqual(
      groups.map(({ timeframe, slots: { have } }) => [timeframe, have]),
      [
        ['1m', 30],
        ['1h', 5],
      ],
    );
    assert.deepEqual([quarantine, revisions, as_of], [7, 8, new Date(1_000_000).toISOString()]);
  });

  it('counts at most every 30 s, once at a time, and not while the database may not be asked', async () => {
    const { totals, state } = createTotals();
    state.isReady = false;
    totals.snapshot();
    assert.equal(state.counts, 0);
    state.isReady = true;
    for (let index = 0; index < 5; index++) totals.snapshot();
    await totals.count();
    assert.equal(state.counts, 1);
    state.now += 29_999;
    totals.snapshot();
    assert.equal(state.counts, 1);
    state.now += 1;
    totals.snapshot();
    assert.equal(state.counts, 2);
  });

  it('rests the longer, the longer a count takes', async () => {
    const { totals, state } = createTotals();
    state.tookMs = 10_000;
    await totals.count();
    state.now += 199_000;
    totals.snapshot();
    assert.equal(state.counts, 1);
    state.now += 1000;
    totals.snapshot();
    assert.equal(state.counts, 2);
    await totals.count();
  });

  it('keeps what it has and says why it has nothing newer', async () => {
    const { totals, state } = createTotals();
    await totals.count();
    state.fault = new Error('the table is gone');
    state.now += 60_000;
    await totals.count();
    assert.equal(totals.snapshot().last_error, 'the table is gone');
    assert.equal(totals.snapshot().slots?.have, 35);
    state.fault = null;
    state.now += 60_000;
    await totals.count();
    assert.equal(totals.snapshot().last_error, null);
  });
});
