import type { RejectedRow } from '../../exchanges/exchange.ts';
import { intersectLists, subtractLists } from '../../market/range-lists.ts';
import { createRange, mergeRanges, type TimeRange } from '../../market/time-range.ts';

/**
 * A range without rows in one answer, by what it means.
 *
 * - `early`: the newest slots, which nobody expects yet
 * - `late`: those before them, which the exchange may not have published yet
 * - `doubtful`: a row was refused there, so something exists
 * - `empty`: the exchange says that there is nothing
 */
export interface Hole {
  readonly range: TimeRange;
  readonly verdict: 'early' | 'late' | 'doubtful' | 'empty';
  /** For a person. */
  readonly reason: string;
  /** Whether the answer held no row at all: it may as well be an outage. */
  readonly isRowless?: boolean;
}

interface Answer {
  readonly slots: readonly number[];
  readonly rejected: readonly RejectedRow[];
  /** Wanted slots inside the answered range that the answer has no row for. */
  readonly holes: readonly TimeRange[];
  /** Wanted slots behind the end of the answered range, which the answer leaves open. */
  readonly silent: readonly TimeRange[];
  readonly stepMs: number;
  /** From this opening time on the exchange may only be late. */
  readonly lateSince: number;
  /** From this opening time on it is not even late. */
  readonly earlySince: number;
}

/** What an answer without any row says of itself: alone it proves little. */
export const ROWLESS_REASON = 'an answer without any row';
export const LATE_REASON = 'the exchange has not published it yet';

/**
 * What each hole of an answer means. A refused row claims that something is there; one that does not say when makes the
 * whole page doubtful. What the answer leaves open and is not late has no verdict: it is simply asked for next.
 */
export function judgeHoles({ slots, rejected, holes, silent, stepMs, lateSince, earlySince }: Answer): Hole[] {
  const toLate = (ranges: readonly TimeRange[]): Hole[] => [
    ...clip(ranges, lateSince, earlySince).map((range): Hole => ({ range, verdict: 'late', reason: LATE_REASON })),
    ...clip(ranges, Math.max(lateSince, earlySince), Infinity).map((range): Hole => ({
      range,
      verdict: 'early',
      reason: LATE_REASON,
    })),
  ];
  const late = toLate(silent);
  const vague = rejected.find(({ timestamp }) => timestamp === undefined);
  if (vague)
    return [...holes.map((range): Hole => ({ range, verdict: 'doubtful', reason: describeRefused(vague) })), ...late];
  const doubtful = rejected.flatMap((row) =>
    findClaimed(holes, row.timestamp ?? 0, stepMs).map((range): Hole => ({
      range,
      verdict: 'doubtful',
      reason: describeRefused(row),
    })),
  );
  const unclaimed = subtractLists(holes, mergeRanges(doubtful.map(({ range }) => range)));
  // A row after the hole proves that the exchange has published further than the hole.
  const openSince = Math.max(slots.at(-1) ?? 0, lateSince);
  const count = slots.length;
  const reason =
    count === 0 ? ROWLESS_REASON : `an answer with ${count} ${count === 1 ? 'row' : 'rows'} around it has none`;
  return [
    ...joinEqual(doubtful),
    ...clip(unclaimed, 0, openSince).map((range): Hole => ({
      range,
      verdict: 'empty',
      reason,
      isRowless: count === 0,
    })),
    ...toLate(clip(unclaimed, openSince, Infinity)),
    ...late,
  ];
}

function describeRefused({ reason }: { readonly reason: string }): string {
  return `a row was refused: ${reason}`;
}

/** The slots of the holes that a row with this opening time claims: two where it lies between them. */
function findClaimed(holes: readonly TimeRange[], timestamp: number, stepMs: number): TimeRange[] {
  const hole = holes.find(({ since, until }) => timestamp + stepMs > since && timestamp < until);
  if (!hole) return [];
  // Holes begin on the grid, which need not begin at the epoch.
  const offset = timestamp - hole.since;
  const claim = {
    since: hole.since + Math.floor(offset / stepMs) * stepMs,
    until: hole.since + Math.ceil((offset + stepMs) / stepMs) * stepMs,
  };
  return intersectLists(holes, [claim]);
}

/** Claims of several rows on one slot count once. */
function joinEqual(claims: readonly Hole[]): Hole[] {
  const kept: Hole[] = [];
  for (const claim of claims.toSorted((a, b) => a.range.since - b.range.since))
    for (const range of subtractLists(
      [claim.range],
      kept.map((other) => other.range),
    ))
      kept.push({ ...claim, range });
  return kept;
}

/** The parts of the ranges in [since, until). */
function clip(ranges: readonly TimeRange[], since: number, until: number): TimeRange[] {
  return ranges
    .map((range) => createRange(Math.max(range.since, since), Math.min(range.until, until)))
    .filter((range) => range !== null);
}
