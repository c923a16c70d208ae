import { LONGEST_FUNDING_INTERVAL_MS } from '../../../market/funding-slots.ts';
import { FUTURES_SLOT_MS } from '../../../market/futures-snapshot.ts';
import { readFields, readList } from '../../kit/futures-row.ts';
import type { InstanceOf } from '../ccxt-library.ts';
import type { Dialect, UnifiedFeedQuery, UnifiedFeeds } from './dialect.ts';

type BybitInstance = InstanceOf<
  'bybit',
  'publicGetV5MarketOpenInterest' | 'publicGetV5MarketFundingHistory' | 'publicGetV5MarketMarkPriceKline'
>;

const FUNDING_LIMIT = 200;
const OPEN_INTEREST_LIMIT = 200;
const MARK_PRICE_LIMIT = 1000;

/**
 * Bybit's linear perpetuals, all of history. Open interest is in the base currency; its value is not in the history.
 * The long/short ratio is one of all accounts, and there is no taker volume: both are left out.
 *
 * @see https://bybit-exchange.github.io/docs/v5/market/open-interest
 * @see https://bybit-exchange.github.io/docs/v5/market/history-fund-rate
 * @see https://bybit-exchange.github.io/docs/v5/market/mark-kline
 */
const FEEDS: UnifiedFeeds = new Map([
  [
    'open_interest',
    {
      limit: OPEN_INTEREST_LIMIT,
      depthMs: null,
      reachMs: OPEN_INTEREST_LIMIT * FUTURES_SLOT_MS,
      periodMs: 0,
      ask: async (instance, query) =>
        readResult(
          await (instance as BybitInstance).publicGetV5MarketOpenInterest({
            category: 'linear',
            symbol: query.id,
            intervalTime: '1h',
            startTime: query.asked.since,
            endTime: query.asked.until - 1,
            limit: query.limit,
          }),
          query,
        ),
      readRow: (raw) =>
        readFields(raw, ({ timestamp, openInterest }) => ({
          time: timestamp,
          values: { open_interest: openInterest },
        })),
    },
  ],
  [
    'funding_rate',
    {
      limit: FUNDING_LIMIT,
      depthMs: null,
      // One less than a full page of settlements of 8 hours: a full one may have been cut.
      reachMs: (FUNDING_LIMIT - 1) * LONGEST_FUNDING_INTERVAL_MS,
      periodMs: 0,
      ask: async (instance, query) =>
        readResult(
          await (instance as BybitInstance).publicGetV5MarketFundingHistory({
            category: 'linear',
            symbol: query.id,
            startTime: query.asked.since,
            endTime: query.asked.until - 1,
            limit: query.limit,
          }),
          query,
        ),
      readRow: (raw) =>
        readFields(raw, ({ fundingRateTimestamp, fundingRate }) => ({
          time: fundingRateTimestamp,
          values: { funding_rate: fundingRate },
        })),
    },
  ],
  [
    'mark_price',
    {
      limit: MARK_PRICE_LIMIT,
      depthMs: null,
      reachMs: MARK_PRICE_LIMIT * FUTURES_SLOT_MS,
      periodMs: 0,
      ask: async (instance, query) =>
        readResult(
          await (instance as BybitInstance).publicGetV5MarketMarkPriceKline({
            category: 'linear',
            symbol: query.id,
            interval: '60',
            start: query.asked.since,
            end: query.asked.until - 1,
            limit: query.limit,
          }),
          query,
        ),
      // The open of the hour's candle is the price at that moment, and final as soon as the hour has begun.
      readRow: (raw) => readList(raw, 5, ([time, open]) => ({ time, values: { mark_price: open } })),
    },
  ],
]);

/** Bybit. */
export const BYBIT = { futuresFeeds: FEEDS } satisfies Partial<Dialect>;

/** The rows, where the answer speaks of the contract that was asked for or does not say of which. */
function readResult(answer: unknown, { id }: UnifiedFeedQuery): unknown {
  const { result } = (answer ?? {}) as { result?: { list?: unknown; symbol?: unknown } | null };
  return result?.symbol === undefined || result.symbol === id ? result?.list : undefined;
}
