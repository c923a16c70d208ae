import type { Candle } from '../market/candle.ts';
import type { FuturesMetric, FuturesSnapshot } from '../market/futures-snapshot.ts';
import type { Series } from '../market/instrument.ts';
import type { TimeRange } from '../market/time-range.ts';

/** What the ingest needs of the repositories; those in db/repositories fit. */
export interface CandleStore {
  /** `changes`: the rows whose values differ now, with the values before. */
  upsert(
    series: Series,
    candles: readonly Candle[],
  ): Promise<UpsertCounts & { readonly changes: readonly CandleChange[] }>;
  /** What lacks in `range`, oldest first, on the timeframe's grid. */
  listGaps(series: Series, range: TimeRange): Promise<TimeRange[]>;
  findLatest(series: Series): Promise<Candle | null>;
}

interface UpsertCounts {
  readonly inserted: number;
  readonly updated: number;
}

/** A closed candle that the exchange tells otherwise now. */
export interface CandleChange {
  readonly before: Candle;
  readonly after: Candle;
}

export interface FuturesStore {
  upsert(exchange: string, symbol: string, snapshots: readonly FuturesSnapshot[]): Promise<UpsertCounts>;
  /** The slots of `stepMs` in `range` without a value of `metric`, oldest first. */
  listGaps(
    exchange: string,
    symbol: string,
    metric: FuturesMetric,
    range: TimeRange,
    stepMs: number,
  ): Promise<TimeRange[]>;
}

export interface IngestStores {
  readonly ohlcv: CandleStore;
  readonly futures: FuturesStore;
}
