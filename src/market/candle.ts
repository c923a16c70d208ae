import { compareDecimals, isDecimal, isZero, type Decimal } from './decimal.ts';
import { isOnGrid, timeframeMs, type Timeframe } from './timeframe.ts';

/**
 * One OHLCV candle. `timestamp` is its opening time in epoch milliseconds (UTC); prices are in the quote currency,
 * `volume` in the base currency, all exactly as the exchange sent them.
 */
export interface Candle {
  readonly timestamp: number;
  readonly open: Decimal;
  readonly high: Decimal;
  readonly low: Decimal;
  readonly close: Decimal;
  readonly volume: Decimal;
}

/** The earliest opening time that is believed: 2009-01-03, Bitcoin's first block. */
export const EARLIEST_MS = Date.UTC(2009, 0, 3);

const VALUE_NAMES = ['open', 'high', 'low', 'close', 'volume'] as const;

/**
 * Why a candle cannot be one, or null where it may be stored: the opening time lies on the timeframe's grid and not in
 * the future of `nowMs` (the exchange's clock); low ≤ open, close ≤ high; no value is negative, and not every price zero,
 * as some exchanges fill a slot in that nobody traded.
 */
export function findCandleFault(candle: Candle, timeframe: Timeframe, nowMs: number): string | null {
  const { timestamp, open, high, low, close } = candle;
  if (!Number.isSafeInteger(timestamp)) return 'the opening time is not a whole number of milliseconds';
  if (timestamp < EARLIEST_MS) return 'the opening time lies before 2009';
  if (timestamp > nowMs) return 'the opening time lies in the future';
  if (!isOnGrid(timestamp, timeframe)) return `the opening time is off the ${timeframe} grid`;
  for (const name of VALUE_NAMES) {
    const value = candle[name];
    if (!isDecimal(value)) return `${name} is not a decimal number`;
    if (value.startsWith('-')) return `${name} is negative`;
  }
  if (compareDecimals(low, high) > 0) return 'low is above high';
  if (compareDecimals(open, low) < 0) return 'open is below low';
  if (compareDecimals(open, high) > 0) return 'open is above high';
  if (compareDecimals(close, low) < 0) return 'close is below low';
  if (compareDecimals(close, high) > 0) return 'close is above high';
  // Nothing lies above high, so all are.
  if (isZero(high)) return 'all prices are zero';
  return null;
}

/** Whether two candles have equal values (`1.0` equals `1`); their times are not looked at. */
export function isSameCandle(a: Candle, b: Candle): boolean {
  return VALUE_NAMES.every((name) => compareDecimals(a[name], b[name]) === 0);
}

/** Whether the candle that opened at `timestamp` has ended at the moment `nowMs` of the exchange's clock. */
export function isClosed(timestamp: number, timeframe: Timeframe, nowMs: number): boolean {
  return timestamp + timeframeMs(timeframe) <= nowMs;
}

/** What a write did, in rows; a repetition inside the input counts as unchanged. */
export interface WriteCounts {
  readonly inserted: number;
  readonly updated: number;
  readonly unchanged: number;
}
