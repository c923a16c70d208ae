import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { RangeState, RangeStateRequest } from '../../db/repositories/read-range-state.ts';
import type { CandleLines, CandleTextRequest } from '../../db/repositories/stream-candle-text.ts';
import type { Logger } from '../../logger.ts';
import { moment } from '../../market/moment-schema.ts';
import { ceilToTimeframe, floorToTimeframe, timeframeMs, type Timeframe } from '../../market/timeframe.ts';
import { findOrigin, type OriginReader } from '../query/candle-origin.ts';
import { createPageLink } from '../query/page-links.ts';
import { toWindow, type Window } from '../query/page-window.ts';
import { rowsParameters, timeframeParameter, toPageLimit } from '../query/parameters.ts';
import { createEntityTag, isFresh } from '../protocol/entity-tag.ts';
import { chooseFormat } from '../formats/choose-format.ts';
import { completeness, describeFormats } from '../formats/describe-formats.ts';
import { EXPORT_NAMES, FORMATS, isExportFormat, type ExportFormat, type PageFormat } from '../formats/formats.ts';
import type { ExportColumn } from '../formats/parquet-encoder.ts';
import { readNewestAnswer, type NewestReader } from '../formats/read-newest.ts';
import { sendExport } from '../formats/send-export.ts';
import { sendPage, setCompleteness, setNext, toGapObject } from '../formats/send-page.ts';
import { varyByAccept } from '../formats/vary-by-accept.ts';
import type { HealthProbes } from '../health/health.ts';
import type { HttpApp } from '../protocol/http-app.ts';
import type { OpenReaders } from '../protocol/request-signal.ts';
import { amount, describeRoute } from '../protocol/route-schema.ts';

/** What the route needs of ohlcv_data; candles come oldest first. */
export interface CandleReader extends OriginReader, NewestReader {
  streamText(request: CandleTextRequest): AsyncGenerator<CandleLines, void>;
}

export interface OhlcvRoutesDeps {
  readonly open: OpenReaders<{ readonly ohlcv: CandleReader }>;
  readonly probes: HealthProbes;
  readonly logger: Logger;
}

/** The query of requests for candles. */
export const candlesQuery = z.strictObject({ ...rowsParameters, timeframe: timeframeParameter });
type CandlesQuery = z.output<typeof candlesQuery>;

export const CANDLE_EXPORT_COLUMNS: readonly ExportColumn[] = ['open', 'high', 'low', 'close', 'volume'].map(
  (name) => ({
    name,
    kind: 'decimal',
  }),
);
const BUILT_COLUMNS: readonly ExportColumn[] = [...CANDLE_EXPORT_COLUMNS, { name: 'partial', kind: 'boolean' }];

/** A candle in an answer. */
export const candleAnswer = z
  .object({
    timestamp: moment.describe('The opening time.'),
    open: amount,
    high: amount,
    low: amount,
    close: amount,
    volume: amount.describe('In the base currency.'),
    partial: z
      .literal(true)
      .optional()
      .describe('Built from a finer timeframe of which something is missing in this candle, or has not ended yet.'),
  })
  .meta({ id: 'Candle' });
/** A candle of `format=arrays`. */
export const candleArray = z
  .tuple([z.int(), amount, amount, amount, amount, amount])
  .meta({ id: 'CandleArray', description: '[milliseconds, open, high, low, close, volume], as ccxt has them.' });

const SUMMARY = 'Candles of one series';
const ohlcvSchema = describeRoute(
  {
    id: 'listCandles',
    chapter: 'Data',
    access: 'data',
    summary: SUMMARY,
    description:
      'The candles that open in [since, until), oldest first; without `since` the newest ones before `until`. ' +
      'Pages of `limit` (500) that `next` links, or ' +
      `with ${EXPORT_NAMES} the whole range at any size, where ` +
      '`limit` may be left out. A timeframe that is not stored is built from a stored one that divides it: a candle of ' +
      'which something is missing, or which is still forming, is marked `partial`. Exports of built candles with `since` and ' +
      '`limit` tell the completeness of the whole range. Arrays leave partial candles out: without ' +
      '`since` they are the newest `limit` complete ones. Ranges without gaps whose last candle has ended have an ETag.',
    problems: ['SERIES_UNKNOWN', 'NOT_ACCEPTABLE'],
    answers: describeFormats(
      SUMMARY,
      {
        exchange: z.string(),
        symbol: z.string(),
        timeframe: z.string(),
        built_from: z.string().nullable().describe('The stored timeframe that the candles are built from.'),
        ...completeness,
      },
      { row: candleAnswer, array: candleArray },
    ),
  },
  { querystring: candlesQuery },
);

/** `GET /v1/ohlcv`: candles in every format, as stored or built from a finer timeframe, and what is missing of them. */
export function registerOhlcvRoutes(app: HttpApp, deps: OhlcvRoutesDeps): void {
  app.get('/v1/ohlcv', { schema: ohlcvSchema, config: { exports: true } }, async (request, reply) => {
    const format = chooseFormat(request.query.format, request.headers.accept);
    return isExportFormat(format)
      ? await exportCandles(deps, request.query, format, request, reply)
      : await pageCandles(deps, request.query, format, request, reply);
  });
}

async function pageCandles(
  { open, probes }: OhlcvRoutesDeps,
  query: CandlesQuery,
  format: PageFormat,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { exchange, symbol, timeframe, numbers } = query;
  const limit = toPageLimit(query.limit);
  const now = Date.now();
  const { since, until } = toWindow(query, now);
  const series = { exchange, symbol, timeframe };
  const { ohlcv } = open(reply);
  const { shape } = FORMATS[format];
  const asked = { series, since, until, limit, shape, numbers, from: null, now } as const;
  let page = await ohlcv.readPage(asked);
  // Whether the series is stored at all is asked only where nothing was found: most requests are one statement.
  const from = page.count === 0 ? await findOrigin(series, { since, until }, ohlcv, probes) : null;
  if (from !== null) {
    const request = { ...asked, from };
    page = await (since === null ? readNewestAnswer(ohlcv, request) : ohlcv.readPage(request));
  }
  const { nextSince } = page;
  const link = { exchange, symbol, timeframe, limit, numbers, format: query.format };
  return sendPage(request, reply, {
    format,
    fields: { ...series, built_from: from },
    gaps: page.gaps.map(toGapObject),
    answered: page.answered,
    next: nextSince === null ? null : createPageLink('/v1/ohlcv', link, { since: nextSince, until }),
    text: page.text,
    isClosed: isClosed(query, now),
  });
}

async function exportCandles(
  { open, probes, logger }: OhlcvRoutesDeps,
  query: CandlesQuery,
  format: ExportFormat,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { exchange, symbol, timeframe, numbers, limit = null } = query;
  const { ohlcv } = open(reply);
  const now = Date.now();
  const { since, until } = toWindow(query, now);
  const series = { exchange, symbol, timeframe };
  const from = await findOrigin(series, { since, until }, ohlcv, probes);
  const asked = { series: { ...series, timeframe: from ?? timeframe }, since, until, newest: null, now };
  const readState = (changes: Partial<RangeStateRequest>) => ohlcv.readRangeState({ ...asked, ...changes });
  const state =
    from === null
      ? await readState(since === null ? { newest: limit } : { oldest: limit })
      : await readBuiltState(readState, { timeframe, since, until, limit });
  setCompleteness(reply, state.gaps.length, state);
  if (state.next !== null) {
    const link = { ...series, limit: limit ?? 0, numbers, format: query.format ?? format };
    setNext(reply, createPageLink('/v1/ohlcv', link, { since: state.next, until }));
  }
  varyByAccept(reply);
  if (isClosed(query, now) && state.gaps.length === 0) {
    const tag = createEntityTag(format, JSON.stringify({ ...query, format }), from ?? '', state.digest);
    if (isFresh(request, reply, tag)) return reply.code(304).send();
  }
  const { shape } = FORMATS[format];
  // The first built candle opens before the first candle that is stored.
  const first = since === null && from !== null ? floorToTimeframe(state.since, timeframe) : state.since;
  const start = { since: first, until, limit };
  return await sendExport(request, reply, {
    format,
    columns: from === null ? CANDLE_EXPORT_COLUMNS : BUILT_COLUMNS,
    numbers,
    pages: ohlcv.streamText({ series, ...start, shape, numbers, from }),
    fileName: `${exchange}-${symbol}-${timeframe}`,
    logger,
  });
}

/** Whether each candle of the range has ended: the last one may end long after `until`. */
function isClosed({ until, timeframe }: CandlesQuery, now: number): boolean {
  return until !== undefined && ceilToTimeframe(until, timeframe) <= now;
}

/** The state of the finer candles that are in the built ones, also where those reach over the ends of the range. */
async function readBuiltState(
  readState: (changes: Partial<RangeStateRequest>) => Promise<RangeState>,
  { timeframe, since, until, limit }: Window & { readonly timeframe: Timeframe; readonly limit: number | null },
): Promise<RangeState> {
  const end = ceilToTimeframe(until, timeframe);
  // A first candle whose beginning is not stored has a gap there.
  const readWhole = async () => {
    const whole = await readState({ until: end });
    const opens = floorToTimeframe(whole.since, timeframe);
    return opens < whole.since ? { ...(await readState({ since: opens, until: end })), first: whole.first } : whole;
  };
  if (since !== null) return await readState({ since: ceilToTimeframe(since, timeframe), until: end });
  if (limit === null) return await readWhole();
  // As in pages, the newest are counted back from the last one of which anything is stored.
  const newest = await readState({ until: end, newest: 1 });
  const { first: latest } = newest;
  if (latest === null) return newest;
  const first = floorToTimeframe(latest, timeframe) - (limit - 1) * timeframeMs(timeframe);
  const whole = await readWhole();
  return first <= floorToTimeframe(whole.first ?? latest, timeframe)
    ? whole
    : await readState({ since: first, until: end });
}
