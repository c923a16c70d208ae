import { ExchangeDataError, ExchangeRejectedError } from '../../errors.ts';
import { floorToTimeframe, timeframeMs, type Timeframe } from '../../market/timeframe.ts';
import type { TimeRange } from '../../market/time-range.ts';

/** A candle that ended this short a while ago may be missing because it was not published yet. */
const PUBLISHING_MS = 5_000;

/** Pages this long may have been cut by a limit of the server's that is lower than the one that ccxt knows. */
const SHORTEST_CUT_PAGE = 100;
/** Lengths that exchanges cut their pages to. */
const CUT_PAGE_LENGTHS = new Set([100, 150, 200, 250, 300, 350, 500, 720, 1000, 1440, 1500, 2000]);

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
 * The same for an exchange whose manner is not known: it may have cut the page at its own limit, at either end, or hold
 * nothing but its newest candles (as Kraken does, whatever `since` says). From a long page only what lies between its
 * first and its last row is believed; the rest must be asked for again, and an empty answer to that is believed.
 *
 * @throws ExchangeRejectedError where the exchange gave its newest page instead of what was asked for.
 */
export function findAnsweredRangeOfUnknown(facts: AnswerFacts, limit: number): TimeRange {
  const { exchange, subject, timeframe, asked, nowMs, openings } = facts;
  const [first, last] = [openings[0], openings.at(-1)];
  const lengthMs = timeframeMs(timeframe);
  if (first === undefined || last === undefined || openings.length < Math.min(limit, SHORTEST_CUT_PAGE)) {
    return findAnsweredRange(facts);
  }
  if (first >= asked.until) {
    const isNewest = last + 2 * lengthMs > nowMs;
    const isCut = openings.length >= limit || CUT_PAGE_LENGTHS.has(openings.length);
    if (!isNewest || !isCut) return findAnsweredRange(facts);
    throw new ExchangeRejectedError(
      exchange,
      `${exchange} refused ${subject}: it gives only its newest ${openings.length} candles, from ${new Date(first).toISOString()} on`,
      { reason: 'request' },
    );
  }
  const answered = findAnsweredRange(facts);
  return {
    since: Math.max(asked.since, first),
    until: last >= asked.until ? answered.until : Math.min(answered.until, last + lengthMs),
  };
}
