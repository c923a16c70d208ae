import assert from 'node:assert/strict';
import type { LiveFeed } from '../../../src/http/live/live-watch.ts';
import type { Candle } from '../../../src/market/candle.ts';
import { seriesKey, type Series } from '../../../src/market/instrument.ts';
import type { TimeRange } from '../../../src/market/time-range.ts';
import type { Decimal } from '../../../src/market/decimal.ts';
import { candlesFrom, seriesOf } from '../candles.ts';
import type { DeclareTest } from './skips.ts';

/** What changed lately, as one of the sides keeps it. */
export interface FeedSide {
  readonly feed: () => LiveFeed;
  /** Stores candles, and tells the ledger, at a moment (epoch ms). */
  readonly store: (series: Series, candles: readonly Candle[], at: number) => Promise<unknown>;
  /** Tells the ledger that a range is missing. */
  readonly miss: (series: Series, range: TimeRange) => Promise<unknown>;
  /** Notes that a stored candle was rewritten. */
  readonly rewrite: (series: Series, before: Candle, after: Candle) => Promise<unknown>;
}

const MINUTE = 60_000;
const T0 = Date.UTC(2026, 0, 1);
const BTC = seriesOf('binance', 'BTC/USDT', '1m');
const ETH = seriesOf('binance', 'ETH/USDT', '1m');
const OKX = seriesOf('okx', 'BTC/USDT', '5m');
const CANDLES = candlesFrom(T0, MINUTE, 10);

/** What the live stream looks at. Nothing is stored when a test begins. */
export function describeFeed(test: DeclareTest, { feed, store, miss, rewrite }: FeedSide): void {
  const look = async () => {
    const { at, revision, series } = await feed().look();
    assert.ok(Number.isFinite(at));
    return { revision, series: series.toSorted((a, b) => (seriesKey(a.series) < seriesKey(b.series) ? -1 : 1)) };
  };
  const times = async (...asked: Parameters<LiveFeed['listStoredSince']>) =>
    (await feed().listStoredSince(...asked)).map(({ series, candle }) => [
      seriesKey(series),
      (candle.timestamp - T0) / MINUTE,
    ]);

  test('sees nothing where nothing is', async () => {
    assert.deepEqual(await look(), { revision: '0', series: [] });
    assert.deepEqual(await feed().listStoredSince({ series: [], since: 0, perSeries: 9, limit: 9 }), []);
    assert.deepEqual(await feed().listStoredSince({ series: [BTC], since: 0, perSeries: 9, limit: 9 }), []);
    assert.deepEqual(await feed().listRevisions('0', 9), []);
  });

  test('sums up what is stored and what is missing of each series', async () => {
    await store(BTC, CANDLES.slice(0, 4), T0);
    await store(BTC, CANDLES.slice(3, 6), T0 + 1);
    await store(OKX, [CANDLES[5]!], T0);
    const lost = { since: T0 + 6 * MINUTE, until: T0 + 9 * MINUTE };
    await miss(BTC, lost);
    await miss(ETH, lost);
    const end = T0 + 6 * MINUTE;
    assert.deepEqual((await look()).series, [
      { series: BTC, tail: end, have: 6, missing: 3, lost: 0, gaps: lost },
      { series: ETH, tail: null, have: 0, missing: 3, lost: 0, gaps: lost },
      { series: OKX, tail: T0 + 10 * MINUTE, have: 1, missing: 0, lost: 0, gaps: null },
    ]);
  });

  test('lists what was stored since a moment, of the newest of each series, oldest first, up to the limit', async () => {
    const later = T0 + 1_000;
    await store(BTC, CANDLES.slice(0, 8), T0);
    await store(BTC, CANDLES.slice(8).toReversed(), later);
    await store(ETH, CANDLES.slice(7, 10), later);
    // Stored again, and so not anew.
    await store(BTC, CANDLES.slice(6, 8), later);
    const names = [BTC, ETH].map(seriesKey) as [string, string];
    const asked = { series: [ETH, BTC], since: later, perSeries: 9, limit: 9 };
    const found = [
      [names[1], 7],
      [names[0], 8],
      [names[1], 8],
      [names[0], 9],
      [names[1], 9],
    ];
    assert.deepEqual(await times(asked), found);
    assert.deepEqual(await times({ ...asked, limit: 3 }), found.slice(0, 3));
    assert.deepEqual(await times({ ...asked, perSeries: 1 }), found.slice(3));
    assert.deepEqual(await times({ ...asked, series: [BTC] }), [found[1], found[3]]);
    assert.deepEqual(await times({ ...asked, since: later + 1 }), []);
    assert.equal((await times({ ...asked, since: T0, perSeries: 99, limit: 99 })).length, 13);
    assert.deepEqual(await feed().listStoredSince({ ...asked, series: [BTC], limit: 1 }), [
      { series: BTC, candle: CANDLES[8] },
    ]);
  });

  test('lists rewritten candles in the order in which they were, from one on', async () => {
    await store(BTC, CANDLES, T0);
    const written = CANDLES.slice(0, 4).map((before) => ({
      series: BTC,
      before,
      after: { ...before, volume: '5' as Decimal },
    }));
    for (const { series, before, after } of written) await rewrite(series, before, after);
    const all = await feed().listRevisions('0', 9);
    assert.deepEqual(
      all.map(({ series, before, after }) => ({ series, before, after })),
      written,
    );
    assert.ok(all.every(({ changedAt }) => Number.isFinite(changedAt)));
    assert.deepEqual(await feed().listRevisions('0', 2), all.slice(0, 2));
    assert.deepEqual(await feed().listRevisions(all[1]!.id, 9), all.slice(2));
    assert.deepEqual(await feed().listRevisions(all[3]!.id, 9), []);
    assert.equal((await look()).revision, all[3]!.id);
  });
}
