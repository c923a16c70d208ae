import type { Series } from '../../market/instrument.ts';
import type { SeriesState } from '../../market/service-state.ts';
import { RequestError } from '../protocol/errors.ts';

/** A stored series with the opening times (epoch ms) of its oldest and newest candle. */
export interface SeriesBounds extends Series {
  readonly first: number;
  readonly last: number;
}

export interface BoundsReader {
  /** Every stored series. Cheap on any number of rows. */
  listBounds(): Promise<readonly SeriesBounds[]>;
}

type CollectedSeries = Pick<SeriesState, 'exchange' | 'symbol' | 'timeframe' | 'state'>;

/** Answers from memory what is collected, or was refused. */
export interface CollectionProbe {
  ingestSeries(): readonly CollectedSeries[];
}

/** How many alternatives an answer names. */
const MAX_NAMED = 8;

/**
 * Passes where something is stored of the series, or it is being collected: then an empty answer is the truth.
 *
 * @throws RequestError SERIES_UNKNOWN (404), which names what is stored next to it.
 */
export async function assertSeriesKnown(
  series: Series,
  reader: BoundsReader,
  collected: readonly CollectedSeries[],
): Promise<void> {
  if (collected.some((state) => isSame(state, series) && state.state !== 'refused')) return;
  const stored = await reader.listBounds();
  if (stored.some((entry) => isSame(entry, series))) return;
  const { exchange, symbol, timeframe } = series;
  throw new RequestError(
    'SERIES_UNKNOWN',
    `No candle of ${exchange} ${symbol} ${timeframe} is stored. ${describeNeighbours(series, stored)} ` +
      'GET /v1/series lists all; MARKETS and TIMEFRAMES choose what is collected.',
  );
}

function describeNeighbours({ exchange, symbol }: Series, stored: readonly Series[]): string {
  const ofExchange = stored.filter((entry) => entry.exchange === exchange);
  const timeframes = ofExchange.filter((entry) => entry.symbol === symbol).map((entry) => entry.timeframe);
  if (timeframes.length > 0) return `Stored of ${exchange} ${symbol}: ${nameSome(timeframes)}.`;
  if (ofExchange.length > 0) return `Stored of ${exchange}: ${nameSome(ofExchange.map((entry) => entry.symbol))}.`;
  if (stored.length > 0) return `Exchanges with candles: ${nameSome(stored.map((entry) => entry.exchange))}.`;
  return 'No candle is stored at all yet.';
}

/** The first few, each once; how many more there are is said. */
export function nameSome(items: readonly string[]): string {
  const distinct = [...new Set(items)];
  const rest = distinct.length - MAX_NAMED;
  return distinct.slice(0, MAX_NAMED).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

function isSame(a: { exchange: string; symbol: string; timeframe: string }, b: Series): boolean {
  return a.exchange === b.exchange && a.symbol === b.symbol && a.timeframe === b.timeframe;
}
