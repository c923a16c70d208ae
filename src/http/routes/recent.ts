import { z } from 'zod';
import type { Candle } from '../../market/candle.ts';
import type { RecentOhlcvRepository } from '../../db/repositories/recent-ohlcv-repository.ts';
import { moment } from '../../market/moment-schema.ts';
import type { TimeRange } from '../../market/time-range.ts';
import type { Logger } from '../../logger.ts';
import { RequestError } from '../protocol/errors.ts';
import { chooseFormat } from '../formats/choose-format.ts';
import { describeFormats } from '../formats/describe-formats.ts';
import { EXPORT_NAMES, FORMATS, isExportFormat } from '../formats/formats.ts';
import { pageLines } from '../formats/page-lines.ts';
import { writeRow, type TextRow } from '../formats/row-text.ts';
import { sendExport } from '../formats/send-export.ts';
import { sendPage } from '../formats/send-page.ts';
import type { HealthProbes } from '../health/health.ts';
import type { HttpApp } from '../protocol/http-app.ts';
import type { OpenReaders } from '../protocol/request-signal.ts';
import { describeRoute } from '../protocol/route-schema.ts';
import { cutPage } from '../formats/rows.ts';
import { createPageLink } from '../query/page-links.ts';
import { toWindow } from '../query/page-window.ts';
import { toPageLimit } from '../query/parameters.ts';
import { assertSeriesKnown, type BoundsReader } from '../query/series-lookup.ts';
import { CANDLE_EXPORT_COLUMNS, candleAnswer, candleArray, candlesQuery } from './ohlcv.ts';

export interface RecentRoutesDeps {
  readonly open: OpenReaders<{
    readonly recentOhlcv: Pick<RecentOhlcvRepository, 'list' | 'listNewest' | 'isPopulated'>;
    readonly ohlcv: BoundsReader;
  }>;
  readonly probes: HealthProbes;
  readonly logger: Logger;
}

const COLUMNS = CANDLE_EXPORT_COLUMNS.map(({ name }) => name);

const SUMMARY = 'Candles of the last seven days, out of the view';
const recentSchema = describeRoute(
  {
    id: 'listRecentCandles',
    chapter: 'Data',
    access: 'data',
    summary: SUMMARY,
    description:
      'As /v1/ohlcv, but of what was stored when the view was last refreshed, and never built from another timeframe. ' +
      `Without \`since\`: the newest \`limit\` of them before \`until\`; ${EXPORT_NAMES} without \`limit\` too: all.`,
    problems: ['SERIES_UNKNOWN', 'NOT_POPULATED', 'NOT_ACCEPTABLE'],
    answers: describeFormats(
      SUMMARY,
      { exchange: z.string(), symbol: z.string(), timeframe: z.string(), refreshed_at: moment.nullable() },
      { row: candleAnswer, array: candleArray },
    ),
  },
  { querystring: candlesQuery },
);

/** `GET /v1/recent`: as /v1/ohlcv, out of the view of the last seven days as of its last refresh (`refreshed_at`). */
export function registerRecentRoutes(app: HttpApp, { open, probes, logger }: RecentRoutesDeps): void {
  app.get('/v1/recent', { schema: recentSchema, config: { exports: true } }, async (request, reply) => {
    const { exchange, symbol, timeframe, numbers, ...query } = request.query;
    const { recentOhlcv, ohlcv } = open(reply);
    const format = chooseFormat(query.format, request.headers.accept);
    const series = { exchange, symbol, timeframe };
    const { since, until } = toWindow(query, Date.now());
    if (!(await recentOhlcv.isPopulated()))
      throw new RequestError(
        'NOT_POPULATED',
        'recent_ohlcv is filled by its first refresh; /v1/ohlcv answers already.',
        { headers: { 'retry-after': '10' } },
      );
    if (isExportFormat(format)) {
      const limit = query.limit ?? null;
      const newest = since === null && limit !== null ? await recentOhlcv.listNewest(series, limit, until) : [];
      const range = { since: since ?? newest[0]?.timestamp ?? 0, until };
      if ((await recentOhlcv.list(series, range, 1)).length === 0)
        await assertSeriesKnown(series, ohlcv, probes.ingestSeries());
      const list = async (part: TimeRange, rows: number) =>
        (await recentOhlcv.list(series, part, rows)).map((candle) => toTextRow(candle));
      const { shape } = FORMATS[format];
      return await sendExport(request, reply, {
        format,
        columns: CANDLE_EXPORT_COLUMNS,
        numbers,
        pages: pageLines(list, range, limit, { columns: COLUMNS, shape, numbers }),
        fileName: `${exchange}-${symbol}-${timeframe}-recent`,
        logger,
      });
    }
    const limit = toPageLimit(query.limit);
    const page =
      since === null
        ? { rows: await recentOhlcv.listNewest(series, limit, until), nextSince: null }
        : cutPage(await recentOhlcv.list(series, { since, until }, limit + 1), limit);
    if (page.rows.length === 0) await assertSeriesKnown(series, ohlcv, probes.ingestSeries());
    const { shape } = FORMATS[format];
    const link = { ...series, limit, numbers, format: query.format };
    return sendPage(request, reply, {
      format,
      fields: { ...series, refreshed_at: probes.recentOhlcv().refreshed_at },
      gaps: null,
      next: page.nextSince === null ? null : createPageLink('/v1/recent', link, { since: page.nextSince, until }),
      text: page.rows.map((candle) => writeRow(toTextRow(candle), COLUMNS, shape, numbers)).join(','),
      isClosed: false,
    });
  });
}

function toTextRow({ timestamp, open, high, low, close, volume }: Candle): TextRow {
  return { timestamp, values: [open, high, low, close, volume] };
}
