import assert from 'node:assert/strict';
import { missingRange, haveRange, type CoverageRange } from '../../../src/market/coverage.ts';
import type { Decimal } from '../../../src/market/decimal.ts';
import { candleOf, candlesFrom, seriesOf } from '../candles.ts';
import { at, BTC, HOUR, type ReadersSide } from './reader-side.ts';
import type { DeclareTest } from './skips.ts';

const hours = (since: number, until: number) => ({ since: at(since), until: at(until) });
const KEY = { ...BTC, metric: 'ohlcv' } as const;
const OTHER = { exchange: 'okx', symbol: 'ETH/USDT', timeframe: '1h', metric: 'mark_price' } as const;
const EMPTY: CoverageRange = { ...missingRange(hours(12, 15)), state: 'confirmed_empty', asks: 2, reason: 'none' };
const RANGES = [haveRange(hours(0, 10)), missingRange(hours(10, 12)), EMPTY, missingRange(hours(20, 21))];
const LEDGER = [...RANGES.map((range) => ({ ...KEY, ...range })), { ...OTHER, ...haveRange(hours(0, 3)) }];
const REFUSED = { ...KEY, claimedAt: at(3), reason: 'high is below low', raw: '[1]', source: 'rest' } as const;
/** Long before anything that is stored, and long after. */
const ALL = { since: at(-9999), until: at(99_999) };

/** The other tables as the routes read them. Nothing is stored when a test begins. */
export function describeTableReaders(test: DeclareTest, side: ReadersSide): void {
  const readers = () => side.readers();

  test('lists the ledger page by page, by key, state and time, clipped to the range', async () => {
    const { coverage } = readers();
    assert.deepEqual(await coverage.listRanges({}, { limit: 2 }), { ranges: [], next: null });
    await side.putLedger(LEDGER);
    for (const limit of [1, 2, 5, 9]) {
      const collected = [];
      for (let after: string | null | undefined; after !== null;) {
        const page = await coverage.listRanges({}, { limit, after });
        assert.ok(page.ranges.length <= limit);
        collected.push(...page.ranges);
        after = page.next;
      }
      assert.deepEqual(collected, LEDGER);
    }
    const list = async (filter: Parameters<typeof coverage.listRanges>[0]) =>
      (await coverage.listRanges(filter, { limit: 9 })).ranges;
    const missing = { states: ['missing'], range: hours(11, 30), exchange: 'binance' } as const;
    assert.deepEqual(await list(missing), [{ ...LEDGER[1]!, since: at(11) }, LEDGER[3]]);
    assert.deepEqual(await list({ ...KEY, range: hours(11, 21) }), [
      { ...LEDGER[1]!, since: at(11) },
      LEDGER[2],
      LEDGER[3],
    ]);
    assert.deepEqual(await list({ ...KEY, range: hours(15, 20) }), []);
    assert.deepEqual(await list({ metric: 'mark_price' }), [LEDGER[4]]);
    assert.deepEqual(await list({ symbol: 'ETH/USDT', states: ['missing', 'refused'] }), []);
    assert.deepEqual(await list({ states: [] }), []);
    const places = ['[]', '["a","b","c","d","e"]'].map((text) => Buffer.from(text).toString('base64url'));
    for (const after of ['', 'nonsense', '-1', ...places])
      await assert.rejects(coverage.listRanges({}, { limit: 1, after }), { code: 'CURSOR_INVALID' });
  });

  test('sums up the ledger by key', async () => {
    const { coverage } = readers();
    assert.deepEqual(await coverage.summarize({}), []);
    await side.putLedger(LEDGER);
    const none = { have: 0, missing: 0, confirmed_empty: 0, refused: 0, out_of_window: 0 };
    const mine = { key: KEY, ...hours(0, 21), ranges: 4, slots: { ...none, have: 10, missing: 3, confirmed_empty: 3 } };
    const other = { key: OTHER, ...hours(0, 3), ranges: 1, slots: { ...none, have: 3 } };
    assert.deepEqual(await coverage.summarize({}), [mine, other]);
    assert.deepEqual(await coverage.summarize({ metric: 'mark_price' }), [other]);
    assert.deepEqual(await coverage.summarize({ symbol: 'X' }), []);
  });

  test('lists what was refused, the newest first, from one on', async () => {
    const { quarantine } = readers();
    assert.deepEqual(await quarantine.list({ limit: 9 }), []);
    const rows = [
      REFUSED,
      { ...REFUSED, symbol: 'ETH/USDT', claimedAt: null },
      { ...REFUSED, source: 'stream', raw: '[2]' },
      { ...REFUSED, exchange: 'okx', timeframe: null, metric: 'mark_price' },
    ] as const;
    await side.putQuarantined(rows);
    const all = await quarantine.list({ limit: 9 });
    assert.deepEqual(
      all.map(({ id, firstSeenAt, lastSeenAt }, index) => ({
        ...{ id, firstSeenAt, lastSeenAt },
        ...{ ...rows.at(-1 - index), seen: 1 },
      })),
      all,
    );
    assert.equal(all.length, rows.length);
    assert.deepEqual(await quarantine.list({ limit: 2 }), all.slice(0, 2));
    assert.deepEqual(await quarantine.list({ limit: 2, before: all[1]!.id }), all.slice(2));
    assert.deepEqual(await quarantine.list({ limit: 2, before: all[3]!.id }), []);
    const list = (filter: object) => quarantine.list({ filter, limit: 9 });
    assert.deepEqual(await list({ exchange: 'binance', symbol: 'BTC/USDT' }), [all[1], all[3]]);
    assert.deepEqual(await list({ source: 'stream' }), [all[1]]);
    assert.deepEqual(await list({ timeframe: null }), [all[0]]);
    assert.deepEqual(await list({ metric: 'open_interest' }), []);
  });

  test('lists rewritten candles, the newest first, from one on', async () => {
    const { candleRewrites } = readers();
    assert.deepEqual(await candleRewrites.list({ limit: 9 }), []);
    const ETH = { ...BTC, symbol: 'ETH/USDT' };
    const changes = [0, 1, 2, 3].map((hour) => ({
      series: hour === 2 ? ETH : BTC,
      before: candleOf(at(hour)),
      after: { ...candleOf(at(hour)), close: '2.75' as Decimal },
    }));
    await side.putRewrites(changes);
    const all = await candleRewrites.list({ limit: 9 });
    assert.deepEqual(
      all.map(({ series, before, after }) => ({ series, before, after })),
      changes.toReversed(),
    );
    assert.deepEqual(await candleRewrites.list({ limit: 1 }), all.slice(0, 1));
    assert.deepEqual(await candleRewrites.list({ limit: 2, before: all[0]!.id }), all.slice(1, 3));
    assert.deepEqual(await candleRewrites.list({ series: { symbol: 'ETH/USDT' }, limit: 9 }), [all[1]]);
    assert.deepEqual(await candleRewrites.list({ series: BTC, range: hours(1, 3), limit: 9 }), [all[2]]);
    assert.deepEqual(await candleRewrites.list({ series: { exchange: 'okx' }, limit: 9 }), []);
  });

  test('lists futures data of a range, its ends and the perpetuals by name', async () => {
    const { futures } = readers();
    assert.deepEqual(await futures.listSymbols(), []);
    assert.equal(await futures.findBounds('binance', 'BTC/USDT'), null);
    assert.deepEqual(await futures.list('binance', 'BTC/USDT', ALL, 9), []);
    const row = (hour: number) => ({ timestamp: at(hour), mark_price: '1.50' as Decimal });
    const rows = [row(0), { ...row(1), funding_rate: '-0.00010' as Decimal }, row(5)];
    await side.putFutures('okx', 'BTC/USDT', [row(6)]);
    await side.putFutures('binance', 'BTC/USDT', rows);
    await side.putFutures('binance', 'ADA/USDT', [row(5)]);
    assert.deepEqual(await futures.list('binance', 'BTC/USDT', ALL, 9), rows);
    assert.deepEqual(await futures.list('binance', 'BTC/USDT', hours(0, 5), 9), rows.slice(0, 2));
    assert.deepEqual(await futures.list('binance', 'BTC/USDT', { since: at(0) + 1, until: at(9) }, 1), [rows[1]]);
    assert.deepEqual(await futures.findBounds('binance', 'BTC/USDT'), { first: at(0), last: at(5) });
    const named = ['binance ADA/USDT', 'binance BTC/USDT', 'okx BTC/USDT'];
    assert.deepEqual(
      (await futures.listSymbols()).map(({ exchange, symbol }) => `${exchange} ${symbol}`),
      named,
    );
  });

  test('lists the gaps of each futures feed, of hours in the range that have ended', async () => {
    const { futures } = readers();
    const gaps = [
      { metric: 'open_interest', ...hours(0, 2), state: 'missing' },
      { metric: 'mark_price', ...hours(3, 9), state: 'refused' },
      { metric: 'mark_price', ...hours(12, 13), state: 'missing' },
    ] as const;
    await side.putFuturesGaps('binance', 'BTC/USDT', gaps);
    const list = (since: number, until: number, now: number) =>
      futures.listLedgerGaps('binance', 'BTC/USDT', { since: at(since), until: at(until) }, at(now));
    assert.deepEqual(await list(0, 20, 99), gaps);
    assert.deepEqual(await list(1, 20, 5), [
      { ...gaps[0], since: at(1) },
      { ...gaps[1], until: at(5) },
    ]);
    assert.deepEqual(await list(0.5, 4.5, 4.5), [
      { ...gaps[0], since: at(1) },
      { ...gaps[1], until: at(4) },
    ]);
    assert.deepEqual(await list(9, 12, 99), []);
  });

  test('reads the view: ranges oldest first up to the limit, and the newest', async () => {
    const { recentOhlcv } = readers();
    const series = seriesOf('binance', 'BTC/USDT', '1h');
    const first = Math.floor(Date.now() / HOUR) * HOUR - 12 * HOUR;
    const candles = candlesFrom(first, HOUR, 10);
    assert.deepEqual(await recentOhlcv.list(series, ALL, 9), []);
    await side.putRecent(series, candles);
    assert.equal(await recentOhlcv.isPopulated(), true);
    assert.deepEqual(await recentOhlcv.list(series, ALL, 99), candles);
    const range = { since: first + 2 * HOUR, until: first + 6 * HOUR };
    assert.deepEqual(await recentOhlcv.list(series, range, 9), candles.slice(2, 6));
    assert.deepEqual(await recentOhlcv.list(series, range, 3), candles.slice(2, 5));
    assert.deepEqual(await recentOhlcv.listNewest(series, 3, range.until), candles.slice(3, 6));
    assert.deepEqual(await recentOhlcv.listNewest(series, 99, first), []);
    assert.deepEqual(await recentOhlcv.list({ ...series, symbol: 'ETH/USDT' }, ALL, 9), []);
    await side.whileUnpopulated(async () => {
      assert.equal(await recentOhlcv.isPopulated(), false);
      await assert.rejects(recentOhlcv.list(series, ALL, 9), { code: '55000' });
      await assert.rejects(recentOhlcv.listNewest(series, 9, ALL.until), { code: '55000' });
    });
  });

  test('has nothing in the view that opened more than seven days before its refresh', async () => {
    const old = Math.floor(Date.now() / HOUR) * HOUR - 8 * 24 * HOUR;
    await side.putRecent(BTC, candlesFrom(old, HOUR, 2));
    assert.deepEqual(await readers().recentOhlcv.list(BTC, ALL, 9), []);
  });
}
