import { z } from 'zod';
import { FUTURES_FEEDS } from '../../market/futures-snapshot.ts';
import { readExchangeId, readSymbol } from '../../market/instrument.ts';
import { parseMoment } from '../../market/moments.ts';
import { parseTimeframe } from '../../market/timeframe.ts';
import { parsed } from '../../parsed.ts';
import { RequestError } from '../protocol/errors.ts';
import { EXPORT_NAMES, FORMAT_NAMES } from '../formats/formats.ts';

const DEFAULT_LIMIT = 500;
const MAX_LIMIT = 5000;

/** A query parameter as text: given once, without control characters (PostgreSQL's text cannot hold NUL). */
export const text = z
  .string({ error: ({ input }) => (input === undefined ? 'is required' : 'must be given once') })
  .regex(/^[^\u0000-\u001f\u007f]*$/, 'must not hold control characters');

/** Exports take limits of any size. */
const MAX_EXPORT_LIMIT = 999_999_999;
const LIMIT_FAULT = `must be a whole number from 1 to ${MAX_LIMIT} (up to ${MAX_EXPORT_LIMIT}, or none, for ${EXPORT_NAMES})`;

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

export const timeframeParameter = parsed(text, parseTimeframe).meta(ABOUT.timeframe);

export const rangeParameters = {
  since: parsed(text, parseMoment)
    .optional()
    .meta({ ...ABOUT.since, examples: ['2026-01-31T08:00:00Z'] }),
  until: parsed(text, parseMoment)
    .optional()
    .meta({ ...ABOUT.until, examples: ['2026-02-01'] }),
};

/** The parameters of every request for rows. `since` and `until` are epoch milliseconds. */
export const rowsParameters = {
  exchange: parsed(text, parseExchange).prefault('binance').meta(ABOUT.exchange),
  symbol: parsed(text, parseSymbol).meta(ABOUT.symbol),
  ...rangeParameters,
  limit: parsed(text, parseExportLimit)
    .optional()
    .meta({
      ...ABOUT.limit,
      maximum: MAX_EXPORT_LIMIT,
      description: `Rows: of a page ${DEFAULT_LIMIT} unless given, ${MAX_LIMIT} at most; of ${EXPORT_NAMES} all unless given.`,
    }),
  numbers: z
    .enum(['string', 'float'], { error: 'must be string (exact decimals) or float (JSON numbers)' })
    .default('string')
    .meta({ description: 'How decimals are written in JSON and Parquet: every digit as text, or the nearest number.' }),
  format: z
    .enum(FORMAT_NAMES, { error: `must be one of ${FORMAT_NAMES.join(', ')}` })
    .optional()
    .meta({ description: 'Instead of the Accept header; json where neither names one.' }),
};

const METRICS = ['ohlcv', ...FUTURES_FEEDS] as const;

/** Which series and metrics: all where nothing is named. */
export const keyParameters = {
  exchange: parsed(text, parseExchange).optional().meta(ABOUT.exchange),
  symbol: parsed(text, parseSymbol).optional().meta(ABOUT.symbol),
  timeframe: parsed(text, parseTimeframe).optional().meta(ABOUT.timeframe),
  metric: z.enum(METRICS, { error: `must be one of ${METRICS.join(', ')}` }).optional(),
};
/** Rows of a page of what has no exports. */
export const pageLimit = parsed(text, parseLimit)
  .default(DEFAULT_LIMIT)
  .meta({ ...ABOUT.limit, maximum: MAX_LIMIT, description: 'Rows of a page.' });
/** The id of the last row of the page before. */
export const rowBefore = text.regex(/^\d{1,18}$/, 'must be the id of a row').optional();

/** The same without the parameters that were not given. */
export function pickGiven<T extends object>(query: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
