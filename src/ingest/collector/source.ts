import type { RejectedRow, RequestKind } from '../../exchanges/exchange.ts';
import type { CommitEntry } from '../../market/commit-entry.ts';
import type { CoverageKey } from '../../market/coverage.ts';
import type { TimeRange } from '../../market/time-range.ts';

/** One answer, fetched and not yet stored. */
export interface SourceAnswer {
  /** Oldest first, each slot once; the slot in progress may be the last one. */
  readonly rows: CommitEntry['rows'];
  readonly rejected: readonly RejectedRow[];
  /** What the answer speaks of; null: of nothing that was asked for. */
  readonly answered: TimeRange | null;
  /**
   * Where it must have rows: one in `each_slot`, or `settlements` as far apart as those around them tell; `rows`: nowhere,
   * it speaks of nothing but its rows.
   */
  readonly evidence: 'each_slot' | 'settlements' | 'rows';
}

/** A range without anything, as candles of a longer timeframe tell it; `reason` for a person. */
export interface Silence {
  readonly range: TimeRange;
  readonly reason: string;
}

/**
 * One line of rows on a fixed grid of slots that a collector brings to completeness: the candles of a series, or one
 * futures feed of a symbol. All times are epoch milliseconds by the exchange's clock.
 */
export interface Source {
  readonly key: CoverageKey;
  /** What it is, for logs: exchange, symbol, and timeframe or feed. */
  readonly fields: Readonly<Record<string, string>>;
  /** The allowance that its requests fall on. */
  readonly kind: RequestKind;
  readonly stepMs: number;
  /** The most slots that one answer holds. */
  readonly pageSlots: number;
  /** How many of the newest stored slots are read again with each live request. */
  readonly rereadSlots: number;
  /** How long after its end a slot is final: it is read again after that. null: reading along with the tail is enough. */
  readonly settleMs: number | null;
  /** How long after its end the newest slot may be late before its absence is believed. */
  readonly patienceMs: number;
  /** How long after its end the newest slot is waited for before the ledger calls it missing. */
  readonly dueMs: number;
  /** How long before its end a slot is already known: 0 for a candle, the whole step for a value of one moment. */
  readonly leadMs: number;
  /**
   * How many slots more than may be stored a live request asks for: the candle in progress, where it is there, proves
   * that the ones before it are closed.
   */
  readonly aheadSlots: number;
  /**
   * Whether an answer speaks only for the time between its rows: what is asked for is widened until rows that are stored
   * frame it, and what no rows frame stays missing.
   */
  readonly isFramed: boolean;
  /** Whether `fetchSilence` may answer anything. */
  readonly isProbed: boolean;
  /** How long the exchange keeps it; null: for ever. */
  readonly depthMs: number | null;
  /** How long after a slot's end it is asked for; longer while a live stream brings it. */
  delayMs(): number;
  /** The oldest slot to keep, for a window that begins at `windowSince`. */
  sinceAt(windowSince: number): number;
  /** The end of the newest slot that may be stored at this moment. */
  untilAt(nowMs: number): number;
  /** The oldest slot that the exchange still has at this moment; -Infinity where it deletes nothing. */
  keptSince(nowMs: number): number;
  /** The parts of `range` for which the exchange has nothing, oldest first, found with a request or two. */
  fetchSilence(range: TimeRange, signal: AbortSignal): Promise<Silence[]>;
  fetch(range: TimeRange, signal: AbortSignal): Promise<SourceAnswer>;
}
