import type { Dialect } from './dialect.ts';

/**
 * Exchanges whose spot candle rows tell when the candle closes: its last millisecond, or (MEXC) the first one after it.
 *
 * @see https://docs.binance.us/#get-candlestick-data
 * @see https://bingx-api.github.io/docs/#/en-us/spot/market-api.html
 * @see https://www.mexc.com/api-docs/spot-v3/market-data-endpoints#klinecandlestick-data
 */
export const CLOSES_IN_SEVENTH = { closingTime: 6 } satisfies Partial<Dialect>;

/**
 * Hyperliquid, whose rows are objects.
 *
 * @see https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint#candle-snapshot
 */
export const HYPERLIQUID = { closingTime: 'T' } satisfies Partial<Dialect>;
