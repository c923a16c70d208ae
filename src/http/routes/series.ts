import { z } from 'zod';
import type { SeriesCompleteness } from '../../db/repositories/series-completeness.ts';
import type { Series } from '../../market/instrument.ts';
import { moment } from '../../market/moment-schema.ts';
import { toIso } from '../../market/moments.ts';
import { SERIES_STATES } from '../../market/service-state.ts';
import type { CollectedSeries, HealthProbes } from '../health/health.ts';
import type { HttpApp } from '../protocol/http-app.ts';
import type { OpenReaders } from '../protocol/request-signal.ts';
import { describeRoute } from '../protocol/route-schema.ts';
import type { SeriesBounds } from '../query/series-lookup.ts';

export interface StoredSeries extends SeriesBounds {
  /** The close of its newest candle. */
  readonly lastClose: string;
}

export interface SeriesCount extends Series {
  /** How many candles. */
  readonly count: number;
}

/** What the route needs of ohlcv_data. */
export interface SeriesReader {
  /** Every stored series. Cheap on any number of rows. */
  listBounds(): Promise<readonly StoredSeries[]>;
  /** How many candles each has, which reads the whole index. */
  listStoredRows(): Promise<readonly SeriesCount[]>;
  /** What the ledger says of each. */
  listCompleteness(): Promise<readonly SeriesCompleteness[]>;
}

export interface SeriesRoutesDeps {
  readonly open: OpenReaders<{ readonly ohlcv: SeriesReader }>;
  readonly probes: HealthProbes;
}

const seriesQuery = z.strictObject({
  counts: z.enum(['true', 'false'], { error: 'must be true or false' }).default('false'),
});

const seriesAnswer = z
  .object({
    exchange: z.string(),
    symbol: z.string(),
    timeframe: z.string(),
    candles: z.int().nullable().describe('How many are stored; null where counts was not asked for.'),
    first: moment.nullable().describe('The opening time of the oldest stored candle.'),
    last: moment.nullable().describe('The opening time of the newest stored candle.'),
    last_close: z.string().nullable().describe('Its close, with every digit.'),
    state: z.enum([...SERIES_STATES, 'stored']).describe('`stored`: this process does not collect it.'),
    missing: z.int().nullable().describe('How many candles are still to fetch; null where that is not known.'),
    complete_since: moment
      .nullable()
      .describe(
        'From then on nothing is missing and nothing was lost; null where the newest slot is, or nothing is known.',
      ),
    lost: z
      .int()
      .nullable()
      .describe(
        'How many candles of what is wanted cannot be had: refused, or deleted by the exchange before they were stored. null: not known.',
      ),
    rejected: z.int().describe('Rows of the exchange that cannot be candles.'),
    last_error: z.string().nullable(),
  })
  .meta({ id: 'Series' });
export type SeriesObject = z.output<typeof seriesAnswer>;

const seriesSchema = describeRoute(
  {
    id: 'listSeries',
    chapter: 'Data',
    access: 'data',
    summary: 'Every series that is stored or collected',
    description: 'By exchange, symbol and timeframe. `counts=true` takes about a second for ten million candles.',
  },
  { querystring: seriesQuery },
  z.object({ data: z.array(seriesAnswer) }),
);

/**
 * `GET /v1/series`: every series that is stored or collected, by exchange, symbol and timeframe. `counts=true` counts
 * the candles too, which takes about a second for ten million of them.
 */
export function registerSeriesRoutes(app: HttpApp, { open, probes }: SeriesRoutesDeps): void {
  app.get('/v1/series', { schema: seriesSchema }, async (request, reply) => {
    const { ohlcv } = open(reply);
    const counting = request.query.counts === 'true' ? ohlcv.listStoredRows() : Promise.resolve(null);
    const [stored, counts, known] = await Promise.all([ohlcv.listBounds(), counting, ohlcv.listCompleteness()]);
    return { data: joinSeries(stored, { counts, known }, probes.ingestSeries()) };
  });
}

/** Joins what is stored with what is collected; a series may be in one of them only. */
function joinSeries(
  stored: readonly StoredSeries[],
  { counts, known }: { readonly counts: readonly SeriesCount[] | null; readonly known: readonly SeriesCompleteness[] },
  collected: readonly CollectedSeries[],
): SeriesObject[] {
  const bounds = new Map(stored.map((entry) => [keyOf(entry), entry]));
  const numbers = counts && new Map(counts.map((entry) => [keyOf(entry), entry.count]));
  const ledger = new Map(known.map((entry) => [keyOf(entry), entry]));
  const states = new Map(collected.map((state) => [keyOf(state), state]));
  return [...new Set([...bounds.keys(), ...states.keys()])].toSorted().flatMap((key) => {
    const found = bounds.get(key);
    const state = states.get(key);
    const named = found ?? state;
    if (named === undefined) return [];
    return {
      exchange: named.exchange,
      symbol: named.symbol,
      timeframe: named.timeframe,
      candles: found === undefined ? 0 : (numbers?.get(key) ?? null),
      first: toIso(found?.first ?? null),
      last: toIso(found?.last ?? null),
      last_close: found?.lastClose ?? null,
      state: state?.state ?? 'stored',
      missing: state?.missing ?? null,
      complete_since: toIso(ledger.get(key)?.completeSince ?? null),
      lost: ledger.get(key)?.lost ?? null,
      rejected: state?.rejected ?? 0,
      last_error: state?.last_error ?? null,
    };
  });
}

/** Tabs separate: no name holds one, and it sorts before everything else. */
function keyOf({ exchange, symbol, timeframe }: { exchange: string; symbol: string; timeframe: string }): string {
  return `${exchange}\t${symbol}\t${timeframe}`;
}
