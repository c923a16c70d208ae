import type { QuarantineEntry } from '../../../src/market/commit-entry.ts';
import type { SeriesChange } from '../../../src/market/commit-entry.ts';
import type { LedgerGap } from '../../../src/db/repositories/ledger-gaps.ts';
import type { StoredCoverage } from '../../../src/db/repositories/coverage-repository.ts';
import type { HttpRepositories } from '../../../src/http/create-http-app.ts';
import type { Candle } from '../../../src/market/candle.ts';
import type { FuturesFeed, FuturesSnapshot } from '../../../src/market/futures-snapshot.ts';
import type { Series } from '../../../src/market/instrument.ts';
import { seriesOf } from '../candles.ts';

/** What the routes read, as one of the sides keeps it, and how a test fills it. All lists are given oldest first. */
export interface ReadersSide {
  readonly readers: () => HttpRepositories;
  /** All candles of a series. */
  readonly putCandles: (series: Series, candles: readonly Candle[]) => Promise<unknown>;
  /** The same, and brings the view up to date. */
  readonly putRecent: (series: Series, candles: readonly Candle[]) => Promise<unknown>;
  /** As if the view had never been filled, while `work` runs. */
  readonly whileUnpopulated: (work: () => Promise<void>) => Promise<void>;
  /** What is missing of the candles of a series; a word that there was nothing more lies over every other time. */
  readonly putGaps: (series: Series, gaps: readonly LedgerGap[]) => Promise<unknown>;
  readonly putFutures: (exchange: string, symbol: string, rows: readonly FuturesSnapshot[]) => Promise<unknown>;
  /** The same of the feeds of one perpetual. */
  readonly putFuturesGaps: (
    exchange: string,
    symbol: string,
    gaps: readonly (LedgerGap & { readonly metric: FuturesFeed })[],
  ) => Promise<unknown>;
  /** The whole ledger, by key and time. */
  readonly putLedger: (ranges: readonly StoredCoverage[]) => Promise<unknown>;
  readonly putQuarantined: (entries: readonly QuarantineEntry[]) => Promise<unknown>;
  readonly putRewrites: (changes: readonly SeriesChange[]) => Promise<unknown>;
}

export const HOUR = 3_600_000;
export const T0 = Date.UTC(2026, 0, 1);
export const BTC = seriesOf('binance', 'BTC/USDT', '1h');
/** The moment so many hours after T0. */
export const at = (hour: number) => T0 + hour * HOUR;
