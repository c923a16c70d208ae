import assert from 'node:assert/strict';
import { beforeEach, it } from 'node:test';
import { overlayCoverage } from '../../src/db/repositories/overlay-coverage.ts';
import { candleEntry, type CommitEntry } from '../../src/market/commit-entry.ts';
import { type CoverageKey, type CoverageRange, haveRange, missingRange } from '../../src/market/coverage.ts';
import { candlesFrom, seriesOf } from '../support/candles.ts';
import { randomFrom } from '../support/random.ts';
import { REFUSED, whileRefusing } from '../support/refusing-table.ts';
import { describeOnEachServer } from '../support/repository-lanes.ts';
import { storeCandles } from '../support/store-candles.ts';

const MINUTE = 60_000;
const T0 = Date.UTC(2024, 2, 9);
const SERIES = seriesOf('binance', 'BTC/USDT', '1m');
const KEY: CoverageKey = { ...SERIES, metric: 'ohlcv' };

const minutes = (since: number, until: number) => ({ since: T0 + since * MINUTE, until: T0 + until * MINUTE });
const have = (since: number, until: number) => haveRange(minutes(since, until));
const missing = (since: number, until: number) => missingRange(minutes(since, until));
function empty(since: number, until: number, evidence: Partial<CoverageRange> = {}): CoverageRange {
  return {
    ...minutes(since, until),
    state: 'confirmed_empty',
    asks: 2,
    firstAskedAt: T0 + 1,
    lastAskedAt: T0 + 60_001,
    reason: 'an answer with 812 candles around it has none',
    ...evidence,
  };
}

/** An entry that tells the ledger something and stores no row. */
function word(key: CoverageKey, ...changes: CoverageRange[]): CommitEntry {
  return { key, rows: [], changes, quarantine: [] };
}

describeOnEachServer('CoverageRepository', ({ url, repositories, query, clear }) => {
  beforeEach(clear);
  const ledger = () => repositories().coverage;
  const commit = (...entries: CommitEntry[]) => repositories().commit(entries);

  it('surveys years with a hundred thousand holes at once', async () => {
    const count = 100_000;
    await query(`
      insert into ohlcv_data (exchange, symbol, timeframe, timestamp, open, high, low, close, volume)
      select 'binance', 'BTC/USDT', '1m', to_timestamp(${T0 / 1000}) + make_interval(mins => 2 * slot), 1, 1, 1, 1, 1
      from generate_series(0, ${count - 1}) as slot`);
    const found = await ledger().survey(KEY, minutes(0, 2 * count));
    assert.equal(found.length, 2 * count);
    assert.deepEqual(
      [found[0], found[1], found.at(-1)],
      [have(0, 1), missing(1, 2), missing(2 * count - 1, 2 * count)],
    );
    const [summary] = await ledger().summarize(KEY);
    assert.deepEqual([summary?.slots.have, summary?.slots.missing], [count, count]);
  });

  it('rolls back with the rows that it speaks of', async () => {
    const row = { ...KEY, claimedAt: null, reason: 'no', raw: '[]', source: 'rest' } as const;
    const entry = { ...candleEntry(SERIES, candlesFrom(T0, MINUTE, 5)), quarantine: [row] };
    const other = word({ ...KEY, symbol: 'ETH/USDT' }, have(5, 6), missing(6, 7));
    await whileRefusing(url(), { table: 'quarantine' }, () => assert.rejects(commit(entry, other), REFUSED));
    assert.deepEqual(await ledger().summarize(), []);
    assert.equal(await repositories().ohlcv.findLatest(SERIES), null);
    await commit(entry, other);
    assert.deepEqual(await ledger().list(KEY), [have(0, 5)]);
    assert.deepEqual(await ledger().list(other.key), other.changes);
  });

  it('refuses what is no range before anything is written', async () => {
    for (const range of [
      minutes(5, 5),
      minutes(6, 5),
      { since: NaN, until: 1 },
      { since: 0.5, until: 1 },
      { since: 0, until: Infinity },
    ])
      await assert.rejects(ledger().record(KEY, [have(0, 1), haveRange(range)]), RangeError);
    await assert.rejects(ledger().record(KEY, [empty(0, 1, { asks: -1 })]), RangeError);
    assert.deepEqual(await ledger().list(KEY), []);
  });

  it('refuses ranges that overlap, are out of order or off the grid before anything is written', async () => {
    for (const [ranges, message] of [
      [[have(0, 5), missing(4, 6)], /range at 2024-03-09T00:04.* overlaps/],
      [[missing(5, 6), have(0, 5)], /range at 2024-03-09T00:00.* overlaps/],
      [[have(0, 1), missingRange({ since: T0 + MINUTE, until: T0 + MINUTE + 1 })], /off the grid/],
    ] as const)
      await assert.rejects(ledger().record(KEY, ranges), { code: 'COMMIT_INVALID', message });
    assert.deepEqual(await ledger().list(KEY), []);
  });

  it('keeps one truth while many write the same key at once', async () => {
    const writers = Array.from({ length: 8 }, (_, writer) =>
      (async () => {
        for (let step = 0; step < 25; step++) {
          const since = (writer * 7 + step * 11) % 180;
          if (step % 3 === 0) await commit(word(KEY, have(since, since + 9)));
          else await ledger().record(KEY, [step % 2 ? have(since, since + 20) : missing(since, since + 5)]);
        }
      })(),
    );
    await Promise.all(writers);
    const stored = await ledger().list(KEY);
    assert.deepEqual(stored, overlayCoverage(stored, []), 'overlaps, or neighbours that are not joined');
    await Promise.all(Array.from({ length: 100 }, (_, index) => commit(word(KEY, have(200 + index, 201 + index)))));
    assert.deepEqual(await ledger().list(KEY, minutes(200, 300)), [have(200, 300)]);
  });

  it('lets pages of single series and live batches over all of them commit side by side, rows and ledger as one', async () => {
    const series = Array.from({ length: 12 }, (_, index) => seriesOf('binance', `S${index}/USDT`, '1m'));
    const keyOf = (index: number): CoverageKey => ({ ...series[index % 12]!, metric: 'ohlcv' });
    const bundle = repositories();
    const page = (index: number, at: number) => {
      const row = { ...keyOf(index), claimedAt: null, reason: 'no', raw: `${at}`, source: 'rest' } as const;
      return commit({
        key: keyOf(index),
        rows: candlesFrom(T0 + at * MINUTE, MINUTE, 30),
        changes: [have(at, at + 30), missing(at + 30, at + 31)],
        quarantine: [row, { ...row, raw: 'shared' }],
      });
    };
    const live = (at: number, isReversed: boolean) => {
      const order = isReversed ? series.toReversed() : series;
      return commit(...order.map((each) => candleEntry(each, candlesFrom(T0 + at * MINUTE, MINUTE, 2))));
    };
    await Promise.all([
      ...Array.from({ length: 60 }, (_, index) => page(index, (index * 13) % 200)),
      ...Array.from({ length: 60 }, (_, index) => live((index * 7) % 230, index % 2 === 0)),
    ]);
    const range = minutes(0, 300);
    for (const [index, each] of series.entries()) {
      const stored = await ledger().list(keyOf(index));
      const gaps = await bundle.ohlcv.listGaps(each, range);
      const silentOrMissing = await ledger().survey(keyOf(index), range);
      // Values differ between writers, so a minute is either stored and known, or neither.
      assert.deepEqual(stored, overlayCoverage(stored, []));
      for (const range of silentOrMissing.filter(({ state }) => state === 'have'))
        assert.ok(!gaps.some((gap) => gap.since < range.until && range.since < gap.until), 'have without rows');
    }
  });

  it('equals a naive model after random changes', async () => {
    const seed = Number(process.env['COVERAGE_SEED'] ?? Date.now() % 1_000_000);
    const random = randomFrom(seed);
    const pick = (below: number) => Math.floor(random() * below);
    const model = new Map<number, string>();
    for (let step = 0; step < 300; step++) {
      const changes: CoverageRange[] = [];
      for (let count = 1 + pick(3); count > 0; count--) {
        const since = pick(200);
        const until = since + 1 + pick(20);
        const reason = ['a', 'b', null][pick(3)] ?? null;
        const asks = pick(3);
        const firstAskedAt = asks === 0 ? null : T0 + pick(5);
        changes.push(
          [
            have(since, until),
            missing(since, until),
            empty(since, until, { asks, reason, firstAskedAt, lastAskedAt: firstAskedAt }),
          ][pick(3)]!,
        );
      }
      const isExtension = pick(4) === 0;
      const [first] = changes;
      if (isExtension) await commit(word(KEY, haveRange(first!)));
      else await ledger().record(KEY, overlayCoverage([], changes));
      for (const { since, until, state, reason } of isExtension ? [haveRange(first!)] : changes)
        for (let slot = since; slot < until; slot += MINUTE) model.set(slot, `${state} ${reason ?? ''}`);
      if (step % 10 !== 0) continue;
      const stored = await ledger().list(KEY);
      const seen = new Map<number, string>();
      for (const { since, until, state, reason } of stored)
        for (let slot = since; slot < until; slot += MINUTE) {
          assert.ok(!seen.has(slot), `COVERAGE_SEED=${seed}: two ranges speak of one slot`);
          seen.set(slot, `${state} ${reason ?? ''}`);
        }
      const sorted = (map: Map<number, string>) => [...map].toSorted(([a], [b]) => a - b);
      assert.deepEqual(sorted(seen), sorted(model), `COVERAGE_SEED=${seed}, step ${step}`);
      assert.deepEqual(stored, overlayCoverage(stored, []), `COVERAGE_SEED=${seed}: neighbours that are not joined`);
    }
  });

  it('is told by an import what is stored now, in the same transaction', async () => {
    const store = () => storeCandles(repositories(), SERIES, rows);
    await ledger().record(KEY, [missing(0, 6020)]);
    const rows = [...candlesFrom(T0, MINUTE, 6000), ...candlesFrom(T0 + 6002 * MINUTE, MINUTE, 3)];
    assert.deepEqual(await store(), { inserted: 6003, updated: 0, unchanged: 0 });
    const expected = [have(0, 6000), missing(6000, 6002), have(6002, 6005), missing(6005, 6020)];
    assert.deepEqual(await ledger().list(KEY), expected);
    // A second time the rows are compared instead of copied.
    await query('truncate coverage');
    assert.deepEqual(await store(), { inserted: 0, updated: 0, unchanged: 6003 });
    assert.deepEqual(await ledger().list(KEY), [have(0, 6000), have(6002, 6005)]);
    for (const emptied of ['coverage', 'coverage, ohlcv_data']) {
      await query(`truncate ${emptied}`);
      await whileRefusing(url(), { table: 'coverage', when: 'at_commit' }, () => assert.rejects(store(), REFUSED));
      assert.deepEqual(await ledger().list(KEY), []);
    }
    assert.equal(await repositories().ohlcv.findLatest(SERIES), null);
  });
});
