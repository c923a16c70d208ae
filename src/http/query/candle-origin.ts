import { canBuildFrom } from '../../db/repositories/aggregate-candles.ts';
import type { Series } from '../../market/instrument.ts';
import type { TimeRange } from '../../market/time-range.ts';
import { timeframeMs, type Timeframe } from '../../market/timeframe.ts';
import { assertSeriesKnown, type CollectionProbe, type SeriesBounds } from './series-lookup.ts';

interface Market {
  readonly exchange: string;
  readonly symbol: string;
}

/** What is needed to find out where candles come from. */
export interface OriginReader {
  /** Every stored series, or those of one market. Cheap on any number of rows. */
  listBounds(market?: Market): Promise<readonly SeriesBounds[]>;
  /** How much (ms) of each range the ledger calls a gap, in their order. */
  sumGaps(market: Market, ranges: readonly (TimeRange & { readonly timeframe: Timeframe })[]): Promise<number[]>;
}

/**
 * The stored timeframe that candles of a series which is not stored are built from; null where it is stored, or is to
 * be. Of those that are stored for most of the range, without their gaps and give or take one candle, the longest, which
 * reads the fewest rows: sums and extremes are exact, so that each gives the same candles.
 *
 * @throws RequestError SERIES_UNKNOWN (404) where there is neither.
 */
export async function findOrigin(
  series: Series,
  range: { readonly since: number | null; readonly until: number },
  reader: OriginReader,
  probes: CollectionProbe,
): Promise<Timeframe | null> {
  const { exchange, symbol, timeframe } = series;
  const stored = await reader.listBounds({ exchange, symbol });
  if (stored.some((entry) => entry.timeframe === timeframe)) return null;
  const sources = stored
    .filter((entry) => canBuildFrom(entry.timeframe, timeframe))
    .map((entry) => {
      const since = Math.max(entry.first, range.since ?? -Infinity);
      const end = Math.min(entry.last + timeframeMs(entry.timeframe), range.until);
      return { timeframe: entry.timeframe, since, until: Math.max(since, end) };
    })
    .toSorted((a, b) => timeframeMs(b.timeframe) - timeframeMs(a.timeframe));
  const gapsMs = sources.length > 1 ? await reader.sumGaps({ exchange, symbol }, sources) : [];
  const coveredMs = sources.map(({ since, until }, place) => until - since - (gapsMs[place] ?? 0));
  const most = Math.max(...coveredMs);
  const best = sources.find((_, place) => (coveredMs[place] ?? 0) > most - timeframeMs(timeframe));
  if (best) return best.timeframe;
  await assertSeriesKnown(series, reader, probes.ingestSeries());
  return null;
}
