import { z } from 'zod';
import type { QuarantinedRow, QuarantineRepository } from '../../db/repositories/quarantine-repository.ts';
import type { HttpApp } from '../protocol/http-app.ts';
import type { OpenReaders } from '../protocol/request-signal.ts';
import { describeRoute, nextLink } from '../protocol/route-schema.ts';
import { moment } from '../../market/moment-schema.ts';
import { toIso } from '../../market/moments.ts';
import { createCursorLink } from '../query/page-links.ts';
import { keyParameters, pageLimit, pickGiven, rowBefore } from '../query/parameters.ts';

export interface QuarantineRoutesDeps {
  readonly open: OpenReaders<{ readonly quarantine: Pick<QuarantineRepository, 'list'> }>;
}

const quarantineQuery = z.strictObject({
  ...keyParameters,
  source: z.enum(['rest', 'stream'], { error: 'must be rest or stream' }).optional(),
  limit: pageLimit,
  before: rowBefore,
});

const quarantineSchema = describeRoute(
  {
    id: 'listQuarantine',
    chapter: 'Completeness',
    access: 'data',
    summary: 'The rows that could not be stored, newest first',
  },
  { querystring: quarantineQuery },
  z
    .object({
      next: nextLink,
      data: z.array(
        z.object({
          id: z.string(),
          exchange: z.string(),
          symbol: z.string(),
          timeframe: z.string().nullable(),
          metric: z.string(),
          claimed_at: moment.nullable().describe('The time that the row claims; null where it names none.'),
          reason: z.string(),
          raw: z.string().describe('The row as it was received.'),
          source: z.enum(['rest', 'stream']),
          seen: z.int().describe('How often it came.'),
          first_seen_at: moment,
          last_seen_at: moment,
        }),
      ),
    })
    .meta({ id: 'QuarantinePage' }),
);

/** `GET /v1/quarantine`: the rows that could not be stored, newest first, in pages of `limit` that `next` links. */
export function registerQuarantineRoutes(app: HttpApp, { open }: QuarantineRoutesDeps): void {
  app.get('/v1/quarantine', { schema: quarantineSchema }, async ({ query }, reply) => {
    const { limit, before, ...filter } = query;
    const rows = await open(reply).quarantine.list({ filter: pickGiven(filter), limit: limit + 1, before });
    const page = rows.slice(0, limit);
    const last = rows.length > limit ? page.at(-1) : undefined;
    return {
      next: last === undefined ? null : createCursorLink('/v1/quarantine', query, { before: last.id }),
      data: page.map(toQuarantineObject),
    };
  });
}

function toQuarantineObject(row: QuarantinedRow) {
  const { id, exchange, symbol, timeframe, metric, claimedAt, reason, raw, source, seen } = row;
  return {
    id,
    exchange,
    symbol,
    timeframe,
    metric,
    claimed_at: toIso(claimedAt),
    reason,
    raw,
    source,
    seen,
    first_seen_at: toIso(row.firstSeenAt),
    last_seen_at: toIso(row.lastSeenAt),
  };
}
