import assert from 'node:assert/strict';
import type { IngestStores } from '../../../src/ingest/collector/ports.ts';
import type { Candle } from '../../../src/market/candle.ts';
import { candleEntry, type CommitEntry } from '../../../src/market/commit-entry.ts';
import { candleKey, feedKey, haveRange, missingRange, type CoverageRange } from '../../../src/market/coverage.ts';
import type { Decimal } from '../../../src/market/decimal.ts';
import type { FuturesFeed, FuturesMetric } from '../../../src/market/futures-snapshot.ts';
import { candleOf, seriesOf } from '../candles.ts';
import { feedEntry, withRefused } from '../commit-entries.ts';
import type { DeclareTest } from './skips.ts';

const MINUTE = 60_000;
const T0 = Date.UTC(2024, 2, 9);
const BTC = seriesOf('binance', 'BTC/USDT', '1m');
const ETH = seriesOf('binance', 'ETH/USDT', '1m');
const NOTHING = { inserted: 0, updated: 0, unchanged: 0, changes: [] };

const minutes = (since: number, until: number) => ({ since: T0 + since * MINUTE, until: T0 + until * MINUTE });
const have = (since: number, until: number) => haveRange(minutes(since, until));
const missing = (since: number, until: number) => missingRange(minutes(since, until));

const candle = (minute: number) => candleOf(T0 + minute * MINUTE);
const told = (rows: CommitEntry['rows'], ...changes: CoverageRange[]): CommitEntry => ({
  key: candleKey(BTC),
  rows,
  changes,
  quarantine: [],
});
const feed = (metric: FuturesFeed, values: Readonly<Partial<Record<FuturesMetric, string>>>): CommitEntry => ({
  key: feedKey('binance', 'BTC/USDT', metric),
  rows: [{ timestamp: T0, ...(values as Partial<Record<FuturesMetric, Decimal>>) }],
  changes: [have(0, 60)],
  quarantine: [],
});
/** A candle with such values instead. */
const candleWith = (values: Readonly<Partial<Record<Exclude<keyof Candle, 'timestamp'>, string | undefined>>>) =>
  told([{ ...candle(0), ...(values as Partial<Candle>) }], have(0, 1));
const refused = (of: Partial<CommitEntry['quarantine'][number]>): CommitEntry => {
  const { quarantine, ...entry } = withRefused(told([]), 1);
  return { ...entry, quarantine: quarantine.map((row) => ({ ...row, ...of })) };
};
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
    [feed('mark_price', { open_interest: '1' })],
    /the row at 2024-03-09T00:00:00.000Z does not hold it/,
  ],
  [
    'a row that holds what another feed is of, too',
    [feed('open_interest', { open_interest: '1', funding_rate: '0.5' })],
    /the row at 2024-03-09T00:00.* holds funding_rate/,
  ],
  [
    'the value of open contracts with another feed',
    [feed('mark_price', { mark_price: '1', open_interest_value: '1' })],
    /holds open_interest_value/,
  ],
  [
    'futures data of another grid',
    [{ ...told([]), key: { ...feedKey('binance', 'BTC/USDT', 'mark_price'), timeframe: '4h' } }],
    /4h mark_price.*kept per hour/,
  ],
  ['futures data that is no number', [feed('mark_price', { mark_price: 'NaN' })], /mark_price that is not a decimal/],
  ['futures data below zero', [feed('open_interest', { open_interest: '-1' })], /open_interest that is negative/],
  ['a price that is no number', [candleWith({ close: 'NaN' })], /the row at .*close is not a decimal number/],
  ['a price with an exponent', [candleWith({ open: '1e2' })], /open is not a decimal number/],
  ['a volume below zero', [candleWith({ volume: '-1' })], /volume is negative/],
  ['a candle whose low is above its high', [candleWith({ low: '9999999' })], /low is above high/],
  ['what was refused of another series', [refused({ symbol: 'ETH/USDT' })], /refused row is of binance ETH.USDT 1m/],
  ['what was refused of another exchange', [refused({ exchange: 'okx' })], /refused row is of okx/],
  ['what was refused of another timeframe', [refused({ timeframe: '5m' })], /refused row is of .* 5m ohlcv/],
  ['what was refused of another metric', [refused({ metric: 'mark_price' })], /refused row is of .* mark_price/],
  ['futures data as candles', [told([{ timestamp: T0, mark_price: '1' as Decimal }], have(0, 1))], /another kind/],
  [
    'candles as futures data',
    [{ key: feedKey('binance', 'BTC/USDT', 'mark_price'), rows: [candle(0)], changes: [have(0, 60)], quarantine: [] }],
    /BTC\/USDT 1h mark_price.*another kind/,
  ],
];

/** Entries that do not contradict themselves, among them some without anything. */
export const VALID: readonly CommitEntry[] = [
  { ...told([]), key: { ...candleKey(BTC), timeframe: '5m' } },
  feedEntry('BTC/USDT', 'mark_price', T0, ['1']),
  feed('open_interest', { open_interest: '1', open_interest_value: '2' }),
  feed('funding_rate', { funding_rate: '-0.0001' }),

  { ...told([], haveRange(week(1)), missingRange(week(8))), key: WEEKLY },
  told([candle(2), candle(0)], have(0, 1), missing(1, 2), have(2, 3)),
];

/** What a commit refuses before it does anything: faults of the program. */
export function describeRefusals(test: DeclareTest, commit: () => IngestStores['commit']): void {
  const good = candleEntry(ETH, [candle(0)]);

  for (const [name, entries, message] of INVALID)
    test(`refuses ${name}, before it asks for anything`, async () => {
      for (const all of [entries, [good, ...entries], [...entries, good]])
        await assert.rejects(commit()(all), { code: 'COMMIT_INVALID', message });
    });

  test('refuses what is no range and no grid', async () => {
    for (const [entry, message] of [
      [told([], have(3, 3)), /no range of coverage/],
      [told([], have(4, 3)), /no range of coverage/],
      [told([], haveRange({ since: NaN, until: T0 })), /no range of coverage/],
      [told([], { ...missing(0, 1), asks: -1 }), /no number of asks/],
      [{ ...told([]), key: { ...candleKey(BTC), timeframe: '7y' } }, /not a timeframe/],
    ] as const)
      await assert.rejects(commit()([good, entry]), { name: 'RangeError', message });
  });

  test('has nothing to do with nothing', async () => {
    assert.deepEqual(await commit()([]), NOTHING);
    assert.deepEqual(await commit()([told([]), { ...told([]), key: candleKey(ETH) }]), NOTHING);
  });
}
