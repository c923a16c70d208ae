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
 * How a range is asked for, in turn while answers tell nothing of it: with the rows around it (`framed`); from its own
 * start on (`open`), as an exchange that answers one calendar day at a time gives the day of the frame instead; or its
 * newest end alone (`end`), where such an exchange has quiet days in between.
 */
export const APPROACHES = ['framed', 'open', 'end'] as const;
export type Approach = (typeof APPROACHES)[number];

/** What `frameRequest` adds at most where the frame is next to the range. */
export const FRAME_SLOTS = 4;
const END_SLOTS = 10;

/**
 * What to ask for so that rows which are stored stand on both sides of `range` in the answer. One slot more on either
 * side: some exchanges leave out the candle at the very start or end of what is asked for. Where a page is too short for
 * all of it, the newer side comes first, as history is read backwards, and then the range loses its oldest part.
 */
export function frameRequest(
  range: TimeRange,
  { before, after }: Frame,
  { stepMs, pageSlots }: FrameRules,
  approach: Approach = 'framed',
): TimeRange {
  const most = pageSlots * stepMs;
  const isInReach = (until: number) => until - most < range.until;
  const framedUntil = after === null ? null : after + 2 * stepMs;
  const until = framedUntil !== null && isInReach(framedUntil) ? framedUntil : range.until;
  const starts: Readonly<Record<Approach, number>> = {
    framed: (before ?? range.since) - stepMs,
    open: range.since,
    end: Math.max(range.since, range.until - END_SLOTS * stepMs),
  };
  const wanted = starts[approach];
  const since = until - wanted <= most ? wanted : Math.max(until - most, Math.min(range.since, range.until - stepMs));
  return { since, until };
}
