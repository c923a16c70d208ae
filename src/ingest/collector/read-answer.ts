import type { RejectedRow } from '../../exchanges/exchange.ts';
import { findFundingHoles } from '../../market/funding-slots.ts';
import { findUncovered, listRange, subtractLists } from '../../market/range-lists.ts';
import { createRange, intersectRanges, type TimeRange } from '../../market/time-range.ts';
import type { Source, SourceAnswer } from './source.ts';

/** What an answer to a request says. */
export interface Reading {
  /** What it speaks of, no more than was asked and has ended; null where it speaks of nothing. */
  readonly range: TimeRange | null;
  /** The parts of `range` that are stored with it. */
  readonly have: readonly TimeRange[];
  /** The parts of `range` where a row should be and is not. */
  readonly uncovered: readonly TimeRange[];
  /** What was asked and lies behind `range`. */
  readonly open: readonly TimeRange[];
  /** What was asked, has ended, and lies outside of `range`, where only rows speak: nothing frames it. */
  readonly unframed: readonly TimeRange[];
  /** The slots of its rows, oldest first, the one in progress included. */
  readonly slots: readonly number[];
  readonly rejected: readonly RejectedRow[];
}

/** How far the exchange's clock may drift from ours between two readings of it. */
const CLOCK_MARGIN_MS = 500;

/** What an answer to a request for `asked` says, which may be as old as that is: it left at `askedAt`. */
export function readAnswer(
  source: Pick<Source, 'stepMs' | 'untilAt' | 'isFramed'>,
  answer: SourceAnswer,
  asked: TimeRange,
  askedAt: number,
): Reading {
  const slots = answer.rows.map(({ timestamp }) => timestamp);
  // A later slot in the answer proves those before it closed, whatever the clock says.
  const closedUntil = Math.max(source.untilAt(askedAt - CLOCK_MARGIN_MS), slots.at(-1) ?? 0);
  const bounds = createRange(asked.since, Math.min(asked.until, closedUntil));
  const range = bounds && answer.answered && intersectRanges(answer.answered, bounds);
  const { rejected } = answer;
  const listUnframed = (spokenOf: readonly TimeRange[]) =>
    source.isFramed && bounds ? subtractLists([bounds], spokenOf) : [];
  if (!range) return { range, have: [], uncovered: [], open: [asked], unframed: listUnframed([]), slots, rejected };
  const holes =
    answer.evidence === 'settlements' ? findFundingHoles(slots, range) : findUncovered(range, slots, source.stepMs);
  const have = subtractLists([range], holes);
  const tellsGaps = answer.evidence !== 'rows';
  return {
    range,
    have,
    uncovered: tellsGaps ? holes : [],
    open: listRange(Math.max(asked.since, range.until), asked.until),
    unframed: listUnframed(tellsGaps ? [range] : have),
    slots,
    rejected,
  };
}

/** The same without a word on what it does not hold. */
export function withoutHoles(reading: Reading): Reading {
  return { ...reading, uncovered: [], open: [], unframed: [] };
}
