import type { RejectedRow } from '../exchanges/exchange.ts';
import type { TimeRange } from '../market/time-range.ts';

/** One answer, fetched and not yet stored. */
export interface SourcePage {
  /** The opening times in the answer, oldest first; the slot in progress may be the last one. */
  readonly slots: readonly number[];
  readonly rejected: readonly RejectedRow[];
  readonly answered: TimeRange;
  /** Commits the rows before `until`; resolves with how many were new or changed. May run twice. */
  store(until: number): Promise<number>;
}

/** Where the exchange has nothing, as candles of a longer timeframe tell it. */
export interface Silence {
  /** Oldest first. */
  readonly ranges: readonly TimeRange[];
  /** Nothing was traded before this moment; null where the answer does not tell. */
  readonly firstTradedAt: number | null;
}

/**
 * One line of rows on a fixed grid of slots that a collector brings to completeness: the candles of a series, or one
 * futures feed of a symbol. All times are epoch milliseconds by the exchange's clock.
 */
export interface Source {
  /** What it is, for logs: exchange, symbol, and timeframe or feed. */
  readonly fields: Readonly<Record<string, string>>;
  readonly stepMs: number;
  /** The most slots that one answer holds. */
  readonly pageSlots: number;
  /** How many of the newest stored slots are read again with each live request. */
  readonly rereadSlots: number;
  /** How long after its end the newest slot may be late before its absence is believed. */
  readonly patienceMs: number;
  /** How long after a slot's end it is first asked for. */
  readonly delayMs: number;
  /** How long before its end a slot is already known: 0 for a candle, the whole step for a value of one moment. */
  readonly leadMs: number;
  /** Lower is more urgent. */
  readonly urgency: { readonly tail: number; readonly history: number };
  /**
   * How many slots more than may be stored a live request asks for: the candle in progress, where it is there, proves
   * that the ones before it are closed.
   */
  readonly aheadSlots: number;
  /** Whether `fetchSilence` may answer anything. */
  readonly isProbed: boolean;
  /** The oldest slot to keep, for a window that begins at `windowSince`. */
  sinceAt(windowSince: number, nowMs: number): number;
  /** The end of the newest slot that may be stored at this moment. */
  untilAt(nowMs: number): number;
  /** The newest stored slot, or null. */
  findLatest(): Promise<number | null>;
  /** What the database lacks in `range`, oldest first. */
  listGaps(range: TimeRange): Promise<TimeRange[]>;
  /** The parts of `range` for which the exchange has nothing for certain, found with a request or two. */
  fetchSilence(range: TimeRange, signal: AbortSignal): Promise<Silence>;
  fetch(range: TimeRange, signal: AbortSignal): Promise<SourcePage>;
}
