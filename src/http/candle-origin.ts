import { canBuildFrom } from '../db/repositories/aggregate-candles.ts';
import type { Series } from '../market/instrument.ts';
import { timeframeMs, type Timeframe } from '../market/timeframe.ts';
import type { HealthProbes } from './health.ts';
import { assertSeriesKnown, type SeriesBounds } from './series-lookup.ts';

/** What is needed to find out where candles come from. */
export interface OriginReader {
  /** Every stored series, or those of one market. Cheap on any number of rows. */
  listBounds(market?: { readonly exchange: string; readonly symbol: string }): Promise<readonly SeriesBounds[]>;
}

/**
 * The stored timeframe that candles of a series which is not stored are built from; null where it is stored, or is to
 * be. Of those that are stored for most of the range, give or take one candle, the longest, which reads the fewest rows:
 * sums and extremes are exact, so that each gives the same candles.
 *
 * @throws RequestError SERIES_UNKNOWN (404) where there is neither.
 */
export async function findOrigin(
  series: Series,
  range: { readonly since: number | null; readonly until: number },
  reader: OriginReader,
  probes: Pick<HealthProbes, 'ingestSeries'>,
): Promise<Timeframe | null> {
  const { exchange, symbol, timeframe } = series;
  const stored = await reader.listBounds({ exchange, symbol });
  if (stored.some((entry) => entry.timeframe === timeframe)) return null;
  const sources = stored
    .filter((entry) => canBuildFrom(entry.timeframe, timeframe))
    .map((entry) => {
      const end = entry.last + timeframeMs(entry.timeframe);
      const coveredMs = Math.min(end, range.until) - Math.max(entry.first, range.since ?? -Infinity);
      return { timeframe: entry.timeframe, coveredMs: Math.max(0, coveredMs) };
    })
    .sort((a, b) => timeframeMs(b.timeframe) - timeframeMs(a.timeframe));
  const mostMs = Math.max(...sources.map(({ coveredMs }) => coveredMs));
  const best = sources.find(({ coveredMs }) => coveredMs > mostMs - timeframeMs(timeframe));
  if (best) return best.timeframe;
  await assertSeriesKnown(series, reader, probes.ingestSeries());
  return null;
}
