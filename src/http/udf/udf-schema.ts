import { z } from 'zod';
import { text } from '../query/parameters.ts';

const name = text.max(100);

/** Epoch seconds, from the epoch to the year 9998. Old charts send negative ones, and fractions. */
const seconds = z
  .string({ error: ({ input }) => (input === undefined ? 'is required' : 'must be given once') })
  .regex(/^-?\d{1,11}(\.\d+)?$/, 'must be epoch seconds')
  .transform((value) => Math.min(Math.max(0, Math.floor(Number(value))), LATEST_S));

/** A candle ends up to four weeks after it opens, and after the year 9999 moments have no plain text. */
const LATEST_S = Date.UTC(9999, 0, 1) / 1000 - 1;

function count(most: number) {
  return z
    .string()
    .regex(/^\d{1,9}$/, 'must be a whole number')
    .transform((value) => Math.min(Number(value), most));
}

/** Bars before `to` in one answer. The library asks again for what it lacks. */
export const MAX_BARS = 5_000;
/** Bars of a range: who asks for it takes the answer for all of it. */
export const MAX_RANGE_BARS = 50_000;
const MAX_FOUND = 200;

// Whatever else a version of the library sends is let pass: it has no use for a refusal.
export const symbolQuery = z.looseObject({ symbol: name.describe('Symbol or ticker, such as binance:BTC/USDT.') });
export const searchQuery = z.looseObject({
  query: name.default(''),
  exchange: name.default(''),
  type: name.default(''),
  limit: count(MAX_FOUND).default(30),
});
export const historyQuery = z.looseObject({
  symbol: name.describe('Symbol or ticker, such as binance:BTC/USDT.'),
  resolution: name.describe('Such as 1, 60 or 1D.'),
  from: seconds.default(0).describe(`Epoch seconds of the first bar; a range may hold up to ${MAX_RANGE_BARS} bars.`),
  to: seconds.describe('Epoch seconds; bars before it.'),
  countback: count(MAX_BARS)
    .transform((bars) => (bars === 0 ? undefined : bars))
    .optional()
    .describe(
      `The last so many bars (${MAX_BARS} at most) before to; where it is given (and not 0), from is not looked at.`,
    ),
});

export const errorAnswer = z
  .looseObject({ s: z.literal('error'), errmsg: z.string() })
  .meta({ id: 'UdfError', description: 'What was wrong with the request has the fields of a problem document too.' });
const strings = z.array(z.string()).readonly();
const numbers = z.array(z.number()).readonly();

export const configAnswer = z.object({
  supports_search: z.literal(true),
  supports_group_request: z.literal(false),
  supports_marks: z.literal(false),
  supports_timescale_marks: z.literal(false),
  supports_time: z.literal(true),
  supported_resolutions: strings,
  exchanges: z.array(z.object({ value: z.string(), name: z.string(), desc: z.string() })).readonly(),
  symbols_types: z.array(z.object({ value: z.string(), name: z.string() })).readonly(),
});

export const symbolAnswer = z.union([
  z.object({
    name: z.string(),
    full_name: z.string(),
    ticker: z.string(),
    description: z.string(),
    type: z.string(),
    exchange: z.string(),
    listed_exchange: z.string(),
    session: z.string(),
    timezone: z.string(),
    format: z.string(),
    minmov: z.number(),
    pricescale: z.number().describe('10 to the number of digits that prices have after the point.'),
    volume_precision: z.number(),
    currency_code: z.string(),
    visible_plots_set: z.string(),
    data_status: z.string(),
    has_empty_bars: z.boolean(),
    supported_resolutions: strings,
    has_intraday: z.boolean(),
    intraday_multipliers: strings,
    has_daily: z.boolean(),
    daily_multipliers: strings,
    has_weekly_and_monthly: z.boolean(),
    weekly_multipliers: strings,
  }),
  errorAnswer,
]);

export const searchAnswer = z.union([
  z
    .array(
      z.object({
        symbol: z.string(),
        full_name: z.string(),
        ticker: z.string(),
        description: z.string(),
        exchange: z.string(),
        type: z.string(),
      }),
    )
    .readonly(),
  errorAnswer,
]);

/** Beside the protocol's own fields, which its clients look at alone. */
const completeness = {
  complete: z.boolean().describe('As /v1/ohlcv tells it, of the bars that were asked for and are wanted.'),
  gaps: z.int().describe('How many gaps there are among them; 101: more than 100.'),
};

export const historyAnswer = z.union([
  z.object({
    s: z.literal('ok'),
    t: numbers,
    o: numbers,
    h: numbers,
    l: numbers,
    c: numbers,
    v: numbers,
    ...completeness,
  }),
  z.object({
    s: z.literal('no_data'),
    ...completeness,
    nextTime: z.number().optional().describe('Epoch seconds of the newest bar before; left out where there is none.'),
  }),
  errorAnswer,
]);
