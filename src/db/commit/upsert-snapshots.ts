import { sql, type Kysely } from 'kysely';
import { AppError } from '../../errors.ts';
import { compareDecimals, type Decimal } from '../../market/decimal.ts';
import { FUTURES_METRICS, type FuturesMetric, type FuturesSnapshot } from '../../market/futures-snapshot.ts';
import type { Database } from '../schema.ts';
import type { WriteCounts } from '../../market/candle.ts';

const BATCH_ROWS = 5000;

/**
 * One snapshot per timestamp, oldest first, each with the metrics of all that share it; those without a metric say
 * nothing and are dropped.
 *
 * @throws AppError `SNAPSHOTS_CONTRADICT` where one metric of one timestamp has two values.
 */
export function mergeSnapshots(snapshots: readonly FuturesSnapshot[]): FuturesSnapshot[] {
  const merged = new Map<number, Partial<Record<FuturesMetric, Decimal>>>();
  for (const snapshot of snapshots) {
    for (const metric of FUTURES_METRICS) {
      const value = snapshot[metric];
      if (value === undefined) continue;
      const values = merged.get(snapshot.timestamp) ?? {};
      merged.set(snapshot.timestamp, values);
      const known = (values[metric] ??= value);
      if (compareDecimals(known, value) !== 0)
        throw new AppError(
          'SNAPSHOTS_CONTRADICT',
          `${metric} at ${new Date(snapshot.timestamp).toISOString()} is given as ${known} and as ${value}: nothing was written`,
        );
    }
  }
  return [...merged]
    .map(([timestamp, values]) => ({ timestamp, ...values }))
    .toSorted((a, b) => a.timestamp - b.timestamp);
}

/**
 * Stores snapshots in batches of 5,000, metric by metric: one that is missing keeps what is stored. Rows in which
 * nothing changes are neither rewritten nor locked.
 *
 * @throws AppError `SNAPSHOTS_CONTRADICT` before anything is written.
 */
export async function upsertSnapshots(
  kysely: Kysely<Database>,
  exchange: string,
  symbol: string,
  snapshots: readonly FuturesSnapshot[],
): Promise<WriteCounts> {
  const rows = mergeSnapshots(snapshots);
  let inserted = 0;
  let updated = 0;
  for (let start = 0; start < rows.length; start += BATCH_ROWS) {
    const written = await upsertBatch(kysely, exchange, symbol, rows.slice(start, start + BATCH_ROWS));
    inserted += written.inserted;
    updated += written.updated;
  }
  return { inserted, updated, unchanged: snapshots.length - inserted - updated };
}

/** `table.metric` for each metric, where `write` says how. */
function forEachMetric(write: (metric: FuturesMetric) => string) {
  return sql.raw(FUTURES_METRICS.map(write).join(', '));
}

async function upsertBatch(
  kysely: Kysely<Database>,
  exchange: string,
  symbol: string,
  batch: readonly FuturesSnapshot[],
): Promise<{ inserted: number; updated: number }> {
  const timestamps = `{${batch.map((row) => new Date(row.timestamp).toISOString()).join(',')}}`;
  const arrays = FUTURES_METRICS.map((metric) => `{${batch.map((row) => row[metric] ?? 'NULL').join(',')}}`);
  const metrics = forEachMetric((metric) => metric);
  const [first, last] = [new Date(batch[0]?.timestamp ?? 0), new Date(batch.at(-1)?.timestamp ?? 0)];
  // As for candles: compare first, ON CONFLICT for two writers, ordered by time. `offset 0` has each row looked up by
  // its key, whatever the statistics say.
  const { rows } = await sql<{ inserted: number; updated: number }>`
    with incoming as (
      select * from unnest(${timestamps}::timestamptz[], ${sql.join(arrays.map((array) => sql`${array}::numeric[]`))})
        as rows (timestamp, ${metrics})
    ), differing as materialized (
      select incoming.* from incoming left join lateral (
        select ${metrics} from futures_data
        where exchange = ${exchange} and symbol = ${symbol} and futures_data.timestamp = incoming.timestamp
          and futures_data.timestamp between ${first} and ${last}
        offset 0
      ) as stored on true
      where (${forEachMetric((metric) => `coalesce(incoming.${metric}, stored.${metric})`)})
        is distinct from (${forEachMetric((metric) => `stored.${metric}`)})
    ), written as (
      insert into futures_data as target (exchange, symbol, timestamp, ${metrics})
      select ${exchange}, ${symbol}, timestamp, ${metrics} from differing order by timestamp
      on conflict (exchange, symbol, timestamp) do update set
        ${forEachMetric((metric) => `${metric} = coalesce(excluded.${metric}, target.${metric})`)}
      where (${forEachMetric((metric) => `coalesce(excluded.${metric}, target.${metric})`)})
        is distinct from (${forEachMetric((metric) => `target.${metric}`)})
      returning xmax = 0 as is_new
    )
    select (count(*) filter (where is_new))::int as inserted, (count(*) filter (where not is_new))::int as updated
    from written`.execute(kysely);
  return rows[0] ?? { inserted: 0, updated: 0 };
}
