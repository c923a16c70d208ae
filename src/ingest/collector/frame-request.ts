import type { TimeRange } from '../../market/time-range.ts';

export interface FrameRules {
  readonly stepMs: number;
  /** The most slots that one answer holds. */
  readonly pageSlots: number;
}

/** The stored slots around a range: opening times, null where there is none. */
export interface Frame {
  readonly before: number | null;
  readonly after: number | null;
}

/**
 * What to ask for so that rows which are stored stand on both sides of `range` in the answer. One slot more on either
 * side: some exchanges leave out the candle at the very start or end of what is asked for. Where a page is too short for
 * all of it, the newer side comes first, as history is read backwards, and then the range loses its oldest part.
 *
 * @param isLeftOpen Whether to begin with the range itself: an exchange that answers one calendar day at a time answers
 * the day of the frame instead.
 */
export function frameRequest(
  range: TimeRange,
  { before, after }: Frame,
  { stepMs, pageSlots }: FrameRules,
  isLeftOpen = false,
): TimeRange {
  const most = pageSlots * stepMs;
  const isInReach = (until: number) => until - most < range.until;
  const framedUntil = after === null ? null : after + 2 * stepMs;
  const until = framedUntil !== null && isInReach(framedUntil) ? framedUntil : range.until;
  const wanted = isLeftOpen ? range.since : (before ?? range.since) - stepMs;
  const since = until - wanted <= most ? wanted : Math.max(until - most, Math.min(range.since, range.until - stepMs));
  return { since, until };
}
