import { toIso } from '../../market/moments.ts';
import type { TimeRange } from '../../market/time-range.ts';
import { DEFAULT_FORMAT, type Format } from '../formats/formats.ts';

/** Path and query of the next page: the same parameters (moments as ISO 8601) with the place where it begins. */
export function createCursorLink(
  path: string,
  query: Readonly<Record<string, string | number | undefined>>,
  cursor: Readonly<Record<string, string>>,
): string {
  const given = Object.entries({ ...query, ...cursor }).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, name === 'since' || name === 'until' ? toIso(Number(value)) : String(value)]],
  );
  return `${path}?${new URLSearchParams(given).toString()}`;
}

/** What a link to the next page repeats. */
interface PageParameters {
  readonly exchange: string;
  readonly symbol: string;
  readonly timeframe?: string;
  readonly limit: number;
  readonly numbers: 'string' | 'float';
  readonly format?: Format | undefined;
}

/** Path and query of the page that begins at `since` (epoch ms), all else being the same. */
export function createPageLink(path: string, parameters: PageParameters, { since, until }: TimeRange): string {
  const { exchange, symbol, timeframe, limit, numbers, format } = parameters;
  const query = new URLSearchParams({
    exchange,
    symbol,
    ...(timeframe === undefined ? {} : { timeframe }),
    since: toIso(since),
    until: toIso(until),
    limit: String(limit),
    ...(numbers === 'string' ? {} : { numbers }),
    ...(format === undefined || format === DEFAULT_FORMAT ? {} : { format }),
  });
  return `${path}?${query.toString()}`;
}
