import { z } from 'zod';
import { COVERAGE_STATES } from '../../market/coverage.ts';
import { FUTURES_FEEDS } from '../../market/futures-snapshot.ts';
import { readExchangeId, readSymbol } from '../../market/instrument.ts';
import { END_OF_TIME_MS, parseMoment, toIso } from '../../market/moments.ts';
import { parseTimeframe } from '../../market/timeframe.ts';
import type { TimeRange } from '../../market/time-range.ts';
import { RequestError } from '../protocol/errors.ts';
import { FORMATS, type Format } from '../formats/choose-format.ts';

const DEFAULT_LIMIT = 500;
const MAX_LIMIT = 5000;

/** A query parameter as text: given once, without control characters (PostgreSQL's text cannot hold NUL). */
const text = z
  .string({ error: ({ input }) => (input === undefined ? 'is required' : 'must be given once') })
  .regex(/^[^\u0000-\u001f\u007f]*$/, 'must not hold control characters');

/** A text parameter that ends in `parse`: what it throws becomes the parameter's fault. */
function parsed<T>(parse: (value: string) => T) {
  return text.transform((value, context) => {
    try {
      return parse(value);
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
      return z.NEVER;
    }
  });
}

/** Exports take limits of any size. */
const MAX_EXPORT_LIMIT = 999_999_999;
const LIMIT_FAULT = `must be a whole number from 1 to ${MAX_LIMIT} (up to ${MAX_EXPORT_LIMIT}, or none, for csv, ndjson and parquet)`;

function parseExportLimit(value: string): number {
  const limit = Number(value);
  if (!/^\d{1,9}$/.test(value) || limit < 1) throw new RangeError(LIMIT_FAULT);
  return limit;
}

/**
 * The limit of a page, 500 where none was given.
 *
 * @throws RequestError where it is one that only exports take.
 */
export function toPageLimit(given: number | undefined): number {
  if (given === undefined) return DEFAULT_LIMIT;
  if (given <= MAX_LIMIT) return given;
  throw new RequestError('REQUEST_INVALID', `limit ${LIMIT_FAULT}.`, {
    errors: [{ field: 'limit', message: LIMIT_FAULT }],
  });
}

function parseLimit(value: string): number {
  const limit = Number(value);
  if (!/^\d{1,9}$/.test(value) || limit < 1 || limit > MAX_LIMIT)
    throw new RangeError(`must be a whole number from 1 to ${MAX_LIMIT}`);
  return limit;
}

function parseExchange(value: string): string {
  const id = readExchangeId(value);
  if (id === null) throw new RangeError('must be the id of an exchange, such as binance');
  return id;
}

function parseSymbol(value: string): string {
  const symbol = readSymbol(value);
  if (symbol === null)
    throw new RangeError('must be a spot symbol BASE/QUOTE, such as BTC/USDT (perpetuals are stored under theirs)');
  return symbol;
}

/** What the document says of parameters: they arrive as text, and are told as what they mean. */
const ABOUT = {
  exchange: { description: "ccxt's id of the exchange.", examples: ['binance'] },
  symbol: { description: "ccxt's unified spot symbol; perpetuals are kept under theirs.", examples: ['BTC/USDT'] },
  timeframe: {
    description: 'A number and m, h, d or w, four weeks at most.',
    pattern: '^[1-9]\\d{0,2}[mhdw]$',
    examples: ['1m', '4h', '1d'],
  },
  since: { description: 'From this moment on: ISO 8601 (UTC unless it says otherwise) or epoch milliseconds.' },
  until: { description: 'Before this moment, written as since is.' },
  limit: { type: 'integer', minimum: 1 },
} as const;

const rangeParameters = {
  since: parsed(parseMoment)
    .optional()
    .meta({ ...ABOUT.since, examples: ['2026-01-31T08:00:00Z'] }),
  until: parsed(parseMoment)
    .optional()
    .meta({ ...ABOUT.until, examples: ['2026-02-01'] }),
};

/** The parameters of every request for rows. `since` and `until` are epoch milliseconds. */
const rowsParameters = {
  exchange: parsed(parseExchange).prefault('binance').meta(ABOUT.exchange),
  symbol: parsed(parseSymbol).meta(ABOUT.symbol),
  ...rangeParameters,
  limit: parsed(parseExportLimit)
    .optional()
    .meta({
      ...ABOUT.limit,
      maximum: MAX_EXPORT_LIMIT,
      description: `Rows: of a page ${DEFAULT_LIMIT} unless given, ${MAX_LIMIT} at most; of csv, ndjson and parquet all unless given.`,
    }),
  numbers: z
    .enum(['string', 'float'], { error: 'must be string (exact decimals) or float (JSON numbers)' })
    .default('string')
    .meta({ description: 'How decimals are written in JSON and Parquet: every digit as text, or the nearest number.' }),
  format: z
    .enum(FORMATS, { error: `must be one of ${FORMATS.join(', ')}` })
    .optional()
    .meta({ description: 'Instead of the Accept header; json where neither names one.' }),
};

/** The query of requests for candles. */
export const candlesQuery = z.strictObject({
  ...rowsParameters,
  timeframe: parsed(parseTimeframe).meta(ABOUT.timeframe),
});

/** The query of requests for futures data. */
export const futuresQuery = z.strictObject(rowsParameters);

const METRICS = ['ohlcv', ...FUTURES_FEEDS] as const;

/** Which series and metrics: all where nothing is named. */
const keyParameters = {
  exchange: parsed(parseExchange).optional().meta(ABOUT.exchange),
  symbol: parsed(parseSymbol).optional().meta(ABOUT.symbol),
  timeframe: parsed(parseTimeframe).optional().meta(ABOUT.timeframe),
  metric: z.enum(METRICS, { error: `must be one of ${METRICS.join(', ')}` }).optional(),
};
const limit = parsed(parseLimit)
  .default(DEFAULT_LIMIT)
  .meta({ ...ABOUT.limit, maximum: MAX_LIMIT, description: 'Rows of a page.' });
/** The id of the last row of the page before. */
const before = text.regex(/^\d{1,18}$/, 'must be the id of a row').optional();

/** The query of requests for sums over the ledger. */
export const coverageSummaryQuery = z.strictObject(keyParameters);

/** The query of requests for the ledger's missing ranges. `after` is the place that `next` names. */
export const gapsQuery = z.strictObject({ ...keyParameters, ...rangeParameters, limit, after: text.optional() });

/** The query of requests for the ledger's ranges. */
export const coverageQuery = gapsQuery.extend({
  state: z.enum(COVERAGE_STATES, { error: `must be one of ${COVERAGE_STATES.join(', ')}` }).optional(),
});

/** The query of requests for quarantined rows. */
export const quarantineQuery = z.strictObject({
  ...keyParameters,
  source: z.enum(['rest', 'stream'], { error: 'must be rest or stream' }).optional(),
  limit,
  before,
});

const { exchange, symbol, timeframe } = keyParameters;

/** The query of requests for rewritten candles; since and until are of their opening times. */
export const revisionsQuery = z.strictObject({
  exchange,
  symbol,
  timeframe,
  ...rangeParameters,
  limit,
  before,
  numbers: rowsParameters.numbers,
});

/** The same without the parameters that were not given. */
export function pickGiven<T extends object>(query: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

/**
 * The half-open range of a query in which both ends may be open; null where both are.
 *
 * @throws RequestError where it would be empty.
 */
export function toRange({
  since,
  until,
}: {
  since?: number | undefined;
  until?: number | undefined;
}): TimeRange | null {
  if (since === undefined && until === undefined) return null;
  const range = { since: since ?? 0, until: until ?? END_OF_TIME_MS };
  if (range.since < range.until) return range;
  throw new RequestError('REQUEST_INVALID', 'The range [since, until) is empty.', {
    errors: [{ field: 'since', message: 'must lie before until' }],
  });
}

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

/** What rows are wanted: a range, or (without `since`) the newest ones before `until`. */
export type Window = { readonly since: null; readonly until: number } | TimeRange;

/**
 * Reads the half-open window [since, until); `until` is now by default.
 *
 * @throws RequestError where it would be empty.
 */
export function toWindow(query: { since?: number | undefined; until?: number | undefined }, nowMs: number): Window {
  const until = query.until ?? nowMs;
  const since = query.since ?? null;
  if (since !== null && since >= until) {
    const end = query.until === undefined ? 'until, which is now where it is not given' : 'until';
    throw new RequestError('REQUEST_INVALID', 'The window [since, until) is empty.', {
      errors: [{ field: 'since', message: `must lie before ${end}` }],
    });
  }
  return since === null ? { since, until } : { since, until };
}

/** What a link to the next page repeats. */
export interface PageParameters {
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
    ...(format === undefined || format === 'json' ? {} : { format }),
  });
  return `${path}?${query.toString()}`;
}
