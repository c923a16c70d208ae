import type { UnifiedFeeds } from './unified-feed.ts';
import { BYBIT_FEEDS } from './unified-futures-bybit.ts';
import { OKX_FEEDS } from './unified-futures-okx.ts';

const FEEDS: ReadonlyMap<string, UnifiedFeeds> = new Map([
  ['bybit', BYBIT_FEEDS],
  ['okx', OKX_FEEDS],
]);

/**
 * The futures feeds of an exchange whose meaning was checked against its documents: ccxt's unified calls name alike
 * what is not (OKX's open interest history is one of the currency over all contracts, the long/short ratios are those
 * of all accounts). Empty for exchanges that were not.
 */
export function findUnifiedFeeds(exchange: string): UnifiedFeeds {
  return FEEDS.get(exchange) ?? new Map();
}
