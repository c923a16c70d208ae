import { floorToTimeframe, parseTimeframe, timeframeMs, type Timeframe } from '../src/market/timeframe.ts';

/** The candle lengths served, in Binance's spelling: all of Binance's but one second. */
export const BINANCE_INTERVALS = [
  '1m',
  '3m',
  '5m',
  '15m',
  '30m',
  '1h',
  '2h',
  '4h',
  '6h',
  '8h',
  '12h',
  '1d',
  '3d',
  '1w',
  '1M',
] as const;
export type BinanceInterval = (typeof BINANCE_INTERVALS)[number];

const FIXED = new Map<BinanceInterval, Timeframe>(
  BINANCE_INTERVALS.filter((interval) => interval !== '1M').map((interval) => [interval, parseTimeframe(interval)]),
);

/** The interval, or null where the text is none that is served. */
export function findInterval(text: string): BinanceInterval | null {
  return BINANCE_INTERVALS.find((interval) => interval === text) ?? null;
}

/** The opening time (epoch ms, UTC) of the candle that covers the moment: weeks open on Mondays, months on the 1st. */
export function floorToInterval(timeMs: number, interval: BinanceInterval): number {
  const timeframe = FIXED.get(interval);
  if (timeframe !== undefined) return floorToTimeframe(timeMs, timeframe);
  const date = new Date(timeMs);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth());
}

/** The opening time after the opening time `openMs`. */
export function nextOpening(openMs: number, interval: BinanceInterval): number {
  const timeframe = FIXED.get(interval);
  if (timeframe !== undefined) return openMs + timeframeMs(timeframe);
  const date = new Date(openMs);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1);
}

/** The first opening time at or after the moment. */
export function ceilToInterval(timeMs: number, interval: BinanceInterval): number {
  const floor = floorToInterval(timeMs, interval);
  return floor === timeMs ? floor : nextOpening(floor, interval);
}
