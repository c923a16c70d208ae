import { ExchangeDataError } from '../../errors.ts';
import { floorToTimeframe, timeframeMs, type Timeframe } from '../../market/timeframe.ts';
import { intersectRanges, type TimeRange } from '../../market/time-range.ts';

/** A candle that ended this short a while ago may be missing because it was not published yet. */
const PUBLISHING_MS = 5_000;

export interface AnswerFacts {
  readonly exchange: string;
  readonly subject: string;
  readonly timeframe: Timeframe;
  readonly asked: TimeRange;
  readonly nowMs: number;
  /** Opening times of the rows, oldest first, also outside the range. */
  readonly openings: readonly number[];
}

/**
 * What an answer speaks of that was not cut: all that was asked for, up to what the exchange may know by now. A candle
 * that is in progress, or ended a moment ago, may be missing only because nobody traded or nobody published yet, so its
 * absence says nothing; once a row at or after it is there, it does.
 *
 * @throws ExchangeDataError where nothing at all is said: the exchange is well, but has not published anything yet.
 */
export function findAnsweredRange({ exchange, subject, timeframe, asked, nowMs, openings }: AnswerFacts): TimeRange {
  const lengthMs = timeframeMs(timeframe);
  const last = openings.findLast((opening) => opening < asked.until) ?? Number.NEGATIVE_INFINITY;
  const isPassed = openings.some((opening) => opening >= asked.until);
  const ended = floorToTimeframe(nowMs - PUBLISHING_MS, timeframe);
  const until = isPassed ? asked.until : Math.min(asked.until, Math.max(ended, last + lengthMs));
  if (until > asked.since) return { since: asked.since, until };
  throw new ExchangeDataError(exchange, `${exchange} has not published ${subject} yet`);
}

/**
 * The same for an exchange whose manner is not known: it may have cut its answer at either end, at a number of rows, at
 * the end of a day or at what it keeps, and may have heeded neither end of what was asked for. So it speaks of what lies
 * between its first and its last row, and of nothing else.
 *
 * @param openings Opening times of all rows, oldest first, also outside of what was asked for.
 * @returns null where no row is there, or all of them lie on one side of what was asked for.
 */
export function findAnsweredBetweenRows(
  asked: TimeRange,
  openings: readonly number[],
  timeframe: Timeframe,
): TimeRange | null {
  const [first, last] = [openings[0], openings.at(-1)];
  if (first === undefined || last === undefined) return null;
  return intersectRanges(asked, { since: first, until: last + timeframeMs(timeframe) });
}
