import type { IngestStores } from '../../../src/ingest/collector/ports.ts';
import type { Candle } from '../../../src/market/candle.ts';
import { haveRange, missingRange, type CoverageKey, type CoverageRange } from '../../../src/market/coverage.ts';
import type { FuturesSnapshot } from '../../../src/market/futures-snapshot.ts';
import type { Series } from '../../../src/market/instrument.ts';
import type { TimeRange } from '../../../src/market/time-range.ts';
import { seriesOf } from '../candles.ts';

/** What the ingest writes and reads, as one of the sides keeps it, and how a test looks behind it. */
export interface StoresSide {
  readonly stores: () => IngestStores;
  /** Everything that is stored of a series, oldest first. */
  readonly listCandles: (series: Series) => Promise<readonly Candle[]>;
  readonly listFutures: (exchange: string, symbol: string) => Promise<readonly FuturesSnapshot[]>;
  /** Every rewritten candle that was noted, in its order, without when. */
  readonly listRewrites: () => Promise<readonly object[]>;
  /** The reasons of what was kept aside, in any order. */
  readonly listQuarantined: () => Promise<readonly string[]>;
  /** Writes rows without a word for the ledger, as hands do. */
  readonly storeCandles: (series: Series, candles: readonly Candle[]) => Promise<unknown>;
  readonly storeFutures: (exchange: string, symbol: string, rows: readonly FuturesSnapshot[]) => Promise<unknown>;
  /** Writes into the ledger alone. */
  readonly record: (key: CoverageKey, changes: readonly CoverageRange[]) => Promise<unknown>;
}

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const T0 = Date.UTC(2024, 2, 9);
export const BTC = seriesOf('binance', 'BTC/USDT', '1m');
export const ETH = seriesOf('binance', 'ETH/USDT', '1m');
export const KEY: CoverageKey = { ...BTC, metric: 'ohlcv' };
export const ALL: TimeRange = { since: T0 - 1000 * HOUR, until: T0 + 10_000 * HOUR };

export const minutes = (since: number, until: number) => ({ since: T0 + since * MINUTE, until: T0 + until * MINUTE });
export const have = (since: number, until: number) => haveRange(minutes(since, until));
export const missing = (since: number, until: number) => missingRange(minutes(since, until));

/** A range without candles that an exchange confirmed. */
export function empty(since: number, until: number, evidence: Partial<CoverageRange> = {}): CoverageRange {
  return {
    ...minutes(since, until),
    state: 'confirmed_empty',
    asks: 2,
    firstAskedAt: T0 + 1,
    lastAskedAt: T0 + 60_001,
    reason: 'an answer with 812 candles around it has none',
    ...evidence,
  };
}
