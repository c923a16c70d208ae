import { LONGEST_FUNDING_INTERVAL_MS } from '../../../market/funding-slots.ts';
import { FUTURES_SLOT_MS } from '../../../market/futures-snapshot.ts';
import { DAY_MS, MINUTE_MS } from '../../../market/moments.ts';
import { readFields, readList } from '../../kit/futures-row.ts';
import type { CcxtInstance, InstanceOf } from '../ccxt-library.ts';
import type { Dialect, UnifiedFeedQuery, UnifiedFeeds } from './dialect.ts';

type OkxInstance = InstanceOf<
  'okx',
  | 'publicGetRubikStatContractsOpenInterestHistory'
  | 'publicGetPublicFundingRateHistory'
  | 'publicGetMarketMarkPriceCandles'
  | 'publicGetMarketHistoryMarkPriceCandles'
>;

const LIMIT = 100;
/** So that the start has not fallen out by the time that the request arrives. */
const MARGIN_MS = 10 * MINUTE_MS;
/** The newest entries that the statistics keep, and that the candles of the mark price hold without the history call. */
const RECENT_ENTRIES = 1440;

/**
 * OKX's linear perpetuals.
 *
 * - Open interest counts contracts (`oi`, of 0.01 BTC for one), the base currency (`oiCcy`, which is kept) and US
 *   dollars (`oiUsd`, not the quote currency: left out). A row is of the hour that begins at its time and moves until
 *   that has ended. Reaches back 1,440 entries.
 * - Funding: `realizedRate` is what was paid; three months of it.
 * - The top traders' ratio and the taker volume are left out: nothing says which moment of the period they are of, and
 *   the second has no ratio of its own.
 *
 * `before` and `begin` mean later than, `after` and `end` earlier than; sent one millisecond outside, it does not matter
 * whether they include their moment.
 *
 * @see https://www.okx.com/docs-v5/en/#trading-statistics-rest-api-get-contract-open-interest-history
 * @see https://www.okx.com/docs-v5/en/#public-data-rest-api-get-funding-rate-history
 * @see https://www.okx.com/docs-v5/en/#public-data-rest-api-get-mark-price-candlesticks-history
 */
const FEEDS: UnifiedFeeds = new Map([
  [
    'open_interest',
    {
      limit: LIMIT,
      depthMs: RECENT_ENTRIES * FUTURES_SLOT_MS - MARGIN_MS,
      reachMs: LIMIT * FUTURES_SLOT_MS,
      periodMs: FUTURES_SLOT_MS,
      ask: async (instance, { id, asked, limit }) =>
        readData(
          await (instance as OkxInstance).publicGetRubikStatContractsOpenInterestHistory({
            instId: id,
            period: '1H',
            begin: asked.since - 1,
            end: asked.until - 1,
            limit,
          }),
        ),
      // Time, contracts, base currency, US dollars.
      readRow: (raw) => readList(raw, 4, (row) => ({ time: row[0], values: { open_interest: row[2] } })),
    },
  ],
  [
    'funding_rate',
    {
      limit: LIMIT,
      depthMs: 90 * DAY_MS - MARGIN_MS,
      // One less than a full page of settlements of 8 hours: a full one may have been cut.
      reachMs: (LIMIT - 1) * LONGEST_FUNDING_INTERVAL_MS,
      periodMs: 0,
      ask: async (instance, { id, asked, limit }) =>
        readData(
          await (instance as OkxInstance).publicGetPublicFundingRateHistory({
            instId: id,
            before: asked.since - 1,
            after: asked.until - 1,
            limit,
          }),
        ),
      readRow: (raw) =>
        readFields(raw, ({ fundingTime, realizedRate }) => ({
          time: fundingTime,
          values: { funding_rate: realizedRate },
        })),
    },
  ],
  [
    'mark_price',
    {
      limit: LIMIT,
      depthMs: null,
      reachMs: LIMIT * FUTURES_SLOT_MS,
      periodMs: 0,
      ask: askMarkPrice,
      // The open of the hour's candle is the price at that moment, and final as soon as the hour has begun.
      readRow: (raw) => readList(raw, 6, ([time, open]) => ({ time, values: { mark_price: open } })),
    },
  ],
]);

/**
 * OKX's houses in the United States and in Europe, which speak the same of candles; of their futures nothing was looked
 * into. The ninth column says whether a candle is complete.
 *
 * @see https://www.okx.com/docs-v5/en/#order-book-trading-market-data-get-candlesticks
 */
export const OKX_REGIONAL = { confirmColumn: 8 } satisfies Partial<Dialect>;

/** OKX. */
export const OKX = { ...OKX_REGIONAL, futuresFeeds: FEEDS } satisfies Partial<Dialect>;

async function askMarkPrice(instance: CcxtInstance, { id, asked, limit, nowMs }: UnifiedFeedQuery): Promise<unknown> {
  const client = instance as OkxInstance;
  const query = { instId: id, bar: '1H', before: asked.since - 1, after: asked.until - 1, limit };
  const isRecent = asked.since > nowMs - (RECENT_ENTRIES - 1) * FUTURES_SLOT_MS;
  return readData(
    isRecent
      ? await client.publicGetMarketMarkPriceCandles(query)
      : await client.publicGetMarketHistoryMarkPriceCandles(query),
  );
}

function readData(answer: unknown): unknown {
  return ((answer ?? {}) as { data?: unknown }).data;
}
