import { sql, type Kysely } from 'kysely';
import type { FuturesMetric } from '../../market/futures-snapshot.ts';
import type { TimeRange } from '../../market/time-range.ts';
import type { Database } from '../schema.ts';

/**
 * The parts of the range without this metric, oldest first. A value holds for `stepMs`, so a range begins `stepMs`
 * after the value before it (which may lie before the range) and ends at the next value. Before the oldest value
 * ever stored a range counts from `stepMs` on: a shorter one need not contain a time at which there is one (funding
 * is settled every eight hours, at hours that we do not know).
 */
export async function findFuturesGaps(
  kysely: Kysely<Database>,
  { exchange, symbol }: { readonly exchange: string; readonly symbol: string },
  metric: FuturesMetric,
  range: TimeRange,
  stepMs: number,
): Promise<TimeRange[]> {
  const since = new Date(range.since);
  const until = new Date(range.until);
  const step = sql`make_interval(secs => ${stepMs / 1000})`;
  const values = sql`from futures_data
    where exchange = ${exchange} and symbol = ${symbol} and ${sql.ref(metric)} is not null`;
  const result = await sql<{ since: Date; until: Date }>`
    with points as (
      (select timestamp ${values} and timestamp <= ${since} order by timestamp desc limit 1)
      union all
      (select timestamp ${values} and timestamp > ${since} and timestamp < ${until})
    ), pairs as (
      select lag(timestamp) over (order by timestamp) as previous, timestamp as next from points
      union all
      select max(timestamp), ${until}::timestamptz from points
    )
    select greatest(previous + ${step}, ${since}) as since, next as until from pairs
    where next > ${since} and case
      when previous is not null then next > previous + ${step}
      when next = ${until} then true
      else next >= ${since}::timestamptz + ${step}
    end
    order by since`.execute(kysely);
  return result.rows.map((row) => ({ since: row.since.getTime(), until: row.until.getTime() }));
}
