import type { FuturesFeed } from './futures-snapshot.ts';
import type { Series } from './instrument.ts';
import type { TimeRange } from './time-range.ts';
import { floorToTimeframe, type Timeframe } from './timeframe.ts';

/**
 * What is known of a range of one series and metric.
 *
 * - `have`: everything that the exchange has in it is stored
 * - `missing`: wanted and not stored yet, or asked for without an answer that may be believed
 * - `confirmed_empty`: the exchange has nothing there; it said so repeatedly, at different times
 * - `refused`: the exchange does not serve it, with its reason
 * - `out_of_window`: it was not collected in time and the exchange has deleted it since, or nobody wants it any more
 */
export const COVERAGE_STATES = ['have', 'missing', 'confirmed_empty', 'refused', 'out_of_window'] as const;
export type CoverageState = (typeof COVERAGE_STATES)[number];

/** What the ledger speaks of: the candles of a series (`ohlcv`), or one futures feed of a perpetual. */
export type CoverageMetric = 'ohlcv' | FuturesFeed;

export interface CoverageKey {
  readonly exchange: string;
  /** Futures data under its spot symbol. */
  readonly symbol: string;
  /** The grid: the series' timeframe; `1h` for futures data. */
  readonly timeframe: string;
  readonly metric: CoverageMetric;
}

/** A range in one state, with the evidence for it. Ranges of one key never overlap. */
export interface CoverageRange extends TimeRange {
  readonly state: CoverageState;
  /** How many answers without anything there were: they count only at different times. 0 for `have`. */
  readonly asks: number;
  /** Epoch milliseconds by the exchange's clock; null where it was never asked for. */
  readonly firstAskedAt: number | null;
  readonly lastAskedAt: number | null;
  /** For a person: what the answer was, why it was refused or is doubted; null for `have` and never asked. */
  readonly reason: string | null;
}

/** The ledger's key of a series of candles. */
export function candleKey({ exchange, symbol, timeframe }: Series): CoverageKey {
  return { exchange, symbol, timeframe, metric: 'ohlcv' };
}

/** The ledger's key of a futures feed, whose grid is one hour. */
export function feedKey(exchange: string, symbol: string, feed: FuturesFeed): CoverageKey {
  return { exchange, symbol, timeframe: '1h', metric: feed };
}

/** A range of which everything is stored. */
export function haveRange({ since, until }: TimeRange): CoverageRange {
  return { since, until, state: 'have', asks: 0, firstAskedAt: null, lastAskedAt: null, reason: null };
}

/** A range that was never asked for. */
export function missingRange({ since, until }: TimeRange): CoverageRange {
  return { since, until, state: 'missing', asks: 0, firstAskedAt: null, lastAskedAt: null, reason: null };
}

/**
 * The ranges (sorted, disjoint) with their edges on the timeframe's grid: of a slot that an edge cuts, which only a hand
 * can have written, the later range speaks.
 */
export function alignRanges<T extends TimeRange>(ranges: readonly T[], timeframe: Timeframe): T[] {
  const align = (timeMs: number) => floorToTimeframe(timeMs, timeframe);
  return ranges
    .map((range) => ({ ...range, since: align(range.since), until: align(range.until) }))
    .filter(({ since, until }) => since < until);
}
