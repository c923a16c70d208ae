import type { Kysely } from 'kysely';
import type { Series } from '../../market/instrument.ts';
import { ceilToTimeframe, floorToTimeframe, timeframeMs, type Timeframe } from '../../market/timeframe.ts';
import type { Database } from '../schema.ts';
import { executeText, Parameters } from './statement-text.ts';
import { addKey, matchesKey, type KeyPlaces } from './ledger-gaps.ts';

/** Candles of `series` that are built from those of the finer timeframe `from`. */
export interface AggregateRequest {
  readonly series: Series;
  readonly from: Timeframe;
  /** Opening times of the built candles, [since, until), epoch ms; since null: the newest before `until`. */
  readonly since: number | null;
  readonly until: number;
  readonly limit: number;
}

/** The built candles that one statement makes. */
export interface AggregatePlan {
  /** Opening times [first, end), on the grid, epoch ms. */
  readonly first: number;
  readonly end: number;
  /** The opening time of the first candle behind the plan; null where none follows. */
  readonly nextSince: number | null;
}

/** Finer candles that one statement reads at most: about a second. */
const MAX_CHILDREN = 300_000;

/**
 * Whether candles of `child` add up to those of `timeframe`: it is longer, a whole number of times, and each of its
 * candles opens with one of the child's.
 */
export function canBuildFrom(child: Timeframe, timeframe: Timeframe): boolean {
  const [childMs, lengthMs] = [timeframeMs(child), timeframeMs(timeframe)];
  if (childMs >= lengthMs || lengthMs % childMs !== 0) return false;
  const opening = floorToTimeframe(0, timeframe);
  return floorToTimeframe(opening, child) === opening;
}

/** Which candles are built at once: as many as are wanted, from where rows are stored on, and not too much work. */
export async function planAggregate(kysely: Kysely<Database>, request: AggregateRequest): Promise<AggregatePlan> {
  const { series, from, since, limit } = request;
  const { timeframe } = series;
  const lengthMs = timeframeMs(timeframe);
  const candles = Math.max(1, Math.min(limit, Math.floor((MAX_CHILDREN * timeframeMs(from)) / lengthMs)));
  const until = ceilToTimeframe(request.until, timeframe);
  const child = { ...series, timeframe: from };
  if (since === null) {
    const latest = await findTime(kysely, child, { before: until });
    if (latest === null) return { first: until, end: until, nextSince: null };
    const end = floorToTimeframe(latest, timeframe) + lengthMs;
    return { first: end - candles * lengthMs, end, nextSince: null };
  }
  const start = ceilToTimeframe(since, timeframe);
  const earliest = await findTime(kysely, child, { from: start });
  if (earliest === null || earliest >= until) return { first: until, end: until, nextSince: null };
  const first = floorToTimeframe(earliest, timeframe);
  const end = Math.min(until, first + candles * lengthMs);
  const following = end < until ? await findTime(kysely, child, { from: end }) : null;
  const hasNext = following !== null && following < until;
  return { first, end, nextSince: hasNext ? floorToTimeframe(following, timeframe) : null };
}

/** The opening time of the first candle from a moment on, or of the last one before a moment. */
async function findTime(
  kysely: Kysely<Database>,
  series: Series,
  bound: { readonly from: number } | { readonly before: number },
): Promise<number | null> {
  const parameters = new Parameters();
  const key = matchesKey(addKey(parameters, series));
  const place =
    'from' in bound
      ? `timestamp >= ${parameters.addMoment(bound.from)} order by timestamp`
      : `timestamp < ${parameters.addMoment(bound.before)} order by timestamp desc`;
  const [row] = await executeText<{ timestamp: Date }>(
    kysely,
    `select timestamp from ohlcv_data where ${key} and ${place} limit 1`,
    parameters,
  );
  return row?.timestamp.getTime() ?? null;
}

/**
 * The SELECT that builds the plan's candles: the first child's open, the highest high, the lowest low, the last child's
 * close, the sum of volumes. `partial` where a child is lacking and the ledger does not say that the exchange has none:
 * each slot must have its row, or be `have` or `confirmed_empty`. Children off their grid are left out. `key` has the
 * child's timeframe.
 */
export function aggregateSource(
  { series, from }: AggregateRequest,
  { first, end }: AggregatePlan,
  key: KeyPlaces,
  parameters: Parameters,
): string {
  const lengthMs = timeframeMs(series.timeframe);
  const childMs = timeframeMs(from);
  // Seconds, not days: see findSlotGaps.
  const length = `make_interval(secs => ${lengthMs / 1000})`;
  const childLength = `make_interval(secs => ${childMs / 1000})`;
  const origin = parameters.addMoment(floorToTimeframe(0, series.timeframe));
  const childOrigin = parameters.addMoment(floorToTimeframe(0, from));
  return `
    select timestamp, open, high, low, close, volume, children < ${lengthMs / childMs} and not coalesce((
        select sum(least(c.until, built.timestamp + ${length}) - greatest(c.since, built.timestamp)) from coverage c
        where ${matchesKey(key)} and metric = 'ohlcv' and c.state in ('have', 'confirmed_empty')
          and c.since < built.timestamp + ${length} and c.until > built.timestamp
      ) >= ${length}, false) as partial
    from (
      select date_bin(${length}, timestamp, ${origin}) as timestamp, count(*) as children,
        (array_agg(open order by timestamp))[1] as open, max(high) as high, min(low) as low,
        (array_agg(close order by timestamp desc))[1] as close, sum(volume) as volume
      from ohlcv_data
      where ${matchesKey(key)} and timestamp >= ${parameters.addMoment(first)} and timestamp < ${parameters.addMoment(end)}
        and date_bin(${childLength}, timestamp, ${childOrigin}) = timestamp
      group by 1
    ) as built`;
}
