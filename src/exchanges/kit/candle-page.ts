import { ExchangeDataError } from '../../errors.ts';
import { findCandleFault, isSameCandle, type Candle } from '../../market/candle.ts';
import { parseDecimal } from '../../market/decimal.ts';
import { ceilToTimeframe, timeframeMs, type Timeframe } from '../../market/timeframe.ts';
import { findLengthFault, TimeframeEvidence } from '../../market/timeframe-evidence.ts';
import type { TimeRange } from '../../market/time-range.ts';
import type { RejectedRow } from '../exchange.ts';
import { CLOCK_TOLERANCE_MS, IMPLAUSIBLE_TIME, OUTSIDE_OF_ASKED, RowTimes } from './row-times.ts';
import { judgeConfirmation } from './candle-confirmation.ts';

/** A candle that opened just now must not look as if it came from the future: CLOCK_TOLERANCE_MS. */
const FUTURE_OPENING = 'the opening time lies in the future';

export interface CandleAnswer {
  readonly exchange: string;
  /** What was asked for, for error texts. */
  readonly subject: string;
  readonly timeframe: Timeframe;
  /** What the request said. */
  readonly asked: TimeRange;
  /** Whether rows outside `asked` are refused, most of them the whole answer; where not, such rows are left out. */
  readonly keepsToRange: boolean;
  /** The most rows that were asked for. */
  readonly limit: number;
  /** How many fields a row has at least; the first six are opening time, open, high, low, close, volume. */
  readonly fieldCount: number;
  /** The column in which the exchange says whether the candle is complete, `1` or `0`; none where it does not say. */
  readonly confirmColumn?: number | null;
  /** The column of the closing time; none where the exchange does not tell it, and a row may lack it. */
  readonly closingColumn?: number | null;
  /** The exchange's clock. */
  readonly nowMs: number;
  /** As it came, before any check. */
  readonly rows: unknown;
}

export interface ParsedCandles {
  /** Oldest first, each opening time once, all before `unconfirmedSince`. */
  readonly candles: Candle[];
  /**
   * The opening time of the first candle of which the exchange itself says that it is not complete: the answer says
   * nothing yet from there on. Null where there is none.
   */
  readonly unconfirmedSince: number | null;
  readonly rejected: RejectedRow[];
  /**
   * The opening times of all rows that have one, also outside the range where the exchange does not keep to it, oldest
   * first. Strays and rows from the future are not among them: they prove nothing of what was published.
   */
  readonly openings: number[];
  /** Whether a row tells its closing time, so that the answer is known to be of the timeframe that was asked for. */
  readonly isMeasured: boolean;
}

/** The part of a range that one request can answer: its openings from the start, at most `limit`. Null: there is none. */
export function clampCandleRange(range: TimeRange, timeframe: Timeframe, limit: number): TimeRange | null {
  const since = ceilToTimeframe(range.since, timeframe);
  const until = Math.min(range.until, since + limit * timeframeMs(timeframe));
  return since < until ? { since, until } : null;
}

/**
 * Reads an answer's rows. A row that cannot be a candle is kept aside with its reason; equal rows of one opening time
 * count once, different ones are both kept aside, because nothing tells which is right.
 *
 * @throws ExchangeDataError where the answer is no list, more than twice as long as was asked for, of other times, or of
 * another timeframe by what its rows say of it.
 */
export function parseCandles(answer: CandleAnswer): ParsedCandles {
  const { rows, surplus } = requireRows(answer);
  const rejected: RejectedRow[] = [];
  const openings: number[] = [];
  const times = new RowTimes({ ...answer, toleranceMs: 0 });
  const spans: { readonly openMs: number; readonly closingMs: number | null }[] = [];
  const accepted = new Map<number, { candle: Candle; raws: unknown[]; isDisputed: boolean }>();
  let unconfirmedSince: number | null = null;
  for (const raw of rows) {
    const timestamp = readOpening(raw);
    if (timestamp !== null) {
      const place = times.place(timestamp);
      if (place !== 'implausible') spans.push({ openMs: timestamp, closingMs: readClosing(raw, answer) ?? null });
      // Without a `timestamp`: whatever opening it means, nothing else in this answer is proven to be empty.
      if (place === 'implausible') rejected.push({ raw, reason: IMPLAUSIBLE_TIME });
      else if (place === 'future') rejected.push({ raw, reason: FUTURE_OPENING, timestamp });
      else if (place === 'outside' && answer.keepsToRange) rejected.push({ raw, reason: OUTSIDE_OF_ASKED, timestamp });
      else if (timestamp <= answer.nowMs + CLOCK_TOLERANCE_MS) openings.push(timestamp);
      if (place !== 'inside') continue;
    }
    const read = readCandle(raw, answer);
    if (read === 'unconfirmed') {
      unconfirmedSince = Math.min(unconfirmedSince ?? Infinity, timestamp ?? Infinity);
      continue;
    }
    if ('reason' in read) {
      rejected.push({ raw, ...read, ...(timestamp === null ? {} : { timestamp }) });
      continue;
    }
    const before = accepted.get(read.timestamp);
    if (before === undefined) accepted.set(read.timestamp, { candle: read, raws: [raw], isDisputed: false });
    else if (!isSameCandle(before.candle, read)) {
      before.raws.push(raw);
      before.isDisputed = true;
    }
  }
  for (const { raw, reason } of surplus) {
    const timestamp = readOpening(raw);
    const isPlaced = timestamp !== null && times.place(timestamp) !== 'implausible';
    rejected.push({ raw, reason, ...(isPlaced ? { timestamp } : {}) });
  }
  times.assertUsable();
  assertTimeframe(answer, spans);
  for (const { candle, raws, isDisputed } of accepted.values()) {
    if (!isDisputed) continue;
    const reason = 'another row has the same opening time and other values';
    rejected.push(...raws.map((raw) => ({ raw, reason, timestamp: candle.timestamp })));
  }
  return {
    candles: [...accepted.values()]
      .filter(({ isDisputed }) => !isDisputed)
      .map(({ candle }) => candle)
      .filter(({ timestamp }) => unconfirmedSince === null || timestamp < unconfirmedSince)
      .toSorted((a, b) => a.timestamp - b.timestamp),
    rejected,
    unconfirmedSince,
    openings: openings.toSorted((a, b) => a - b),
    isMeasured: spans.some(({ closingMs }) => closingMs !== null),
  };
}

/** The rows of an answer as far as its limit goes, and those behind it, which are kept aside. */
interface AnsweredRows {
  readonly rows: readonly unknown[];
  readonly surplus: readonly { readonly raw: unknown; readonly reason: string }[];
}

/**
 * The rows of an answer, of any kind. A few more than were asked for are kept aside; an answer of more than twice as many
 * was not made for this request.
 */
export function requireRows(answer: Pick<CandleAnswer, 'exchange' | 'subject' | 'limit' | 'rows'>): AnsweredRows {
  const { exchange, subject, limit, rows } = answer;
  if (!Array.isArray(rows)) {
    throw new ExchangeDataError(exchange, `${exchange} answered ${subject} with something else than a list of rows`);
  }
  if (rows.length > 2 * limit) {
    throw new ExchangeDataError(
      exchange,
      `${exchange} answered ${subject} with ${rows.length} rows where at most ${limit} were asked for`,
    );
  }
  const reason = `the answer holds ${rows.length} rows where at most ${limit} were asked for`;
  return { rows: rows.slice(0, limit), surplus: rows.slice(limit).map((raw: unknown) => ({ raw, reason })) };
}

/** A whole number of milliseconds, sent as a number or as text; otherwise null. */
export function readMilliseconds(value: unknown): number | null {
  const time = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value;
  return typeof time === 'number' && Number.isSafeInteger(time) ? time : null;
}

function readOpening(raw: unknown): number | null {
  return Array.isArray(raw) ? readMilliseconds(raw[0]) : null;
}

/** The closing time that a row tells; undefined where it tells none, null where it is no time. */
function readClosing(raw: unknown, { closingColumn = null }: CandleAnswer): number | null | undefined {
  const value: unknown = closingColumn === null || !Array.isArray(raw) ? undefined : raw[closingColumn];
  return value === undefined || value === null ? undefined : readMilliseconds(value);
}

function assertTimeframe(
  { exchange, subject, timeframe }: CandleAnswer,
  spans: readonly { readonly openMs: number; readonly closingMs: number | null }[],
): void {
  const evidence = new TimeframeEvidence(timeframe);
  for (const { openMs, closingMs } of spans.toSorted((a, b) => a.openMs - b.openMs)) evidence.note(openMs, closingMs);
  const contradiction = evidence.contradiction();
  if (contradiction === null) return;
  throw new ExchangeDataError(
    exchange,
    `${exchange} answered ${subject} with another timeframe: ${contradiction}. Check EXCHANGE_URLS`,
  );
}

/** The candle, `unconfirmed` where the exchange says that it is not complete, or the reason why the row is none. */
function readCandle(raw: unknown, answer: CandleAnswer): Candle | 'unconfirmed' | { readonly reason: string } {
  const { fieldCount, timeframe, nowMs, confirmColumn = null } = answer;
  if (!Array.isArray(raw)) return { reason: 'the row is not a list' };
  if (raw.length < fieldCount) return { reason: `the row has ${raw.length} fields instead of ${fieldCount}` };
  const timestamp = readOpening(raw);
  if (timestamp === null) return { reason: 'the opening time is not a whole number of milliseconds' };
  try {
    const candle = {
      timestamp,
      open: parseDecimal(raw[1]),
      high: parseDecimal(raw[2]),
      low: parseDecimal(raw[3]),
      close: parseDecimal(raw[4]),
      volume: parseDecimal(raw[5]),
    };
    const reason = findCandleFault(candle, timeframe, nowMs + CLOCK_TOLERANCE_MS);
    if (reason !== null) return { reason };
    const closing = readClosing(raw, answer);
    if (closing === null) return { reason: 'the closing time is not a whole number of milliseconds' };
    const fault = closing === undefined ? null : findLengthFault(timestamp, closing, timeframe);
    if (fault !== null) return { reason: fault };
    if (confirmColumn === null) return candle;
    const word = judgeConfirmation(raw[confirmColumn], timestamp + timeframeMs(timeframe), nowMs);
    return word === 'complete' ? candle : word;
  } catch (error) {
    if (error instanceof RangeError) return { reason: error.message };
    throw error;
  }
}
