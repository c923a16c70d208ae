import { ExchangeDataError } from '../../errors.ts';
import { EARLIEST_MS } from '../../market/candle.ts';
import { DAY_MS } from '../../market/moments.ts';
import type { TimeRange } from '../../market/time-range.ts';

/** Rows may be ahead of the clock by what they sum up, and by some disorder; microseconds lie 50,000 years ahead. */
const AHEAD_MS = 35 * DAY_MS;

/** The exchange's clock is known to within a request's time, a second where it comes from a Date header. */
export const CLOCK_TOLERANCE_MS = 2_000;

/**
 * `inside`: what was asked for; `outside`: a possible time, but not asked for; `future`: not asked for, and yet to come;
 * `implausible`: no time in milliseconds.
 */
export type RowPlace = 'inside' | 'outside' | 'future' | 'implausible';

/** The reason for a row that is kept aside because it is `outside`. */
export const OUTSIDE_OF_ASKED = 'the time lies outside of what was asked for';

/** The reason for a row that is kept aside because its time is `implausible`. */
export const IMPLAUSIBLE_TIME = 'the time cannot be in milliseconds: seconds or microseconds?';

export interface RowTimesOptions {
  readonly exchange: string;
  /** What was asked for, for error texts. */
  readonly subject: string;
  /** What the request said. */
  readonly asked: TimeRange;
  /** How far outside `asked` a row may be stamped all the same. */
  readonly toleranceMs: number;
  /** Whether the exchange sends rows inside what was asked only, as Binance does. Others align ranges in their own way. */
  readonly keepsToRange: boolean;
  /** The exchange's clock. */
  readonly nowMs: number;
}

/**
 * The times of an answer's rows, against what was asked. Rows that were not asked for say nothing of what was: an
 * answer made of them must never be read as "there is nothing". A few among others are kept aside.
 */
export class RowTimes {
  readonly #options: RowTimesOptions;
  readonly #counts = { inside: 0, outside: 0, future: 0, implausible: 0 };
  /** Earliest and latest of the rows that are not inside. */
  #stray: { first: number; last: number } | null = null;

  constructor(options: RowTimesOptions) {
    this.#options = options;
  }

  /** Counts one row's time, in milliseconds by what the exchange documents. */
  place(time: number): RowPlace {
    const place = this.#find(time);
    this.#counts[place] += 1;
    if (place !== 'inside') {
      this.#stray = {
        first: Math.min(time, this.#stray?.first ?? time),
        last: Math.max(time, this.#stray?.last ?? time),
      };
    }
    return place;
  }

  /**
   * To be called when all rows are counted.
   *
   * @throws ExchangeDataError where most rows have a time that was not asked for and cannot be explained: none lies
   * outside where the exchange keeps to the range, and none is implausible or yet to come.
   */
  assertUsable(): void {
    const { exchange, subject, asked, keepsToRange } = this.#options;
    const { inside, outside, future, implausible } = this.#counts;
    const all = inside + outside + future + implausible;
    const explained = keepsToRange ? inside : inside + outside;
    if (all - explained <= explained || this.#stray === null) return;
    const { first, last } = this.#stray;
    throw new ExchangeDataError(
      exchange,
      `${exchange} was asked for ${subject} from ${describe(asked.since)} to ${describe(asked.until - 1)} and sent ` +
        `${all - inside} of ${all} rows from other times, ${describe(first)} to ` +
        `${describe(last)}: a mirror that ignores startTime, or times that are not milliseconds? Check EXCHANGE_URLS`,
    );
  }

  #find(time: number): RowPlace {
    const { asked, toleranceMs, nowMs } = this.#options;
    if (time >= asked.since - toleranceMs && time <= asked.until - 1 + toleranceMs) return 'inside';
    if (!isPlausible(time, nowMs)) return 'implausible';
    return time > nowMs + CLOCK_TOLERANCE_MS ? 'future' : 'outside';
  }
}

/** Whether a time can be one in milliseconds that an exchange speaks of now: seconds, read as such, lie in 1970. */
export function isPlausible(time: number, nowMs: number): boolean {
  return time >= EARLIEST_MS && time <= nowMs + AHEAD_MS;
}

/** A date where it can be one that somebody recognizes; otherwise the number as it came. */
function describe(time: number): string {
  return isPlausible(time, Date.UTC(2100, 0)) ? new Date(time).toISOString() : String(time);
}
