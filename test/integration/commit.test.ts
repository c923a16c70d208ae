import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { createKysely, createPool } from '../../src/db/client.ts';
import { createRepositories } from '../../src/db/repositories/index.ts';
import { createLogger } from '../../src/logger.ts';
import { candleEntry, type CommitEntry } from '../../src/market/commit-entry.ts';
import { candleKey, feedKey, haveRange, missingRange, type CoverageRange } from '../../src/market/coverage.ts';
import type { Decimal } from '../../src/market/decimal.ts';
import type { Timeframe } from '../../src/market/timeframe.ts';
import { candleOf, candlesFrom, seriesOf } from '../support/candles.ts';
import { feedEntry, withRefused } from '../support/commit-entries.ts';
import { describeOnEachServer } from '../support/repository-lanes.ts';

const MINUTE = 60_000;
const HOUR = 3_600_000;
const T0 = Date.UTC(2024, 2, 9);
const ALL = { since: 0, until: Date.UTC(2100, 0, 1) };
const BTC = seriesOf('binance', 'BTC/USDT', '1m');
const ETH = seriesOf('binance', 'ETH/USDT', '1m');
const OKX = seriesOf('okx', 'BTC/USDT', '5m');
const NOTHING = { inserted: 0, updated: 0, unchanged: 0, changes: [] };

const minutes = (since: number, until: number) => ({ since: T0 + since * MINUTE, until: T0 + until * MINUTE });
const have = (since: number, until: number) => haveRange(minutes(since, until));
const missing = (since: number, until: number) => missingRange(minutes(since, until));

describeOnEachServer('commit', ({ repositories, rows: bare, query, clear }) => {
  const commit = (...entries: CommitEntry[]) => repositories().commit(entries);
  const ohlcv = () => repositories().ohlcv;
  const coverage = () => repositories().coverage;

  before(() =>
    query(`
      create table insertions (at serial, is_copy bool not null);
      create function note_insertion() returns trigger language plpgsql as
        $$ begin insert into insertions (is_copy) values (current_query() ilike 'copy %'); return null; end $$;
      create trigger note_insertion before insert on ohlcv_data for each statement execute function note_insertion()`),
  );
  beforeEach(async () => {
    await clear();
    await query('truncate insertions');
  });
  /** How the statements wrote candles since the last look, in their order. */
  async function takeWays(): Promise<('copy' | 'insert')[]> {
    const noted = await query('delete from insertions returning at, is_copy');
    return noted
      .toSorted((a, b) => Number(a['at']) - Number(b['at']))
      .map(({ is_copy }) => (is_copy === true ? 'copy' : 'insert'));
  }

  it('writes several series with one statement', async () => {
    const [a, b, c] = candlesFrom(T0, 5 * MINUTE, 3);
    const entries = [candleEntry(BTC, [a!, b!]), candleEntry(OKX, [c!]), candleEntry(ETH, [a!])];
    assert.deepEqual(await commit(...entries), { ...NOTHING, inserted: 4 });
    assert.deepEqual(await takeWays(), ['insert']);
    assert.deepEqual(await ohlcv().list(BTC, ALL, 9), [a, b]);
    // More than may be copied, yet of two series: a statement for each 5,000.
    const many = candlesFrom(T0 + HOUR, MINUTE, 5001);
    assert.equal((await commit(candleEntry(BTC, many), candleEntry(ETH, [b!]))).inserted, 5002);
    assert.deepEqual(await takeWays(), ['insert', 'insert']);
  });

  it('writes one series page by page, up to 5,000 candles or into a time that holds some', async () => {
    const candles = candlesFrom(T0, MINUTE, 12_000);
    assert.equal((await commit(candleEntry(BTC, candles.slice(0, 5000)))).inserted, 5000);
    assert.deepEqual(await takeWays(), ['insert']);
    assert.deepEqual(await commit(candleEntry(BTC, candles)), { ...NOTHING, inserted: 7000, unchanged: 5000 });
    assert.deepEqual(await takeWays(), ['insert', 'insert', 'insert']);
    assert.deepEqual(await ohlcv().list(BTC, ALL, 20_000), candles);
  });

  it('copies more than 5,000 candles of one series into an empty time, whatever else comes along', async () => {
    const candles = candlesFrom(T0, MINUTE, 5001);
    // What lies beside the time, and in it of another series, is not in the way.
    await bare().candles(BTC, [candleOf(T0 - MINUTE), candleOf(T0 + 5001 * MINUTE)]);
    await bare().candles(ETH, [candleOf(T0 + MINUTE)]);
    await takeWays();
    const outcome = await commit(
      withRefused(candleEntry(BTC, candles), 1),
      candleEntry(ETH, []),
      feedEntry('BTC/USDT', 'mark_price', T0, ['5']),
    );
    assert.deepEqual(outcome, { ...NOTHING, inserted: 5002 });
    assert.deepEqual(await takeWays(), ['copy']);
    assert.deepEqual(await ohlcv().list(BTC, minutes(0, 5001), 9999), candles);
    assert.deepEqual(await coverage().list(candleKey(BTC)), [have(0, 5001)]);
  });

  it('takes the ledger alone, refused rows alone, and nothing', async () => {
    const refused: CoverageRange = { ...missing(20, 21), state: 'refused', asks: 1, reason: 'no' };
    const told = { key: candleKey(BTC), rows: [], changes: [have(0, 10), missing(10, 20), refused], quarantine: [] };
    assert.deepEqual(await commit(told), NOTHING);
    assert.deepEqual(await coverage().list(told.key), told.changes);
    assert.deepEqual(await commit(withRefused(candleEntry(ETH, []), 2)), NOTHING);
    assert.equal(await repositories().quarantine.count({ symbol: 'ETH/USDT' }), 2);
    assert.deepEqual(await coverage().list(candleKey(ETH)), []);
    assert.deepEqual(await commit(), NOTHING);
    assert.deepEqual(await commit(candleEntry(BTC, []), candleEntry(ETH, [])), NOTHING);
    assert.deepEqual(await takeWays(), []);
    assert.deepEqual(await coverage().list(told.key), told.changes);
  });

  it('takes candles and futures data together, and tells what was rewritten of which series', async () => {
    const [a, b, c] = candlesFrom(T0, MINUTE, 3);
    await bare().candles(BTC, [a!, b!]);
    await bare().candles(ETH, [a!]);
    await bare().futures('binance', 'BTC/USDT', [{ timestamp: T0, mark_price: '4' as Decimal }]);
    const changed = { ...b!, close: '0.00003' as Decimal };
    const outcome = await commit(
      feedEntry('BTC/USDT', 'mark_price', T0, ['5', '6']),
      candleEntry(ETH, [a!, b!]),
      withRefused(candleEntry(BTC, [c!, changed, a!]), 1),
      feedEntry('BTC/USDT', 'open_interest', T0 + HOUR, ['1', '2']),
    );
    const changes = [{ series: BTC, before: b, after: changed }];
    // Of futures data: one new, one other value, one row that takes a second metric, one new.
    assert.deepEqual(outcome, { inserted: 2 + 2, updated: 1 + 2, unchanged: 2, changes });
    assert.deepEqual(await ohlcv().list(BTC, ALL, 9), [a, changed, c]);
    assert.deepEqual(await repositories().futures.list('binance', 'BTC/USDT', ALL, 9), [
      { timestamp: T0, mark_price: '5' },
      { timestamp: T0 + HOUR, mark_price: '6', open_interest: '1' },
      { timestamp: T0 + 2 * HOUR, open_interest: '2' },
    ]);
    assert.deepEqual(await coverage().list(candleKey(BTC)), [have(0, 3)]);
    assert.deepEqual(await coverage().list(feedKey('binance', 'BTC/USDT', 'mark_price')), [have(0, 120)]);
    assert.deepEqual(await coverage().list(feedKey('binance', 'BTC/USDT', 'open_interest')), [have(60, 180)]);
    assert.equal(await repositories().quarantine.count(), 1);
    assert.equal(await repositories().candleRewrites.count({ series: BTC }), 1);
    // A page of one series tells it too.
    const page = await commit(candleEntry(BTC, [b!]));
    assert.deepEqual(page, { ...NOTHING, updated: 1, changes: [{ series: BTC, before: changed, after: b }] });
  });

  it('takes rows in any order where the ledger is told of many ranges', async () => {
    const every = candlesFrom(T0, MINUTE, 3000);
    const rows = [...every.filter((_, index) => index % 3 === 0).toReversed(), ...every.filter((_, i) => i % 3 === 1)];
    const changes = Array.from({ length: 1000 }, (_, index) => [
      have(3 * index, 3 * index + 2),
      missing(3 * index + 2, 3 * index + 3),
    ]).flat();
    assert.equal((await commit({ key: candleKey(BTC), rows, changes, quarantine: [] })).inserted, 2000);
    assert.deepEqual(await coverage().list(candleKey(BTC)), changes);
    assert.deepEqual(
      await ohlcv().list(BTC, ALL, 3000),
      every.filter((_, index) => index % 3 < 2),
    );
  });
});

const candle = (minute: number) => candleOf(T0 + minute * MINUTE);
const told = (rows: CommitEntry['rows'], ...changes: CoverageRange[]): CommitEntry => ({
  key: candleKey(BTC),
  rows,
  changes,
  quarantine: [],
});
const WEEKLY = { ...candleKey(BTC), timeframe: '1w' };
const week = (day: number) => ({ since: Date.UTC(2024, 0, day), until: Date.UTC(2024, 0, day + 7) });
/** Entries that contradict themselves, and what is said of them. */
const INVALID: readonly [string, readonly CommitEntry[], RegExp][] = [
  ['a key that is given twice', [told([], have(0, 1)), told([], have(1, 2))], /the key is given twice/],
  ['a key without anything that is given twice', [told([]), told([])], /the key is given twice/],
  ['ranges that overlap', [told([], have(0, 5), missing(4, 6))], /range at 2024-03-09T00:04.* overlaps/],
  ['ranges that say the same twice', [told([], have(0, 5), have(0, 5))], /overlaps/],
  ['ranges out of order', [told([], missing(5, 6), have(0, 5))], /range at 2024-03-09T00:00.* overlaps/],
  ['a range that begins off the grid', [told([], haveRange({ since: T0 + 1, until: T0 + MINUTE }))], /off the grid/],
  ['a range that ends off the grid', [told([], missingRange({ since: T0, until: T0 + 30_000 }))], /off the grid/],
  ['weeks that begin on a Tuesday', [{ ...told([], haveRange(week(2))), key: WEEKLY }], /off the grid/],
  ['a row without a word for the ledger', [told([candle(0)])], /not told that the row at 2024-03-09T00:00/],
  ['a row before what is told', [told([candle(0), candle(1)], have(1, 2))], /the row at 2024-03-09T00:00:00/],
  ['a row behind what is told', [told([candle(0), candle(1)], have(0, 1))], /the row at 2024-03-09T00:01:00/],
  ['a row between what is told', [told([candle(0), candle(1)], have(0, 1), have(2, 3))], /the row at .*00:01:00/],
  ['a row that is told as missing', [told([candle(0), candle(1)], have(0, 1), missing(1, 2))], /the row at .*00:01/],
  ['a row of no time', [told([candleOf(NaN)], have(0, 1))], /the row at NaN/],
  ['a row off the grid', [told([candleOf(T0 + 1)], have(0, 1))], /the row at 2024-03-09T00:00:00.001Z is off the grid/],
  [
    'a row without what the feed is of',
    [
      {
        key: feedKey('binance', 'BTC/USDT', 'mark_price'),
        rows: [{ timestamp: T0, open_interest: '1' as Decimal }],
        changes: [have(0, 60)],
        quarantine: [],
      },
    ],
    /the row at 2024-03-09T00:00:00.000Z does not hold it/,
  ],
  ['futures data as candles', [told([{ timestamp: T0, mark_price: '1' as Decimal }], have(0, 1))], /another kind/],
  [
    'candles as futures data',
    [{ key: feedKey('binance', 'BTC/USDT', 'mark_price'), rows: [candle(0)], changes: [have(0, 60)], quarantine: [] }],
    /BTC\/USDT 1h mark_price.*another kind/,
  ],
];

describe('commit, without a database', () => {
  const logger = createLogger({ level: 'silent', pretty: false });
  const url = 'postgresql://nobody@127.0.0.1:1/none';
  const kysely = createKysely(() => createPool({ url, applicationName: 'test', maxConnections: 1, logger }));
  const commit = (entries: readonly CommitEntry[]) => createRepositories(kysely).commit(entries);
  after(() => kysely.destroy());
  const good = candleEntry(ETH, [candle(0)]);

  for (const [name, entries, message] of INVALID)
    it(`refuses ${name}, before it asks for anything`, async () => {
      for (const all of [entries, [good, ...entries], [...entries, good]])
        await assert.rejects(commit(all), { code: 'COMMIT_INVALID', message });
    });

  it('refuses what is no range and no grid', async () => {
    for (const [entry, message] of [
      [told([], have(3, 3)), /no range of coverage/],
      [told([], have(4, 3)), /no range of coverage/],
      [told([], haveRange({ since: NaN, until: T0 })), /no range of coverage/],
      [told([], { ...missing(0, 1), asks: -1 }), /no number of asks/],
      [{ ...told([]), key: { ...candleKey(BTC), timeframe: '7y' } }, /not a timeframe/],
    ] as const)
      await assert.rejects(commit([good, entry]), { name: 'RangeError', message });
  });

  it('has nothing to do with nothing, and fails with what is good', async () => {
    assert.deepEqual(await commit([]), NOTHING);
    assert.deepEqual(await commit([told([]), { ...told([]), key: candleKey(ETH) }]), NOTHING);
    const others = [
      { ...told([]), key: { ...candleKey(BTC), timeframe: '5m' as Timeframe } },
      feedEntry('BTC/USDT', 'mark_price', T0, ['1']),
      feedEntry('BTC/USDT', 'open_interest', T0, ['1']),
      { ...told([], haveRange(week(1)), missingRange(week(8))), key: WEEKLY },
      told([candle(2), candle(0)], have(0, 1), missing(1, 2), have(2, 3)),
    ];
    await assert.rejects(commit(others), { code: 'ECONNREFUSED' });
  });
});
