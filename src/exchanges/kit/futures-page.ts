import { ExchangeDataError } from '../../errors.ts';
import { compareDecimals, isZero, parseDecimal, type Decimal } from '../../market/decimal.ts';
import {
  FUTURES_METRICS,
  FUTURES_SLOT_MS,
  toFuturesSlot,
  type FuturesFeed,
  type FuturesMetric,
  type FuturesSnapshot,
} from '../../market/futures-snapshot.ts';
import { parseTimeframe } from '../../market/timeframe.ts';
import { TimeframeEvidence } from '../../market/timeframe-evidence.ts';
import { MINUTE_MS } from '../../market/moments.ts';
import type { TimeRange } from '../../market/time-range.ts';
import type { FuturesPage, RejectedRow } from '../exchange.ts';
import { readMilliseconds, requireRows } from './candle-page.ts';
import { IMPLAUSIBLE_TIME, OUTSIDE_OF_ASKED, RowTimes } from './row-times.ts';

/** Binance stamps funding 0 to 19 ms after the hour; everything further off belongs to no hour. */
const SLOT_TOLERANCE_MS = 1_000;
/** How far outside the request a row may be stamped, by the same habit. */
const EDGE_TOLERANCE_MS = 20;
/** Statistics of a moment are published some minutes after it; their absence before says nothing. */
const PUBLISHING_MS = 15 * MINUTE_MS;

const HOURLY = parseTimeframe('1h');

const FUTURE_TIME = 'the time lies in the future';

/** One row in the exchange's own shape: its time and the values that it may hold. */
export interface FuturesRow {
  readonly time: unknown;
  readonly values: Readonly<Partial<Record<FuturesMetric, unknown>>>;
}

export interface FuturesAnswer {
  readonly exchange: string;
  /** Its own metric must be in each row; others may be empty. */
  readonly feed: FuturesFeed;
  readonly subject: string;
  readonly asked: TimeRange;
  readonly limit: number;
  /** The exchange's clock. */
  readonly nowMs: number;
  readonly rows: unknown;
  /** Reads one row; undefined where it has another shape. */
  readonly readRow: (raw: unknown) => FuturesRow | undefined;
  /** How long the period lasts that a row sums up, from its time on: a row whose period runs is not final. 0: a moment. */
  readonly periodMs: number;
  /**
   * Whether a full page may have been cut at either end, as of an exchange that sends the newest rows first: only what
   * lies between its rows is believed. Otherwise it is taken to be cut at its end.
   */
  readonly mayBeCutAtStart?: boolean;
}

/**
 * Reads an answer of a futures feed, under full hours. A metric that is empty in a row is left out of its snapshot.
 *
 * @throws ExchangeDataError where the answer is no list, is too long, is mostly of other times than was asked for, sums
 * up shorter periods, or the exchange cannot have published any of it.
 */
export function parseFuturesPage(answer: FuturesAnswer): FuturesPage {
  const { asked, nowMs, periodMs } = answer;
  const { rows, surplus } = requireRows(answer);
  const rejected: RejectedRow[] = [];
  const times = new RowTimes({ ...answer, keepsToRange: true, toleranceMs: EDGE_TOLERANCE_MS });
  const accepted = new Map<number, { snapshot: FuturesSnapshot; raws: unknown[]; isDisputed: boolean }>();
  for (const raw of rows) {
    const read = readSnapshot(raw, answer, times);
    if ('reason' in read) {
      rejected.push({ raw, ...read });
      continue;
    }
    const { timestamp } = read;
    if (timestamp < asked.since || timestamp >= asked.until || timestamp + periodMs > nowMs) continue;
    const before = accepted.get(timestamp);
    if (before === undefined) accepted.set(timestamp, { snapshot: read, raws: [raw], isDisputed: false });
    else if (agree(before.snapshot, read)) before.snapshot = { ...before.snapshot, ...read };
    else {
      before.raws.push(raw);
      before.isDisputed = true;
    }
  }
  for (const { raw, reason } of surplus) {
    const time = readMilliseconds(answer.readRow(raw)?.time);
    const isPlaced = time !== null && times.place(time) !== 'implausible';
    rejected.push({ raw, reason, ...(isPlaced ? { timestamp: toFuturesSlot(time) } : {}) });
  }
  times.assertUsable();
  if (periodMs > 0) assertPeriod(answer, rows);
  for (const { raws, snapshot, isDisputed } of accepted.values()) {
    const reason = 'another row has the same hour and other values';
    if (isDisputed) rejected.push(...raws.map((raw) => ({ raw, reason, timestamp: snapshot.timestamp })));
  }
  const snapshots = [...accepted.values()]
    .filter(({ isDisputed }) => !isDisputed)
    .map(({ snapshot }) => snapshot)
    .toSorted((a, b) => a.timestamp - b.timestamp);
  return { snapshots, rejected, answered: findAnswered(answer, rows.length, [...accepted.keys()]) };
}

/** What sums up five minutes and begins on a full hour is not the sum of that hour. A value of a moment is right anyway. */
function assertPeriod({ exchange, subject, readRow }: FuturesAnswer, rows: readonly unknown[]): void {
  const evidence = new TimeframeEvidence(HOURLY);
  for (const raw of rows) {
    const time = readMilliseconds(readRow(raw)?.time);
    if (time !== null) evidence.note(time, null);
  }
  const contradiction = evidence.contradiction();
  if (contradiction === null) return;
  throw new ExchangeDataError(exchange, `${exchange} answered ${subject} with shorter periods: ${contradiction}`);
}

function findAnswered(answer: FuturesAnswer, rowCount: number, slots: readonly number[]): TimeRange {
  const { exchange, subject, asked, nowMs, periodMs, limit, mayBeCutAtStart = false } = answer;
  const last = slots.reduce((latest, slot) => Math.max(latest, slot), Number.NEGATIVE_INFINITY);
  const isCut = rowCount >= limit;
  if (isCut && slots.length === 0) {
    throw new ExchangeDataError(
      exchange,
      `${exchange} answered ${subject} with a full page of rows that cannot be used`,
    );
  }
  const published = isCut ? Number.NEGATIVE_INFINITY : toSlotAfter(nowMs - PUBLISHING_MS - periodMs);
  const until = Math.min(asked.until, Math.max(published, last + FUTURES_SLOT_MS));
  const first = slots.reduce((earliest, slot) => Math.min(earliest, slot), Number.POSITIVE_INFINITY);
  const since = isCut && mayBeCutAtStart ? Math.max(asked.since, first) : asked.since;
  if (until > since) return { since, until };
  throw new ExchangeDataError(exchange, `${exchange} has not published ${subject} yet`);
}

/** The end of the slots that lie at or before `timeMs`. */
function toSlotAfter(timeMs: number): number {
  return (Math.floor(timeMs / FUTURES_SLOT_MS) + 1) * FUTURES_SLOT_MS;
}

/** The snapshot, or why the row is none, with the hour that it speaks of where it has one. */
function readSnapshot(
  raw: unknown,
  { feed, readRow, nowMs }: FuturesAnswer,
  times: RowTimes,
): FuturesSnapshot | Omit<RejectedRow, 'raw'> {
  const row = readRow(raw);
  if (row === undefined) return { reason: 'the row has another shape' };
  const time = readMilliseconds(row.time);
  if (time === null) return { reason: 'the time is not a whole number of milliseconds' };
  const place = times.place(time);
  if (place === 'implausible') return { reason: IMPLAUSIBLE_TIME };
  const timestamp = toFuturesSlot(time);
  if (place === 'future') return { reason: FUTURE_TIME, timestamp };
  if (place === 'outside') return { reason: OUTSIDE_OF_ASKED, timestamp };
  if (Math.abs(time - timestamp) > SLOT_TOLERANCE_MS) return { reason: 'the time is not a full hour' };
  if (timestamp > nowMs + SLOT_TOLERANCE_MS) return { reason: FUTURE_TIME, timestamp };
  try {
    const metrics: Partial<Record<FuturesMetric, Decimal>> = {};
    for (const [metric, value] of Object.entries(row.values) as [FuturesMetric, unknown][]) {
      if (isEmpty(value)) continue;
      const decimal = parseDecimal(value);
      // Only funding can be paid in either direction.
      if (metric !== 'funding_rate' && decimal.startsWith('-')) return { reason: `${metric} is negative`, timestamp };
      if (metric === 'mark_price' && isZero(decimal)) return { reason: 'mark_price is zero', timestamp };
      metrics[metric] = decimal;
    }
    if (metrics[feed] === undefined) return { reason: `${feed} is empty`, timestamp };
    return { timestamp, ...metrics };
  } catch (error) {
    if (error instanceof RangeError) return { reason: error.message, timestamp };
    throw error;
  }
}

/** Whether an exchange says in this way that it has no value. A field that is not there at all is another shape. */
function isEmpty(value: unknown): boolean {
  return value === null || (typeof value === 'string' && value.trim() === '');
}

/** Whether no metric that both have differs. */
function agree(a: FuturesSnapshot, b: FuturesSnapshot): boolean {
  return FUTURES_METRICS.every((metric) => {
    const [one, other] = [a[metric], b[metric]];
    return one === undefined || other === undefined || compareDecimals(one, other) === 0;
  });
}
