import { z } from 'zod';
import type { CandleRewrite, CandleRewritesRepository } from '../../db/repositories/candle-rewrites-repository.ts';
import type { HttpApp } from '../protocol/http-app.ts';
import type { OpenReaders } from '../protocol/request-signal.ts';
import { describeRoute, nextLink } from '../protocol/route-schema.ts';
import { candleValues, type Numbers, toCandleValues } from '../formats/rows.ts';
import { moment } from '../../market/moment-schema.ts';
import { toIso } from '../../market/moments.ts';
import { createCursorLink } from '../query/page-links.ts';
import { toRange } from '../query/page-window.ts';
import {
  keyParameters,
  pageLimit,
  pickGiven,
  rangeParameters,
  rowBefore,
  rowsParameters,
} from '../query/parameters.ts';

export interface RevisionsRoutesDeps {
  readonly open: OpenReaders<{ readonly candleRewrites: Pick<CandleRewritesRepository, 'list'> }>;
}

const { exchange, symbol, timeframe } = keyParameters;

/** `since` and `until` are of opening times. */
const revisionsQuery = z.strictObject({
  exchange,
  symbol,
  timeframe,
  ...rangeParameters,
  limit: pageLimit,
  before: rowBefore,
  numbers: rowsParameters.numbers,
});

const revisionsSchema = describeRoute(
  {
    id: 'listRevisions',
    chapter: 'Completeness',
    access: 'data',
    summary: 'The stored candles told otherwise later, by the exchange or by an import, newest first',
  },
  { querystring: revisionsQuery },
  z
    .object({
      next: nextLink,
      data: z.array(
        z.object({
          id: z.string(),
          exchange: z.string(),
          symbol: z.string(),
          timeframe: z.string(),
          timestamp: moment.describe('The opening time of the candle.'),
          changed_at: moment,
          old: candleValues,
          new: candleValues,
        }),
      ),
    })
    .meta({ id: 'RevisionPage' }),
);

/**
 * `GET /v1/revisions`: the stored candles that the exchange told otherwise later, with both values, newest first, in
 * pages of `limit` that `next` links.
 */
export function registerRevisionsRoutes(app: HttpApp, { open }: RevisionsRoutesDeps): void {
  app.get('/v1/revisions', { schema: revisionsSchema }, async ({ query }, reply) => {
    const { since, until, limit, before, numbers, ...series } = query;
    const range = toRange({ since, until });
    const rows = await open(reply).candleRewrites.list({
      series: pickGiven(series),
      ...(range ? { range } : {}),
      limit: limit + 1,
      before,
    });
    const page = rows.slice(0, limit);
    const last = rows.length > limit ? page.at(-1) : undefined;
    return {
      next: last === undefined ? null : createCursorLink('/v1/revisions', query, { before: last.id }),
      data: page.map((revision) => toRevisionObject(revision, numbers)),
    };
  });
}

function toRevisionObject({ id, series, changedAt, before, after }: CandleRewrite, numbers: Numbers) {
  return {
    id,
    ...series,
    timestamp: toIso(before.timestamp),
    changed_at: toIso(changedAt),
    old: toCandleValues(before, numbers),
    new: toCandleValues(after, numbers),
  };
}
