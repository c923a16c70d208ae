import { FUTURES_SLOT_MS, type FuturesFeed } from '../../market/futures-snapshot.ts';
import { DAY_MS, MINUTE_MS } from '../../market/moments.ts';
import type { BinanceInstance } from './binance-instance.ts';
import type { FuturesRow } from '../kit/futures-page.ts';
import { readFields } from '../kit/futures-row.ts';

/** 30 days less ten minutes, so that the start has not fallen out by the time that the request arrives. */
const STATISTICS_DEPTH_MS = 30 * DAY_MS - 10 * MINUTE_MS;

/** The parameters that the calls share: the exchange's own id, and a range of which both ends are inside. */
interface FeedQuery {
  readonly symbol: string;
  readonly startTime: number;
  readonly endTime: number;
  readonly limit: number;
}

export interface BinanceFeed {
  readonly limit: number;
  readonly depthMs: number | null;
  /** Which allowance its calls are counted against; null: by weight. */
  readonly budget: 'statistics' | 'funding' | null;
  /** Rows may be further apart than an hour, so that one answer reaches further than `limit` hours. */
  readonly isSparse: boolean;
  readonly periodMs: number;
  readonly ask: (instance: BinanceInstance, query: FeedQuery) => Promise<unknown>;
  readonly readRow: (raw: unknown) => FuturesRow | undefined;
}

const STATISTICS = { limit: 500, depthMs: STATISTICS_DEPTH_MS, budget: 'statistics', isSparse: false } as const;

/**
 * Binance's calls for each feed. The statistics reach back 30 days only.
 *
 * @see https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Open-Interest-Statistics
 * @see https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Get-Funding-Rate-History
 */
export const BINANCE_FEEDS: Readonly<Record<FuturesFeed, BinanceFeed>> = {
  open_interest: {
    ...STATISTICS,
    periodMs: 0,
    ask: async (instance, query) => (await instance.fapiDataGetOpenInterestHist({ ...query, period: '1h' })) as unknown,
    readRow: (raw) =>
      readFields(raw, ({ timestamp, sumOpenInterest, sumOpenInterestValue }) => ({
        time: timestamp,
        values: { open_interest: sumOpenInterest, open_interest_value: sumOpenInterestValue },
      })),
  },
  top_trader_ratio: {
    ...STATISTICS,
    periodMs: 0,
    ask: async (instance, query) =>
      (await instance.fapiDataGetTopLongShortPositionRatio({ ...query, period: '1h' })) as unknown,
    readRow: (raw) =>
      readFields(raw, ({ timestamp, longShortRatio }) => ({
        time: timestamp,
        values: { top_trader_ratio: longShortRatio },
      })),
  },
  taker_buy_sell_ratio: {
    ...STATISTICS,
    // The volumes of an hour: until it has ended they still grow.
    periodMs: FUTURES_SLOT_MS,
    ask: async (instance, query) =>
      (await instance.fapiDataGetTakerlongshortRatio({ ...query, period: '1h' })) as unknown,
    readRow: (raw) =>
      readFields(raw, ({ timestamp, buySellRatio }) => ({
        time: timestamp,
        values: { taker_buy_sell_ratio: buySellRatio },
      })),
  },
  funding_rate: {
    limit: 1000,
    depthMs: null,
    budget: 'funding',
    isSparse: true,
    periodMs: 0,
    ask: async (instance, query) => (await instance.fapiPublicGetFundingRate({ ...query })) as unknown,
    readRow: (raw) =>
      readFields(raw, ({ fundingTime, fundingRate }) => ({ time: fundingTime, values: { funding_rate: fundingRate } })),
  },
  mark_price: {
    // 499 rows cost 2 of weight, 500 cost 5.
    limit: 499,
    depthMs: null,
    budget: null,
    isSparse: false,
    periodMs: 0,
    ask: async (instance, query) =>
      (await instance.fapiPublicGetMarkPriceKlines({ ...query, interval: '1h' })) as unknown,
    // The open of the hour's candle is the price at that moment, and final as soon as the hour has begun.
    readRow: (raw) =>
      Array.isArray(raw) && raw.length >= 12 ? { time: raw[0], values: { mark_price: raw[1] } } : undefined,
  },
};
