import { ExchangeRejectedError } from '../../errors.ts';
import { FUTURES_SLOT_MS } from '../../market/futures-snapshot.ts';
import type { TimeRange } from '../../market/time-range.ts';

export interface FuturesRangeRequest {
  readonly exchange: string;
  /** What is asked for, for error texts. */
  readonly subject: string;
  readonly range: TimeRange;
  /** The exchange's clock. */
  readonly nowMs: number;
  /** How far back the exchange keeps them; null: all of history. */
  readonly depthMs: number | null;
  /** How far one request may reach. */
  readonly reachMs: number;
}

/**
 * The hours of the range that one request can answer. Null: there is no full hour in it.
 *
 * @throws ExchangeRejectedError with reason `request` where the exchange has deleted all of it.
 */
export function clampFuturesRange(request: FuturesRangeRequest): TimeRange | null {
  const { exchange, subject, range, nowMs, depthMs, reachMs } = request;
  const kept = depthMs === null ? Number.NEGATIVE_INFINITY : ceilToSlot(nowMs - depthMs);
  if (range.until <= kept) {
    const message = `${exchange} refused ${subject}: it keeps them from ${new Date(kept).toISOString()} on`;
    throw new ExchangeRejectedError(exchange, message, { reason: 'request' });
  }
  const since = Math.max(kept, ceilToSlot(range.since));
  const until = Math.min(range.until, since + reachMs);
  return since < until ? { since, until } : null;
}

function ceilToSlot(timeMs: number): number {
  return Math.ceil(timeMs / FUTURES_SLOT_MS) * FUTURES_SLOT_MS;
}
