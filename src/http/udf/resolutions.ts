import { canBuildFrom } from '../../db/repositories/aggregate-candles.ts';
import { DAY_MS, MINUTE_MS } from '../../market/moments.ts';
import { parseTimeframe, timeframeMs, type Timeframe } from '../../market/timeframe.ts';

/** How the charting library writes a timeframe: minutes as a number, then `1D`, `1W`. */
export function toResolution(timeframe: Timeframe): string {
  const count = timeframe.slice(0, -1);
  if (timeframe.endsWith('w')) return `${count}W`;
  if (timeframe.endsWith('d')) return `${count}D`;
  const lengthMs = timeframeMs(timeframe);
  return lengthMs % DAY_MS === 0 ? `${lengthMs / DAY_MS}D` : String(lengthMs / MINUTE_MS);
}

/** What charts are used to, besides what is stored; all but the last divide the day or are whole days. */
const USUAL = ['1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '6h', '8h', '12h', '1d', '3d', '1w'].map(
  parseTimeframe,
);

/** The timeframes that can be answered where some are stored: those, and the usual ones that are built from them. */
export function listOffered(stored: readonly Timeframe[]): Timeframe[] {
  const resolutions = new Set(stored.map(toResolution));
  const isBuilt = (timeframe: Timeframe) => stored.some((child) => canBuildFrom(child, timeframe));
  return [...stored, ...USUAL.filter((timeframe) => !resolutions.has(toResolution(timeframe)) && isBuilt(timeframe))];
}

/**
 * The timeframe that a resolution means, such as `1h` for `60`: a stored one (which may be `60m`) or one that is built
 * from those; null where neither is. `D` and `W` are `1D` and `1W`. Seconds (`1S`) and months (`1M`) are never kept.
 */
export function findTimeframe(resolution: string, stored: readonly Timeframe[]): Timeframe | null {
  const wanted = /^[DW]$/.test(resolution) ? `1${resolution}` : resolution;
  const kept = listOffered(stored).find((timeframe) => toResolution(timeframe) === wanted);
  if (kept !== undefined) return kept;
  // Its users may add resolutions of their own.
  const minutes = /^[1-9]\d{0,2}$/.test(wanted) ? parseTimeframe(`${wanted}m`) : null;
  return minutes !== null && stored.some((child) => canBuildFrom(child, minutes)) ? minutes : null;
}

/** Shortest first, each once. */
export function listResolutions(timeframes: readonly Timeframe[]): string[] {
  const sorted = timeframes.toSorted((a, b) => timeframeMs(a) - timeframeMs(b));
  return [...new Set(sorted.map(toResolution))];
}

/** The shortest of some timeframes; `1m` where there is none. */
export function findShortest(timeframes: readonly Timeframe[]): Timeframe {
  return timeframes.toSorted((a, b) => timeframeMs(a) - timeframeMs(b))[0] ?? parseTimeframe('1m');
}
