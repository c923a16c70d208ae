import { DAY_MS, HOUR_MS, MINUTE_MS, WEEK_MS } from '../../src/market/moments.ts';

const UNIT_MS: Readonly<Record<string, number>> = { m: MINUTE_MS, h: HOUR_MS, d: DAY_MS, w: WEEK_MS };
/** The first Monday after the epoch, which was a Thursday. */
export const MONDAY_MS = 4 * DAY_MS;
export const THURSDAY_MS = 0;

/** Where days and weeks begin, in milliseconds after the epoch; shorter timeframes begin with the epoch everywhere. */
export interface ZooAnchors {
  readonly dayMs: number;
  readonly weekMs: number;
}

/**
 * The length of a timeframe such as `15m`, in milliseconds.
 *
 * @throws RangeError where the text is none.
 */
export function lengthOf(timeframe: string): number {
  const match = /^([1-9]\d*)([mhdw])$/.exec(timeframe);
  const unit = UNIT_MS[match?.[2] ?? ''];
  if (unit === undefined) throw new RangeError(`"${timeframe}" is no timeframe`);
  return Number(match?.[1]) * unit;
}

/** The opening time of the candle that covers a moment, epoch milliseconds. */
export function openingOf(timeMs: number, timeframe: string, anchors: ZooAnchors): number {
  const lengthMs = lengthOf(timeframe);
  const anchorMs = timeframe.endsWith('w') ? anchors.weekMs : timeframe.endsWith('d') ? anchors.dayMs : 0;
  return Math.floor((timeMs - anchorMs) / lengthMs) * lengthMs + anchorMs;
}

/** The first opening time at or after a moment. */
export function openingFrom(timeMs: number, timeframe: string, anchors: ZooAnchors): number {
  const opening = openingOf(timeMs, timeframe, anchors);
  return opening === timeMs ? opening : opening + lengthOf(timeframe);
}
