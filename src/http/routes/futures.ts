import { z } from 'zod';
import type { FuturesRepository } from '../../db/repositories/futures-repository.ts';
import type { Bounds } from '../../db/repositories/ohlcv-repository.ts';
import type { Logger } from '../../logger.ts';
import { FUTURES_METRICS, FUTURES_SLOT_MS, type FuturesSnapshot } from '../../market/futures-snapshot.ts';
import { moment } from '../../market/moment-schema.ts';
import type { TimeRange } from '../../market/time-range.ts';
import { RequestError } from '../protocol/errors.ts';
import { chooseFormat } from '../formats/choose-format.ts';
import { completeness, describeFormats } from '../formats/describe-formats.ts';
import { FORMATS, isExportFormat } from '../formats/formats.ts';
import { pageLines } from '../formats/page-lines.ts';
import type { ExportColumn } from '../formats/parquet-encoder.ts';
import { writeRow, type TextRow } from '../formats/row-text.ts';
import { sendExport } from '../formats/send-export.ts';
import { sendPage, setCompleteness, toGapObject } from '../formats/send-page.ts';
import type { HttpApp } from '../protocol/http-app.ts';
import type { OpenReaders } from '../protocol/request-signal.ts';
import { amount, describeRoute } from '../protocol/route-schema.ts';
import { cutPage } from '../formats/rows.ts';
import { createPageLink } from '../query/page-links.ts';
import { toWindow } from '../query/page-window.ts';
import { rowsParameters, toPageLimit } from '../query/parameters.ts';
import { nameSome } from '../query/series-lookup.ts';

type FuturesReader = Pick<
  FuturesRepository,
  'list' | 'findBounds' | 'findWantedSince' | 'listLedgerGaps' | 'listSymbols'
>;

export interface FuturesRoutesDeps {
  readonly open: OpenReaders<{ readonly futures: FuturesReader }>;
  readonly logger: Logger;
}

const COLUMNS: readonly ExportColumn[] = FUTURES_METRICS.map((name) => ({ name, kind: 'decimal' }));
const known = amount.nullable();

/** The snapshot of an hour in an answer: every metric is there, null where it is not known. */
const futuresAnswer = z
  .object({
    timestamp: moment.describe('A full hour.'),
    open_interest: known.describe('In the base currency.'),
    open_interest_value: known.describe('In the quote currency.'),
    funding_rate: known.describe('Fraction for each funding interval: 0.0001 is 0.01 %.'),
    mark_price: known,
    top_trader_ratio: known.describe('Long / short positions of the top traders.'),
    taker_buy_sell_ratio: known.describe('Of the hour that begins there.'),
  })
  .meta({ id: 'FuturesSnapshot' });
export type FuturesObject = z.output<typeof futuresAnswer>;

const SUMMARY = 'Futures data of one perpetual, hour by hour';
const futuresSchema = describeRoute(
  {
    id: 'listFutures',
    chapter: 'Data',
    access: 'data',
    summary: SUMMARY,
    description:
      'The snapshots of [since, until), oldest first; without `since` the newest hours before `until`, `limit` of them. ' +
      'A metric that is not known is null (empty in CSV). `gaps` names the feed; top_trader_ratio and the like are kept ' +
      'by exchanges for some weeks only, so old hours may never be complete. Formats as of /v1/ohlcv.',
    problems: ['SERIES_UNKNOWN', 'NOT_ACCEPTABLE'],
    answers: describeFormats(
      SUMMARY,
      { exchange: z.string(), symbol: z.string(), ...completeness },
      {
        row: futuresAnswer,
        array: z
          .tuple([z.int(), known, known, known, known, known, known])
          .meta({ id: 'FuturesArray', description: `[milliseconds, ${FUTURES_METRICS.join(', ')}]` }),
      },
    ),
  },
  { querystring: z.strictObject(rowsParameters) },
);

/** `GET /v1/futures`: the hourly snapshots of a perpetual in every format, and which feeds lack which hours. */
export function registerFuturesRoutes(app: HttpApp, { open, logger }: FuturesRoutesDeps): void {
  app.get('/v1/futures', { schema: futuresSchema, config: { exports: true } }, async (request, reply) => {
    const { exchange, symbol, numbers, ...query } = request.query;
    const { futures } = open(reply);
    const format = chooseFormat(query.format, request.headers.accept);
    const now = Date.now();
    const { since, until } = toWindow(query, now);
    const columns = FUTURES_METRICS;
    if (isExportFormat(format)) {
      const limit = query.limit ?? null;
      const bounds = await findBounds(futures, exchange, symbol);
      const start = since ?? placeOfStart(bounds, until, limit);
      const wanted = since === null && start <= bounds.first ? await futures.findWantedSince(exchange, symbol) : null;
      const answered = answeredRange({ since: Math.min(start, wanted ?? start), until }, now);
      const gaps = answered.since < answered.until ? await futures.listLedgerGaps(exchange, symbol, answered, now) : [];
      setCompleteness(reply, gaps.length, answered);
      const list = async (part: TimeRange, rows: number) =>
        (await futures.list(exchange, symbol, part, rows)).map((snapshot) => toTextRow(snapshot));
      const { shape } = FORMATS[format];
      const range = { since: start, until: Math.min(until, bounds.last + 1) };
      return await sendExport(request, reply, {
        format,
        columns: COLUMNS,
        numbers,
        pages: pageLines(list, range, limit, { columns, shape, numbers }),
        fileName: `${exchange}-${symbol}-futures`,
        logger,
      });
    }
    const limit = toPageLimit(query.limit);
    const bounds = since === null ? await findBounds(futures, exchange, symbol) : null;
    const start = bounds ? placeOfStart(bounds, until, limit) : (since ?? 0);
    const range = { since: start, until };
    const page = cutPage(await futures.list(exchange, symbol, range, limit + 1), limit);
    if (page.rows.length === 0) await findBounds(futures, exchange, symbol);
    const { nextSince } = page;
    const wanted = bounds && start <= bounds.first ? await futures.findWantedSince(exchange, symbol) : null;
    const answered = answeredRange({ since: Math.min(start, wanted ?? start), until: nextSince ?? until }, now);
    const gaps = answered.since < answered.until ? await futures.listLedgerGaps(exchange, symbol, answered, now) : [];
    const { shape } = FORMATS[format];
    const link = { exchange, symbol, limit, numbers, format: query.format };
    return sendPage(request, reply, {
      format,
      fields: { exchange, symbol },
      answered,
      gaps: gaps.map(({ metric, ...gap }) => ({ metric, ...toGapObject(gap) })),
      next: nextSince === null ? null : createPageLink('/v1/futures', link, { since: nextSince, until }),
      text: page.rows.map((snapshot) => writeRow(toTextRow(snapshot), columns, shape, numbers)).join(','),
      // The hour that `until` falls into is told until it ends.
      isClosed: query.until !== undefined && Math.ceil(until / FUTURES_SLOT_MS) * FUTURES_SLOT_MS <= now,
    });
  });
}

function toTextRow(snapshot: FuturesSnapshot): TextRow {
  return { timestamp: snapshot.timestamp, values: FUTURES_METRICS.map((metric) => snapshot[metric] ?? null) };
}

/** What an answer speaks of: the hours of the range that have ended. */
function answeredRange({ since, until }: TimeRange, now: number): TimeRange {
  const ended = Math.floor(now / FUTURES_SLOT_MS) * FUTURES_SLOT_MS;
  return { since, until: Math.max(since, Math.min(until, ended)) };
}

/**
 * Where `limit` hours before `until` (null: all) begin; collection may have ended long before, so they count from the
 * last row.
 */
function placeOfStart({ first, last }: Bounds, until: number, limit: number | null): number {
  if (limit === null) return first;
  return Math.max(0, Math.min(until, last + 1) - limit * FUTURES_SLOT_MS);
}

/**
 * The first and the last stored moment.
 *
 * @throws RequestError SERIES_UNKNOWN (404) where nothing is stored, which names what is.
 */
async function findBounds(futures: FuturesReader, exchange: string, symbol: string): Promise<Bounds> {
  const bounds = await futures.findBounds(exchange, symbol);
  if (bounds !== null) return bounds;
  const stored = await futures.listSymbols();
  const named = nameSome(stored.map((entry) => `${entry.exchange} ${entry.symbol}`));
  const neighbours = named === '' ? 'No futures data is stored at all yet.' : `Stored: ${named}.`;
  throw new RequestError(
    'SERIES_UNKNOWN',
    `No futures data of ${exchange} ${symbol} is stored. ${neighbours} ` +
      'It is collected for markets that have a perpetual, where FUTURES is true.',
  );
}
