import { ceilToTimeframe, timeframeMs, type Timeframe } from './timeframe.ts';

/** A half-open range [since, until) of moments in epoch milliseconds; since < until. */
export interface TimeRange {
  readonly since: number;
  readonly until: number;
}

/** The range, or null where it would be empty. */
export function createRange(since: number, until: number): TimeRange | null {
  return since < until ? { since, until } : null;
}

/** How many opening times of `timeframe` lie in the range. */
export function countOpenings(range: TimeRange, timeframe: Timeframe): number {
  const first = ceilToTimeframe(range.since, timeframe);
  return Math.max(0, Math.ceil((range.until - first) / timeframeMs(timeframe)));
}

/** How many slots of `stepMs` begin in a range that begins with one. */
export function countSlots({ since, until }: TimeRange, stepMs: number): number {
  return Math.ceil((until - since) / stepMs);
}

/** The part that both ranges cover, or null. */
export function intersectRanges(a: TimeRange, b: TimeRange): TimeRange | null {
  return createRange(Math.max(a.since, b.since), Math.min(a.until, b.until));
}

/** Sorts oldest first and joins what touches or overlaps. */
export function mergeRanges(ranges: readonly TimeRange[]): TimeRange[] {
  const merged: TimeRange[] = [];
  for (const range of ranges.toSorted((a, b) => a.since - b.since)) {
    const last = merged.at(-1);
    if (last && range.since <= last.until) {
      merged[merged.length - 1] = { since: last.since, until: Math.max(last.until, range.until) };
    } else {
      merged.push({ since: range.since, until: range.until });
    }
  }
  return merged;
}
