import { sql, type Kysely } from 'kysely';

/** Table → its columns and keys. New and empty, so nobody waits for them; none grows with time alone but revisions. */
const TABLES = {
  // The end of the newest range moves with every candle: room in the page keeps that from touching the indexes (HOT).
  coverage: `(
      exchange text not null,
      symbol text not null,
      timeframe text not null,
      metric text not null,
      since timestamptz not null,
      until timestamptz not null,
      state text not null check (state in ('have', 'missing', 'confirmed_empty', 'refused', 'out_of_window')),
      asks integer not null default 0 check (asks >= 0),
      first_asked_at timestamptz,
      last_asked_at timestamptz,
      reason text,
      primary key (exchange, symbol, timeframe, metric, since),
      check (since < until)
    ) with (fillfactor = 50)`,
  candle_revisions: `(
      id bigint generated always as identity primary key,
      exchange text not null,
      symbol text not null,
      timeframe text not null,
      timestamp timestamptz not null,
      changed_at timestamptz not null default now(),
      old_open numeric not null,
      old_high numeric not null,
      old_low numeric not null,
      old_close numeric not null,
      old_volume numeric not null,
      new_open numeric not null,
      new_high numeric not null,
      new_low numeric not null,
      new_close numeric not null,
      new_volume numeric not null
    )`,
  // The digest stands for reason and raw text: an index entry must not be as long as they are.
  quarantine: `(
      id bigint generated always as identity primary key,
      exchange text not null,
      symbol text not null,
      timeframe text,
      metric text not null,
      claimed_at timestamptz,
      reason text not null,
      raw text not null,
      source text not null check (source in ('rest', 'stream')),
      seen integer not null default 1,
      first_seen_at timestamptz not null default now(),
      last_seen_at timestamptz not null default now(),
      digest text not null,
      unique nulls not distinct (exchange, symbol, timeframe, metric, digest)
    )`,
  replicas: `(
      id text primary key,
      host text not null,
      started_at timestamptz not null,
      expires_at timestamptz not null,
      last_write_at timestamptz
    ) with (fillfactor = 50)`,
  leases: `(
      exchange text not null,
      symbol text not null,
      replica_id text not null references replicas (id) on delete cascade,
      acquired_at timestamptz not null default now(),
      primary key (exchange, symbol)
    )`,
  job_runs: `(
      job text not null,
      turn timestamptz not null,
      replica_id text not null,
      started_at timestamptz not null default now(),
      finished_at timestamptz,
      error text,
      primary key (job, turn)
    )`,
} as const;

const INDEXES = {
  idx_coverage_missing: `on coverage (exchange, symbol, timeframe, metric, since) where state = 'missing'`,
  idx_candle_revisions_series: 'on candle_revisions (exchange, symbol, timeframe, timestamp)',
  idx_quarantine_last_seen: 'on quarantine (last_seen_at)',
  idx_leases_replica: 'on leases (replica_id)',
} as const;

/**
 * What is known of each stretch of each series, what was rewritten, what was refused, and who collects what: the tables
 * of completeness and of several replicas side by side.
 *
 * @throws Error where a table of one of these names stands there and is not ours.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const [table, definition] of Object.entries(TABLES)) {
    await sql`create table if not exists ${sql.table(table)} ${sql.raw(definition)}`.execute(db);
    await refuseForeign(db, table, definition);
  }
  for (const [index, definition] of Object.entries(INDEXES))
    await sql`create index if not exists ${sql.table(index)} ${sql.raw(definition)}`.execute(db);
}

async function refuseForeign(db: Kysely<unknown>, table: string, definition: string): Promise<void> {
  const columns = [...definition.matchAll(/^ {6}([a-z_]+) (?:text|bigint|integer|numeric|timestamptz)/gm)].map(
    ([, column]) => column ?? '',
  );
  const { rows } = await sql<{ column: string }>`
    select wanted.column from unnest(${columns}::text[]) as wanted ("column")
    where not exists (
      select from pg_attribute
      where attrelid = to_regclass(${table}) and attname = wanted.column and not attisdropped
    )`.execute(db);
  if (rows.length > 0)
    throw new Error(
      `a table "${table}" that is not candlekeep's stands in this schema (it has no ${rows.map((row) => row.column).join(', ')}): rename it, then start again`,
    );
}

/** Without these tables: what they hold is lost, the rows that they speak of stay. */
export async function down(db: Kysely<unknown>): Promise<void> {
  for (const table of Object.keys(TABLES).toReversed()) await sql`drop table if exists ${sql.table(table)}`.execute(db);
}
