import { DAY_MS, HOUR_MS, MINUTE_MS, WEEK_MS } from './moments.ts';
/** A candle's length in ccxt's spelling, such as `1m`, `4h` or `1d`. `M` (months) has no fixed length and is not kept. */
export type Timeframe = string & { readonly __brand: 'Timeframe' };

const UNIT_MS = { m: MINUTE_MS, h: HOUR_MS, d: DAY_MS, w: WEEK_MS } as const;

/** The first Monday after the epoch: weekly candles open on Mondays 00:00 UTC at the exchanges that we read. */
const WEEK_ORIGIN_MS = 4 * DAY_MS;

/**
 * Reads a timeframe such as `15m`.
 *
 * @throws RangeError where the text is none, or its length is zero or over four weeks.
 */
export function parseTimeframe(text: string): Timeframe {
  const match = /^([1-9]\d{0,2})([mhdw])$/.exec(text);
  if (!match) throw new RangeError(`"${text}" is not a timeframe: use a number and m, h, d or w, such as 1m, 4h or 1d`);
  const timeframe = text as Timeframe;
  if (timeframeMs(timeframe) > 4 * WEEK_MS)
    throw new RangeError(`"${text}" is longer than four weeks, the longest timeframe`);
  return timeframe;
}

/** Whether a text is a timeframe that `parseTimeframe` takes. */
export function isTimeframe(text: string): text is Timeframe {
  try {
    parseTimeframe(text);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** The length in milliseconds. */
export function timeframeMs(timeframe: Timeframe): number {
  return Number(timeframe.slice(0, -1)) * UNIT_MS[timeframe.slice(-1) as keyof typeof UNIT_MS];
}

function originMs(timeframe: Timeframe): number {
  return timeframe.endsWith('w') ? WEEK_ORIGIN_MS : 0;
}

/** The opening time (epoch ms) of the candle that covers the moment `timeMs`. */
export function floorToTimeframe(timeMs: number, timeframe: Timeframe): number {
  const lengthMs = timeframeMs(timeframe);
  const origin = originMs(timeframe);
  return Math.floor((timeMs - origin) / lengthMs) * lengthMs + origin;
}

/** The first opening time (epoch ms) at or after the moment `timeMs`. */
export function ceilToTimeframe(timeMs: number, timeframe: Timeframe): number {
  const floor = floorToTimeframe(timeMs, timeframe);
  return floor === timeMs ? floor : floor + timeframeMs(timeframe);
}

/** Whether `timeMs` is an opening time of this timeframe. */
export function isOnGrid(timeMs: number, timeframe: Timeframe): boolean {
  return floorToTimeframe(timeMs, timeframe) === timeMs;
}
