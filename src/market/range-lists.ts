import { createRange, mergeRanges, type TimeRange } from './time-range.ts';

/**
 * The parts of `range` that no slot covers, oldest first. `slots` are opening times, oldest first, each `stepMs` long;
 * those outside the range are ignored.
 */
export function findUncovered(range: TimeRange, slots: readonly number[], stepMs: number): TimeRange[] {
  const uncovered: TimeRange[] = [];
  let since = range.since;
  for (const slot of slots) {
    if (slot + stepMs <= since) continue;
    if (slot >= range.until) break;
    if (slot > since) uncovered.push({ since, until: slot });
    since = slot + stepMs;
  }
  if (since < range.until) uncovered.push({ since, until: range.until });
  return uncovered;
}

/** What both lists cover, oldest first; each list is sorted and its ranges do not overlap. Linear in their lengths. */
export function intersectLists(a: readonly TimeRange[], b: readonly TimeRange[]): TimeRange[] {
  const common: TimeRange[] = [];
  for (let i = 0, j = 0; ;) {
    const [x, y] = [a[i], b[j]];
    if (!x || !y) return common;
    const since = Math.max(x.since, y.since);
    const until = Math.min(x.until, y.until);
    if (since < until) common.push({ since, until });
    if (x.until < y.until) i++;
    else j++;
  }
}

/**
 * The parts of `ranges` that `taken` does not cover, oldest first, each with whatever its range says besides; both sorted,
 * without overlaps. Linear in their lengths.
 */
export function subtractLists<T extends TimeRange>(ranges: readonly T[], taken: readonly TimeRange[]): T[] {
  const left: T[] = [];
  let first = 0;
  for (const range of ranges) {
    let { since } = range;
    while (first < taken.length && (taken[first]?.until ?? Infinity) <= range.since) first++;
    for (let index = first; since < range.until; index++) {
      const cut = taken[index];
      if (!cut || cut.since >= range.until) break;
      if (cut.since > since) left.push({ ...range, since, until: cut.since });
      since = Math.max(since, cut.until);
    }
    if (since < range.until) left.push({ ...range, since });
  }
  return left;
}

/** Where a range begins before one that is earlier in the list has ended, joined. */
export function findOverlaps(ranges: readonly TimeRange[]): TimeRange[] {
  const overlaps: TimeRange[] = [];
  let end = -Infinity;
  for (const { since, until } of ranges) {
    if (since < end) overlaps.push({ since, until: Math.min(until, end) });
    end = Math.max(end, until);
  }
  return mergeRanges(overlaps);
}

/** The range as a list: empty where nothing lies between. */
export function listRange(since: number, until: number): TimeRange[] {
  const range = createRange(since, until);
  return range ? [range] : [];
}

/**
 * The range that ends where `last` does and spans as many of `ranges` (sorted) before it as lie within `lengthMs`, but
 * nothing of `taken`.
 */
export function spanBack(
  last: TimeRange,
  lengthMs: number,
  ranges: readonly TimeRange[],
  taken: readonly TimeRange[],
): TimeRange {
  const ends = taken.map(({ until }) => until).filter((at) => at <= last.until);
  const floor = Math.max(last.until - lengthMs, ...ends);
  const oldest = ranges.find(({ until }) => until > floor) ?? last;
  return { since: Math.max(oldest.since, floor), until: last.until };
}

/** The same the other way: begins where `first` does and spans what comes after it. */
export function spanAhead(
  first: TimeRange,
  lengthMs: number,
  ranges: readonly TimeRange[],
  taken: readonly TimeRange[],
): TimeRange {
  const starts = taken.map(({ since }) => since).filter((at) => at >= first.since);
  const ceiling = Math.min(first.since + lengthMs, ...starts);
  const newest = ranges.findLast(({ since }) => since < ceiling) ?? first;
  return { since: first.since, until: Math.min(newest.until, ceiling) };
}

/**
 * The index of the first of the ranges (sorted, without overlaps) that ends after a moment; their number where none
 * does.
 */
export function findIndexAfter(ranges: readonly TimeRange[], at: number): number {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[middle]?.until ?? Infinity) > at) high = middle;
    else low = middle + 1;
  }
  return low;
}
