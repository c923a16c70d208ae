import { findCandleFault, isClosed, type Candle } from '../../market/candle.ts';
import type { Decimal } from '../../market/decimal.ts';
import type { Timeframe } from '../../market/timeframe.ts';
import { findLengthFault } from '../../market/timeframe-evidence.ts';
import type { ClosedPush } from './read-message.ts';

/**
 * How far the exchange's clock as we know it may be behind: it was measured over a request, and a push was sent before
 * it came.
 */
const CLOCK_TOLERANCE_MS = 5_000;

export interface PushFacts {
  readonly marketId: string;
  readonly timeframe: Timeframe;
  /** The exchange's clock as its REST answers tell it; null: not known. */
  readonly nowMs: number | null;
}

/**
 * The candle that a push calls closed, or the reason why it cannot be stored. `x: true` alone is not believed: the
 * candle must have ended by the time at which the push says that it was sent, and by the exchange's clock.
 */
export function judgePush(push: ClosedPush, { marketId, timeframe, nowMs }: PushFacts): Candle | string {
  if (push.marketId !== marketId) return `the push is of ${push.marketId} on the stream of ${marketId}`;
  if (push.interval !== timeframe) return `the push is of ${push.interval} on a stream of ${timeframe}`;
  // findCandleFault says of each whether it is a decimal; the brand is its promise.
  const candle: Candle = {
    timestamp: push.timestamp,
    open: push.open as Decimal,
    high: push.high as Decimal,
    low: push.low as Decimal,
    close: push.close as Decimal,
    volume: push.volume as Decimal,
  };
  const latest = Math.min(push.sentAt, (nowMs ?? Infinity) + CLOCK_TOLERANCE_MS);
  const fault = findCandleFault(candle, timeframe, latest);
  if (fault !== null) return fault;
  const lengthFault = findLengthFault(push.timestamp, push.closingTime, timeframe);
  if (lengthFault !== null) return lengthFault;
  return isClosed(push.timestamp, timeframe, latest) ? candle : 'the candle is called closed before its end';
}
