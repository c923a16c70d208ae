import assert from 'node:assert/strict';
import { beforeEach, it } from 'node:test';
import { overlayCoverage } from '../../src/db/repositories/overlay-coverage.ts';
import { candleEntry, type CommitEntry } from '../../src/market/commit-entry.ts';
import { type CoverageKey, type CoverageRange, haveRange, missingRange } from '../../src/market/coverage.ts';
import type { Decimal } from '../../src/market/decimal.ts';
import { candleOf, candlesFrom, seriesOf } from '../support/candles.ts';
import { randomFrom } from '../support/random.ts';
import { REFUSED, whileRefusing } from '../support/refusing-table.ts';
import { describeOnEachServer } from '../support/repository-lanes.ts';
import { storeCandles } from '../support/store-candles.ts';

const MINUTE = 60_000;
const HOUR = 3_600_000;
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

describeOnEachServer('CoverageRepository', ({ url, repositories, rows: bare, query, clear }) => {
  beforeEach(clear);
  const ledger = () => repositories().coverage;
  const commit = (...entries: CommitEntry[]) => repositories().commit(entries);

  it('lays changes over what is stored and gives all of it back, clipped where asked', async () => {
    await ledger().record(KEY, [missing(0, 100)]);
    await ledger().record(KEY, [have(10, 20), empty(20, 23), have(23, 40)]);
    const refused: CoverageRange = { ...missing(90, 95), state: 'refused', asks: 1, reason: 'no' };
    await ledger().record(KEY, [refused]);
    const all = [missing(0, 10), have(10, 20), empty(20, 23), have(23, 40), missing(40, 90), refused, missing(95, 100)];
    assert.deepEqual(await ledger().list(KEY), all);
    assert.deepEqual(await ledger().list(KEY, minutes(15, 50)), [
      have(15, 20),
      empty(20, 23),
      have(23, 40),
      missing(40, 50),
    ]);
    assert.deepEqual(await ledger().list(KEY, minutes(100, 200)), []);
    await ledger().record(KEY, [have(0, 100)]);
    assert.deepEqual(await ledger().list(KEY), [have(0, 100)]);
  });

  it('extends many keys at once: plainly where a `have` ends, through the rest where more changes', async () => {
    const key = (index: number): CoverageKey => ({ ...KEY, symbol: `S${index}/USDT` });
    await ledger().record(key(1), [have(0, 10)]);
    await ledger().record(key(2), [have(0, 10), missing(10, 20), have(20, 30)]);
    await ledger().record(key(3), [have(0, 5), have(11, 20)]);
    await ledger().record(key(4), [have(0, 30)]);
    await ledger().record(key(5), [empty(0, 10)]);
    await commit(
      ...[0, 2, 3, 4, 5].map((index) => word(key(index), have(10, 11))),
      word(key(1), have(10, 12)),
      word(key(6), have(0, 1), have(5, 6)),
    );
    const lists = await Promise.all([0, 1, 2, 3, 4, 5, 6].map((index) => ledger().list(key(index))));
    assert.deepEqual(lists, [
      [have(10, 11)],
      [have(0, 12)],
      [have(0, 11), missing(11, 20), have(20, 30)],
      [have(0, 5), have(10, 20)],
      [have(0, 30)],
      [empty(0, 10), have(10, 11)],
      [have(0, 1), have(5, 6)],
    ]);
    await commit();
    await assert.rejects(commit(word(KEY, have(3, 3))), RangeError);
    assert.deepEqual(await ledger().list(KEY), []);
  });

  it('has the rows speak where it is silent, and only there', async () => {
    await bare().candles(SERIES, [...candlesFrom(T0, MINUTE, 10), ...candlesFrom(T0 + 20 * MINUTE, MINUTE, 10)]);
    await ledger().record(KEY, [empty(10, 15)]);
    const expected = [have(0, 10), empty(10, 15), missing(15, 20), have(20, 30), missing(30, 40)];
    assert.deepEqual(await ledger().survey(KEY, minutes(0, 40)), expected);
    await bare().candles(SERIES, [candleOf(T0 + 16 * MINUTE)]);
    assert.deepEqual(await ledger().survey(KEY, minutes(0, 40)), expected, 'looked again at what is known');
    assert.deepEqual(await ledger().survey(KEY, { since: T0 + 40 * MINUTE + 1, until: T0 + 40 * MINUTE + 2 }), []);
  });

  it('stays silent of the newest slots that are not stored, and lists what is missing alone', async () => {
    await bare().candles(
      SERIES,
      [0, 1, 5, 8].map((minute) => candleOf(T0 + minute * MINUTE)),
    );
    const told = [have(0, 2), missing(2, 5), have(5, 6), missing(6, 7), have(8, 9)];
    assert.deepEqual(await ledger().survey(KEY, minutes(0, 12), minutes(7, 12).since), told);
    assert.deepEqual(await ledger().list(KEY), told);
    assert.deepEqual(await ledger().listMissing(KEY, minutes(3, 20)), [missing(3, 5), missing(6, 7)]);
    assert.deepEqual(await ledger().listMissing(KEY, minutes(7, 20)), []);
    assert.deepEqual(await ledger().listMissing({ ...KEY, symbol: 'ETH/USDT' }, minutes(0, 20)), []);
    assert.deepEqual(await ledger().survey(KEY, minutes(0, 12)), [
      ...told.slice(0, 3),
      missing(6, 8),
      have(8, 9),
      missing(9, 12),
    ]);
  });

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

  it('surveys the futures feeds by their own rules', async () => {
    const key = (metric: CoverageKey['metric']): CoverageKey => ({ ...KEY, timeframe: '1h', metric });
    const at = (hour: number, values: Record<string, string>) => ({ timestamp: T0 + hour * HOUR, ...values });
    const rate = { funding_rate: '0.0001' as Decimal };
    const price = { mark_price: '5' as Decimal };
    await bare().futures('binance', 'BTC/USDT', [
      at(0, { ...rate, ...price }),
      at(1, price),
      at(8, rate),
      at(24, rate),
    ]);
    const hours = (since: number, until: number) => minutes(since * 60, until * 60);
    assert.deepEqual(await ledger().survey(key('mark_price'), hours(0, 3)), [
      haveRange(hours(0, 2)),
      missingRange(hours(2, 3)),
    ]);
    assert.deepEqual(await ledger().survey(key('funding_rate'), hours(0, 30)), [
      haveRange(hours(0, 16)),
      missingRange(hours(16, 24)),
      haveRange(hours(24, 30)),
    ]);
    assert.deepEqual(await ledger().survey(key('open_interest'), hours(0, 2)), [missingRange(hours(0, 2))]);
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
        quarantine: [row, { ...row, symbol: 'shared' }],
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
      for (const stretch of silentOrMissing.filter(({ state }) => state === 'have'))
        assert.ok(!gaps.some((gap) => gap.since < stretch.until && stretch.since < gap.until), 'have without rows');
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
      else await ledger().record(KEY, changes);
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

  it('sums up and lists page by page, by key, state and time', async () => {
    const other: CoverageKey = { exchange: 'okx', symbol: 'ETH/USDT', timeframe: '1h', metric: 'mark_price' };
    await ledger().record(KEY, [have(0, 10), missing(10, 12), empty(12, 15), missing(20, 21)]);
    await ledger().record(other, [haveRange(minutes(0, 180))]);
    const none = { have: 0, missing: 0, confirmed_empty: 0, refused: 0, out_of_window: 0 };
    const ofKey = {
      key: KEY,
      ...minutes(0, 21),
      ranges: 4,
      slots: { ...none, have: 10, missing: 3, confirmed_empty: 3 },
    };
    const ofOther = { key: other, ...minutes(0, 180), ranges: 1, slots: { ...none, have: 3 } };
    assert.deepEqual(await ledger().summarize(), [ofKey, ofOther]);
    assert.deepEqual(await ledger().summarize({ metric: 'mark_price' }), [ofOther]);
    assert.deepEqual(await ledger().summarize({ symbol: 'X' }), []);

    const collected = [];
    let after: string | undefined;
    for (;;) {
      const page = await ledger().listRanges({}, { limit: 2, after });
      assert.ok(page.ranges.length <= 2);
      collected.push(...page.ranges);
      if (page.next === null) break;
      after = page.next;
    }
    const all = [
      ...[have(0, 10), missing(10, 12), empty(12, 15), missing(20, 21)].map((range) => ({ ...KEY, ...range })),
      { ...other, ...haveRange(minutes(0, 180)) },
    ];
    assert.deepEqual(collected, all);
    const gaps = await ledger().listRanges(
      { states: ['missing'], range: minutes(11, 30), exchange: 'binance' },
      { limit: 9 },
    );
    assert.deepEqual(gaps, {
      ranges: [missing(11, 12), missing(20, 21)].map((range) => ({ ...KEY, ...range })),
      next: null,
    });
    // Of one whole key, with a range that begins inside another: found by another way.
    assert.deepEqual(
      (await ledger().listRanges({ ...KEY, range: minutes(11, 21) }, { limit: 9 })).ranges,
      [missing(11, 12), empty(12, 15), missing(20, 21)].map((range) => ({ ...KEY, ...range })),
    );
    assert.deepEqual((await ledger().listRanges({ ...KEY, range: minutes(15, 20) }, { limit: 9 })).ranges, []);
    for (const cursor of [
      '',
      'nonsense',
      Buffer.from('["a","b","c","d","e"]').toString('base64url'),
      Buffer.from('[]').toString('base64url'),
    ])
      await assert.rejects(ledger().listRanges({}, { limit: 1, after: cursor }), { code: 'CURSOR_INVALID' });
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
