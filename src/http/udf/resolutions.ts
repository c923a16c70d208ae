import { parseTimeframe, timeframeMs, type Timeframe } from '../../market/timeframe.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** How the charting library writes a timeframe: minutes as a number, then `1D`, `1W`. */
export function toResolution(timeframe: Timeframe): string {
  const count = timeframe.slice(0, -1);
  if (timeframe.endsWith('w')) return `${count}W`;
  if (timeframe.endsWith('d')) return `${count}D`;
  const lengthMs = timeframeMs(timeframe);
  return lengthMs % DAY_MS === 0 ? `${lengthMs / DAY_MS}D` : String(lengthMs / MINUTE_MS);
}

/**
 * The stored timeframe that a resolution means, such as `1h` or `60m` for `60`; null where none does. `D` and `W` are
 * `1D` and `1W`. Seconds (`1S`) and months (`1M`) are never stored.
 */
export function findTimeframe(resolution: string, stored: readonly Timeframe[]): Timeframe | null {
  const wanted = /^[DW]$/.test(resolution) ? `1${resolution}` : resolution;
  return stored.find((timeframe) => toResolution(timeframe) === wanted) ?? null;
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
