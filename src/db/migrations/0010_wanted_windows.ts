import { sql, type Kysely } from 'kysely';

/**
 * Since when a series or feed is wanted, by the last who collected it: an answer that begins where its rows begin would
 * not tell what is still to be fetched before them, and any replica may be asked.
 *
 * @throws Error where a table of this name stands there and is not ours.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table if not exists wanted_windows (
      exchange text not null,
      symbol text not null,
      timeframe text not null,
      metric text not null,
      wanted_since timestamptz not null,
      replica_id text not null,
      noted_at timestamptz not null default now(),
      primary key (exchange, symbol, timeframe, metric)
    )`.execute(db);
  const columns = ['exchange', 'symbol', 'timeframe', 'metric', 'wanted_since', 'replica_id', 'noted_at'];
  const { rows } = await sql<{ column: string }>`
    select wanted.column from unnest(${columns}::text[]) with ordinality as wanted ("column", place)
    where not exists (
      select from pg_attribute
      where attrelid = to_regclass('wanted_windows') and attname = wanted.column and not attisdropped
    )
    order by wanted.place`.execute(db);
  if (rows.length > 0)
    throw new Error(
      `a table "wanted_windows" that is not candlekeep's stands in this schema (it has no ${rows.map((row) => row.column).join(', ')}): rename it, then start again`,
    );
}

/** Without the table: the next upgrade makes it anew, and whoever collects fills it within the hour. */
export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop table if exists wanted_windows`.execute(db);
}
