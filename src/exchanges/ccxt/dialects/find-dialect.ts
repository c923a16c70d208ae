import type { CcxtInstance } from '../ccxt-library.ts';
import { BYBIT } from './bybit.ts';
import { CLOSES_IN_SEVENTH, HYPERLIQUID } from './closing-times.ts';
import type { Dialect } from './dialect.ts';
import { OKX, OKX_REGIONAL } from './okx.ts';

/** The most that is asked for at once, whatever ccxt says that the exchange allows: a page should not take seconds. */
const LARGEST_PAGE = 1000;
/** For exchanges of which ccxt does not know the limit: no smaller one is known. */
const UNKNOWN_LIMIT = 100;

/** What was looked into, by ccxt's id. */
const DECLARED = new Map<string, Partial<Dialect>>([
  ['binanceus', CLOSES_IN_SEVENTH],
  ['bingx', CLOSES_IN_SEVENTH],
  ['bybit', BYBIT],
  ['hyperliquid', HYPERLIQUID],
  ['mexc', CLOSES_IN_SEVENTH],
  ['okx', OKX],
  ['okxus', OKX_REGIONAL],
  ['myokx', OKX_REGIONAL],
]);

/** The dialect of an exchange: what is declared of it, and for the rest what ccxt's tables say. */
export function findDialect({ id, features }: Pick<CcxtInstance, 'id' | 'features'>): Dialect {
  return {
    candleLimit: readCandleLimit(features),
    confirmColumn: null,
    closingTime: null,
    futuresFeeds: new Map(),
    ...DECLARED.get(id),
  };
}

/** What ccxt's feature table says of spot candles: `features.spot.fetchOHLCV.limit`. */
function readCandleLimit(features: unknown): number {
  const { spot } = (features ?? {}) as { spot?: { fetchOHLCV?: { limit?: unknown } } };
  const limit = spot?.fetchOHLCV?.limit;
  return typeof limit === 'number' && limit > 0 ? Math.min(limit, LARGEST_PAGE) : UNKNOWN_LIMIT;
}
