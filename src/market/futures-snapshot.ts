import type { Decimal } from './decimal.ts';
import { HOUR_MS } from './moments.ts';

/** What is known of a linear perpetual at one moment; each metric may come from another call, so each may be missing. */
export const FUTURES_METRICS = [
  'open_interest',
  'open_interest_value',
  'funding_rate',
  'mark_price',
  'top_trader_ratio',
  'taker_buy_sell_ratio',
] as const;

/**
 * - `open_interest`: open contracts, in the base currency; `open_interest_value`: the same, in the quote currency
 * - `funding_rate`: fraction paid per funding interval (0.0001 = 0.01 %), under the slot at which it was settled
 * - `mark_price`: the fair price used for margin, in the quote currency, at `timestamp`
 * - `top_trader_ratio`: long / short positions of the top traders
 * - `taker_buy_sell_ratio`: taker buy / sell volume of the hour that starts at `timestamp`
 */
export type FuturesMetric = (typeof FUTURES_METRICS)[number];

/**
 * One row of futures_data: what is known of the perpetual of `symbol` (the spot symbol) at `timestamp`, a full hour in
 * epoch milliseconds. A missing metric is left out: an upsert never overwrites a value with nothing.
 */
export type FuturesSnapshot = { readonly timestamp: number } & { readonly [M in FuturesMetric]?: Decimal };

/** The calls that futures data takes; one call may fill two metrics. */
export const FUTURES_FEEDS = [
  'open_interest',
  'top_trader_ratio',
  'taker_buy_sell_ratio',
  'funding_rate',
  'mark_price',
] as const;
export type FuturesFeed = (typeof FUTURES_FEEDS)[number];

/** What the answers of each call fill. */
export const FEED_METRICS: Readonly<Record<FuturesFeed, readonly FuturesMetric[]>> = {
  open_interest: ['open_interest', 'open_interest_value'],
  top_trader_ratio: ['top_trader_ratio'],
  taker_buy_sell_ratio: ['taker_buy_sell_ratio'],
  funding_rate: ['funding_rate'],
  mark_price: ['mark_price'],
};

/** Futures data is kept per hour. */
export const FUTURES_SLOT_MS = HOUR_MS;

/**
 * The slot of a moment: the nearest full hour. Exchanges stamp funding 0 to 19 ms after it (seen in recorded data).
 */
export function toFuturesSlot(timeMs: number): number {
  return Math.round(timeMs / FUTURES_SLOT_MS) * FUTURES_SLOT_MS;
}
