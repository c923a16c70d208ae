import { sql, type Kysely, type RawBuilder } from 'kysely';
import type { Series } from '../../market/instrument.ts';
import { createRange, type TimeRange } from '../../market/time-range.ts';
import { ceilToTimeframe, floorToTimeframe, timeframeMs, type Timeframe } from '../../market/timeframe.ts';
import type { Database } from '../schema.ts';

/**
 * The opening times inside the range that have no candle, as half-open ranges on the timeframe's grid, oldest first.
 * One statement, so that a row written meanwhile cannot hide a hole behind it.
 */
export function findCandleGaps(
  kysely: Kysely<Database>,
  { exchange, symbol, timeframe }: Series,
  range: TimeRange,
): Promise<TimeRange[]> {
  const rows = sql`ohlcv_data where exchange = ${exchange} and symbol = ${symbol} and timeframe = ${timeframe}`;
  return findSlotGaps(kysely, rows, timeframe, range);
}

/** As `findCandleGaps`, of any rows with a `timestamp`: the words between FROM and a further AND. */
export async function findSlotGaps(
  kysely: Kysely<Database>,
  source: RawBuilder<unknown>,
  timeframe: Timeframe,
  range: TimeRange,
): Promise<TimeRange[]> {
  const lengthMs = timeframeMs(timeframe);
  const openings = createRange(ceilToTimeframe(range.since, timeframe), ceilToTimeframe(range.until, timeframe));
  if (!openings) return [];
  const since = new Date(openings.since);
  const until = new Date(openings.until);
  const before = new Date(openings.since - lengthMs);
  const origin = new Date(floorToTimeframe(0, timeframe));
  // Seconds, not days: a day of an interval is 23 to 25 hours long in a session whose time zone has summer time.
  const step = sql`make_interval(secs => ${lengthMs / 1000})`;
  const rows = sql`from ${source}
      and timestamp >= ${since} and timestamp < ${until} and date_bin(${step}, timestamp, ${origin}) = timestamp`;
  const result = await sql<{ since: Date; until: Date }>`
    select previous + ${step} as since, timestamp as until
    from (select timestamp, lag(timestamp, 1, ${before}) over (order by timestamp) as previous ${rows}) as pairs
    where timestamp > previous + ${step}
    union all
    select tail.since, ${until}::timestamptz
    from (select coalesce(max(timestamp) + ${step}, ${since}) as since ${rows}) as tail
    where tail.since < ${until}
    order by since`.execute(kysely);
  return result.rows.map((row) => ({ since: row.since.getTime(), until: row.until.getTime() }));
}
