import { createRange, mergeRanges, type TimeRange } from '../market/time-range.ts';
import type { Hole } from './missing-ranges.ts';
import { intersectLists, subtractLists } from './slot-ranges.ts';
import type { SourcePage } from './source.ts';

export interface Answer {
  readonly page: SourcePage;
  /** Missing slots inside the answered range that the answer has no row for. */
  readonly holes: readonly TimeRange[];
  /** Missing slots behind the end of the answered range, which the answer leaves open. */
  readonly silent: readonly TimeRange[];
  readonly stepMs: number;
  /** From this opening time on the exchange may only be late. */
  readonly lateSince: number;
  /** Before this moment nothing was traded yet: an empty page is what one must expect. */
  readonly firstKnown: number;
}

/** Real gaps are minutes long; an hour of them, or a page without anything, may also be a fault of the answer. */
const SUSPECT_SLOTS = 60;
const SUSPECT_SLOTS_OF_EMPTY_PAGE = 10;

/**
 * What each hole of an answer means. A refused row claims that something is there; one that does not say when makes the
 * whole page doubtful. What the answer leaves open and is not late has no verdict: it is simply asked for next.
 */
export function judgeHoles({ page, holes, silent, stepMs, lateSince, firstKnown }: Answer): Hole[] {
  const late = clip(silent, lateSince, Infinity).map((range): Hole => ({ range, verdict: 'late' }));
  const claimed = page.rejected.map(({ timestamp }) => timestamp).filter((slot) => slot !== undefined);
  if (claimed.length < page.rejected.length)
    return [...holes.map((range): Hole => ({ range, verdict: 'doubtful' })), ...late];
  const claims = mergeRanges(claimed.map((slot) => ({ since: slot, until: slot + stepMs })));
  const unclaimed = subtractLists(holes, claims);
  // A row after the hole proves that the exchange has published further than the hole.
  const openSince = Math.max(page.slots.at(-1) ?? 0, lateSince);
  const suspectSlots = page.slots.length === 0 ? SUSPECT_SLOTS_OF_EMPTY_PAGE : SUSPECT_SLOTS;
  return [
    ...intersectLists(holes, claims).map((range): Hole => ({ range, verdict: 'doubtful' })),
    ...clip(unclaimed, 0, Math.min(firstKnown, openSince)).map((range): Hole => ({ range, verdict: 'empty' })),
    ...clip(unclaimed, firstKnown, openSince).map((range): Hole => {
      const slots = (range.until - range.since) / stepMs;
      return { range, verdict: slots >= suspectSlots ? 'suspect' : 'empty' };
    }),
    ...clip(unclaimed, openSince, Infinity).map((range): Hole => ({ range, verdict: 'late' })),
    ...late,
  ];
}

/** The parts of the ranges in [since, until). */
function clip(ranges: readonly TimeRange[], since: number, until: number): TimeRange[] {
  return ranges
    .map((range) => createRange(Math.max(range.since, since), Math.min(range.until, until)))
    .filter((range) => range !== null);
}
