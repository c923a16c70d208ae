import type { Candle, WriteCounts } from './candle.ts';
import { candleKey, haveRange, type CoverageKey, type CoverageMetric, type CoverageRange } from './coverage.ts';
import type { FuturesSnapshot } from './futures-snapshot.ts';
import type { Series } from './instrument.ts';
import { mergeRanges } from './time-range.ts';
import { floorToTimeframe, parseTimeframe, timeframeMs } from './timeframe.ts';

/** What is committed together of one series or futures feed: rows, what follows for the ledger, what was refused. */
export interface CommitEntry {
  readonly key: CoverageKey;
  /** Candles where the metric is `ohlcv`, otherwise snapshots of the key's symbol; in any order. */
  readonly rows: readonly (Candle | FuturesSnapshot)[];
  /** Oldest first, disjoint, on the key's grid. The slot of each row lies in a `have`. */
  readonly changes: readonly CoverageRange[];
  readonly quarantine: readonly QuarantineEntry[];
}

/** What a commit did, in rows of all entries. */
export interface CommitOutcome extends WriteCounts {
  /**
   * Candles that were rewritten, oldest first within a series. Not in it, though counted as updated: a row that another
   * writer stored in the same moment with other values.
   */
  readonly changes: readonly SeriesChange[];
}

/** A closed candle that the exchange tells otherwise now. */
export interface CandleChange {
  readonly before: Candle;
  readonly after: Candle;
}

/** A change with the series that it belongs to. */
export interface SeriesChange extends CandleChange {
  readonly series: Series;
}

/** Candles of one series, oldest first. */
export interface SeriesCandles {
  readonly series: Series;
  readonly candles: readonly Candle[];
}

export type QuarantineSource = 'rest' | 'stream';

/** A row that an exchange sent and that cannot be stored. */
export interface QuarantineEntry {
  readonly exchange: string;
  readonly symbol: string;
  /** Null where the row belongs to no grid. */
  readonly timeframe: string | null;
  readonly metric: CoverageMetric;
  /** The opening time that the row claims, epoch milliseconds; null where it has none that can be read. */
  readonly claimedAt: number | null;
  readonly reason: string;
  /** As it was sent. */
  readonly raw: string;
  readonly source: QuarantineSource;
}

/** Candles of one series, in any order, with the slots that they fill and no other word for the ledger. */
export function candleEntry(series: Series, candles: readonly Candle[]): CommitEntry {
  const lengthMs = timeframeMs(series.timeframe);
  const slots = candles.map(({ timestamp }) => {
    const since = floorToTimeframe(timestamp, series.timeframe);
    return { since, until: since + lengthMs };
  });
  return { key: candleKey(series), rows: candles, changes: mergeRanges(slots).map(haveRange), quarantine: [] };
}

/** The candles of an entry; null where it holds none. */
export function toSeriesCandles({ key, rows }: Pick<CommitEntry, 'key' | 'rows'>): SeriesCandles | null {
  if (key.metric !== 'ohlcv' || rows.length === 0) return null;
  const { exchange, symbol, timeframe } = key;
  return { series: { exchange, symbol, timeframe: parseTimeframe(timeframe) }, candles: rows as readonly Candle[] };
}
