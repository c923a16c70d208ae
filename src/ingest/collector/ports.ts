import type { Candle } from '../../market/candle.ts';
import type { CoverageKey, CoverageMetric, CoverageRange } from '../../market/coverage.ts';
import type { FuturesSnapshot } from '../../market/futures-snapshot.ts';
import type { Series } from '../../market/instrument.ts';
import type { TimeRange } from '../../market/time-range.ts';

/** What the ingest needs of the repositories; those in db/repositories fit. */
export interface CandleStore {
  /** `changes`: the rows whose values differ now, with the values before. */
  upsert(
    series: Series,
    candles: readonly Candle[],
  ): Promise<WriteCounts & { readonly changes: readonly CandleChange[] }>;
  /** As `upsert`, for a few candles of many series at once. */
  upsertLive(
    entries: readonly { readonly series: Series; readonly candles: readonly Candle[] }[],
  ): Promise<WriteCounts & { readonly changes: readonly (CandleChange & { readonly series: Series })[] }>;
}

interface WriteCounts {
  readonly inserted: number;
  readonly updated: number;
}

/** A closed candle that the exchange tells otherwise now. */
export interface CandleChange {
  readonly before: Candle;
  readonly after: Candle;
}

/** Candles of one series, oldest first. */
export interface SeriesCandles {
  readonly series: Series;
  readonly candles: readonly Candle[];
}

export interface FuturesStore {
  upsert(exchange: string, symbol: string, snapshots: readonly FuturesSnapshot[]): Promise<WriteCounts>;
}

/** The completeness ledger. */
export interface CoverageStore {
  /** Writes over what is stored where the changes overlap it; neighbours of equal state and reason are joined. */
  record(key: CoverageKey, changes: readonly CoverageRange[]): Promise<void>;
  /**
   * What the ledger says of `range`, oldest first, clipped to it and without a break: what it was silent on has become
   * `have` or `missing` by the rows that are stored. From `missingUntil` (default: the end) on it stays silent of slots
   * without a row.
   */
  survey(key: CoverageKey, range: TimeRange, missingUntil?: number): Promise<CoverageRange[]>;
  /** What the ledger calls missing inside `range`, oldest first, clipped to it. */
  listMissing(key: CoverageKey, range: TimeRange): Promise<CoverageRange[]>;
  /** What the ledger says of `range`, oldest first, clipped to it. */
  list(key: CoverageKey, range: TimeRange): Promise<CoverageRange[]>;
  /** Notes ranges of many keys as `have`. */
  extend(entries: readonly { readonly key: CoverageKey; readonly range: TimeRange }[]): Promise<void>;
}

/** A row of an answer that could not be stored. */
export interface QuarantineEntry {
  readonly exchange: string;
  readonly symbol: string;
  /** null where the metric has none. */
  readonly timeframe: string | null;
  readonly metric: CoverageMetric;
  /** The opening time that the row claims, epoch milliseconds; null where it has none. */
  readonly claimedAt: number | null;
  readonly reason: string;
  /** As it came. */
  readonly raw: string;
  readonly source: 'rest' | 'stream';
}

export interface QuarantineStore {
  add(entries: readonly QuarantineEntry[]): Promise<void>;
}

/** Rows, ledger and quarantine as one transaction sees them. */
export interface TransactionStores {
  readonly ohlcv: CandleStore;
  readonly futures: FuturesStore;
  readonly coverage: CoverageStore;
  readonly quarantine: QuarantineStore;
}

export interface IngestStores extends TransactionStores {
  /** Commits what `fn` does with the stores that it is given when it resolves, and nothing where it throws. */
  withTransaction<T>(fn: (stores: TransactionStores) => Promise<T>): Promise<T>;
}
