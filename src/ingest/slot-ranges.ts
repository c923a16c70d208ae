import { createRange, type TimeRange } from '../market/time-range.ts';

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

/** The parts of `ranges` that `taken` does not cover, oldest first; both sorted, without overlaps. */
export function subtractLists(ranges: readonly TimeRange[], taken: readonly TimeRange[]): TimeRange[] {
  const left: TimeRange[] = [];
  let first = 0;
  for (const range of ranges) {
    let { since } = range;
    while (first < taken.length && (taken[first]?.until ?? Infinity) <= range.since) first++;
    for (let index = first; since < range.until; index++) {
      const cut = taken[index];
      if (!cut || cut.since >= range.until) break;
      if (cut.since > since) left.push({ since, until: cut.since });
      since = Math.max(since, cut.until);
    }
    if (since < range.until) left.push({ since, until: range.until });
  }
  return left;
}

/** The range as a list: empty where nothing lies between. */
export function listRange(since: number, until: number): TimeRange[] {
  const range = createRange(since, until);
  return range ? [range] : [];
}
