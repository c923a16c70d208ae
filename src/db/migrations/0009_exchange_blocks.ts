import { sql, type Kysely } from 'kysely';

/**
 * What an exchange told us to wait for, so that a restart does not forget it: one row for each exchange, place that its
 * requests go to (empty: its own) and address that they come from.
 *
 * @throws Error where a table of this name stands there and is not ours.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table if not exists exchange_blocks (
      exchange text not null,
      origin text not null,
      address text not null,
      reason text not null check (reason in ('throttled', 'banned', 'refused')),
      blocked_until timestamptz not null,
      message text not null,
      replica_id text not null,
      noted_at timestamptz not null default now(),
      primary key (exchange, origin, address)
    )`.execute(db);
  const columns = ['exchange', 'origin', 'address', 'reason', 'blocked_until', 'message', 'replica_id', 'noted_at'];
  const { rows } = await sql<{ column: string }>`
    select wanted.column from unnest(${columns}::text[]) with ordinality as wanted ("column", place)
    where not exists (
      select from pg_attribute
      where attrelid = to_regclass('exchange_blocks') and attname = wanted.column and not attisdropped
    )
    order by wanted.place`.execute(db);
  if (rows.length > 0)
    throw new Error(
      `a table "exchange_blocks" that is not candlekeep's stands in this schema (it has no ${rows.map((row) => row.column).join(', ')}): rename it, then start again`,
    );
}

/** Without the table: a ban that still lasts is forgotten at the next restart. */
export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop table if exists exchange_blocks`.execute(db);
}
