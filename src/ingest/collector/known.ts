import type { TimeRange } from '../../market/time-range.ts';
import { intersectRanges, mergeRanges } from '../../market/time-range.ts';
import { findIndexAfter, intersectLists, subtractLists } from '../../market/range-lists.ts';
import type { UnsettledRange } from './unsettled-range.ts';

/** What is known of one source beside what is settled: sorted, without overlaps. Never changed in place. */
export type Known = readonly UnsettledRange[];

/** The parts of the ranges (sorted) that are not settled, joined. */
export function listUnsettled(known: Known, ranges: readonly TimeRange[]): TimeRange[] {
  return intersectLists(mergeRanges(known), ranges);
}

/** The parts of what is known inside a range. */
export function cutKnown(known: Known, range: TimeRange): UnsettledRange[] {
  const inside: UnsettledRange[] = [];
  for (let i = findIndexAfter(known, range.since); i < known.length; i++) {
    const part = known[i];
    if (!part || part.since >= range.until) break;
    const common = intersectRanges(part, range);
    if (common) inside.push({ ...part, ...common });
  }
  return inside;
}

/** The same without the ranges, and with `parts`, which lie inside them. */
export function replaceKnown(known: Known, ranges: readonly TimeRange[], parts: readonly UnsettledRange[]): Known {
  const cleared = mergeRanges(ranges);
  const [first, last] = [cleared[0], cleared.at(-1)];
  if (!first || !last) return known;
  const from = findIndexAfter(known, first.since);
  let to = from;
  while (to < known.length && (known[to]?.since ?? Infinity) < last.until) to++;
  const kept = subtractLists(known.slice(from, to), cleared);
  const between = [...kept, ...parts].sort((a, b) => a.since - b.since);
  // Not splice: a survey may bring more ranges than a call has room for arguments.
  return [...known.slice(0, from), ...between, ...known.slice(to)];
}
