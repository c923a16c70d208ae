import { z } from 'zod';
import type { CoverageFilter, CoverageRepository, StoredCoverage } from '../../db/repositories/coverage-repository.ts';
import { AppError } from '../../errors.ts';
import { COVERAGE_STATES } from '../../market/coverage.ts';
import { moment } from '../../market/moment-schema.ts';
import { toIso } from '../../market/moments.ts';
import { countSlots } from '../../market/time-range.ts';
import { parseTimeframe, timeframeMs } from '../../market/timeframe.ts';
import { RequestError } from '../protocol/errors.ts';
import type { HttpApp } from '../protocol/http-app.ts';
import { slotCounts } from '../health/health-schema.ts';
import { addSlots } from '../health/ledger-totals.ts';
import type { OpenReaders } from '../protocol/request-signal.ts';
import { describeRoute, nextLink } from '../protocol/route-schema.ts';
import { createCursorLink } from '../query/page-links.ts';
import { toRange } from '../query/page-window.ts';
import { keyParameters, pageLimit, pickGiven, rangeParameters, text } from '../query/parameters.ts';

type LedgerReader = Pick<CoverageRepository, 'listRanges' | 'summarize'>;

export interface CoverageRoutesDeps {
  readonly open: OpenReaders<{ readonly coverage: LedgerReader }>;
}

/** The query of requests for the ledger's missing ranges. `after` is the place that `next` names. */
const gapsQuery = z.strictObject({ ...keyParameters, ...rangeParameters, limit: pageLimit, after: text.optional() });

/** The query of requests for the ledger's ranges. */
const coverageQuery = gapsQuery.extend({
  state: z.enum(COVERAGE_STATES, { error: `must be one of ${COVERAGE_STATES.join(', ')}` }).optional(),
});

const LEDGER = { chapter: 'Completeness', access: 'data' } as const;
const coverageKey = {
  exchange: z.string(),
  symbol: z.string(),
  timeframe: z.string(),
  metric: z.string().describe('ohlcv, or a feed of the futures data.'),
};

const coverageRange = z.object({
  ...coverageKey,
  since: moment,
  until: moment,
  state: z.enum(COVERAGE_STATES),
  slots: z.int().describe('How many opening times lie in it.'),
  asks: z.int().describe('How many answers of the exchange had nothing.'),
  first_asked_at: moment.nullable(),
  last_asked_at: moment.nullable(),
  reason: z.string().nullable(),
});
/** A range of the ledger as it is answered. */
export type CoverageObject = z.output<typeof coverageRange>;

const rangesAnswer = z
  .object({ next: nextLink, data: z.array(coverageRange).readonly() })
  .meta({ id: 'CoverageRanges' });

const summaryAnswer = z
  .object({
    total: slotCounts,
    data: z
      .array(z.object({ ...coverageKey, since: moment, until: moment, ranges: z.int(), slots: slotCounts }))
      .readonly(),
  })
  .meta({ id: 'CoverageSummary' });

const coverageSchema = describeRoute(
  { ...LEDGER, id: 'listCoverage', summary: 'What is known of each range of each series and metric' },
  { querystring: coverageQuery },
  rangesAnswer,
);
const gapsSchema = describeRoute(
  { ...LEDGER, id: 'listGaps', summary: 'The ranges that are still missing' },
  { querystring: gapsQuery },
  rangesAnswer,
);
const summarySchema = describeRoute(
  { ...LEDGER, id: 'summarizeCoverage', summary: 'Slots by state, for each series and metric and in total' },
  { querystring: z.strictObject(keyParameters) },
  summaryAnswer,
);

/**
 * `GET /v1/coverage`: what is known of each range of each series and metric. `GET /v1/coverage/summary`: slots by
 * state, for each key and in total. `GET /v1/gaps`: the ranges that are still missing.
 */
export function registerCoverageRoutes(app: HttpApp, { open }: CoverageRoutesDeps): void {
  app.get('/v1/coverage', { schema: coverageSchema }, async ({ query }, reply) => {
    const { state, ...asked } = query;
    const { coverage } = open(reply);
    return await answerRanges(coverage, '/v1/coverage', asked, state === undefined ? {} : { states: [state] }, query);
  });

  app.get('/v1/gaps', { schema: gapsSchema }, async ({ query }, reply) => {
    return await answerRanges(open(reply).coverage, '/v1/gaps', query, { states: ['missing'] }, query);
  });

  app.get('/v1/coverage/summary', { schema: summarySchema }, async ({ query }, reply) => {
    const summaries = await open(reply).coverage.summarize(pickGiven(query));
    return {
      total: addSlots(summaries.map(({ slots }) => slots)),
      data: summaries.map(({ key, since, until, ranges, slots }) => ({
        ...key,
        since: toIso(since),
        until: toIso(until),
        ranges,
        slots,
      })),
    };
  });
}

type GapsQuery = z.output<typeof gapsQuery>;

async function answerRanges(
  coverage: LedgerReader,
  path: string,
  { since, until, limit, after, ...key }: GapsQuery,
  filter: Pick<CoverageFilter, 'states'>,
  query: GapsQuery,
): Promise<z.output<typeof rangesAnswer>> {
  const range = toRange({ since, until });
  try {
    const page = await coverage.listRanges(
      { ...pickGiven(key), ...filter, ...(range ? { range } : {}) },
      { limit, after },
    );
    return {
      next: page.next === null ? null : createCursorLink(path, query, { after: page.next }),
      data: page.ranges.map(toCoverageObject),
    };
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'CURSOR_INVALID') throw error;
    const message = 'must be the place that the "next" of a page names';
    throw new RequestError('REQUEST_INVALID', `after ${message}.`, {
      errors: [{ field: 'after', message }],
      cause: error,
    });
  }
}

function toCoverageObject(stored: StoredCoverage): CoverageObject {
  const { exchange, symbol, timeframe, metric, since, until, state, asks, firstAskedAt, lastAskedAt, reason } = stored;
  return {
    exchange,
    symbol,
    timeframe,
    metric,
    since: toIso(since),
    until: toIso(until),
    state,
    slots: countStored(stored),
    asks,
    first_asked_at: toIso(firstAskedAt),
    last_asked_at: toIso(lastAskedAt),
    reason,
  };
}

/** 0 where hands have put a timeframe there that is none. */
function countStored(stored: StoredCoverage): number {
  try {
    return countSlots(stored, timeframeMs(parseTimeframe(stored.timeframe)));
  } catch {
    return 0;
  }
}
