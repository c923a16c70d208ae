import { sql } from 'kysely';
import type { AnyKysely } from '../catalog.ts';
import type { Database } from '../schema.ts';

/** What the service does with each table and view while it runs; it needs no other right. */
const TABLE_PRIVILEGES = {
  ohlcv_data: ['select', 'insert', 'update'],
  futures_data: ['select', 'insert', 'update'],
  recent_ohlcv: ['select'],
  telegram_reports: ['select', 'insert'],
  coverage: ['select', 'insert', 'update', 'delete'],
  candle_revisions: ['select', 'insert'],
  quarantine: ['select', 'insert', 'update', 'delete'],
  replicas: ['select', 'insert', 'update', 'delete'],
  leases: ['select', 'insert', 'update', 'delete'],
  job_runs: ['select', 'insert', 'update', 'delete'],
  exchange_blocks: ['select', 'insert', 'update', 'delete'],
  wanted_windows: ['select', 'insert', 'update', 'delete'],
} satisfies Partial<Record<keyof Database, readonly string[]>>;

/** A right that a role lacks, as the words between GRANT and TO. */
type MissingGrant = string;

/**
 * What the role lacks to run the service, oldest need first; empty where it has all, also as a superuser, as the owner or
 * through another role.
 *
 * @param schema where our tables are.
 * @param role null: the current one.
 */
export async function listMissingGrants(db: AnyKysely, schema: string, role: string | null): Promise<MissingGrant[]> {
  const pairs = Object.entries(TABLE_PRIVILEGES).flatMap(([table, privileges]) =>
    privileges.map((privilege) => ({ table, privilege })),
  );
  const { rows } = await sql<{ missing: string }>`
    with who as (select coalesce(${role}::text, current_user::text) as role),
    wanted as (
      select w.privilege, c.oid, format('%I.%I', n.nspname, c.relname) as name,
        -- Identity columns need no right to their sequence, and a table without the column would fail the question.
        case when exists (select from pg_attribute where attrelid = c.oid and attname = 'id' and attidentity = '')
          then pg_get_serial_sequence(format('%I.%I', n.nspname, c.relname), 'id') end as sequence
      from unnest(${pairs.map((pair) => pair.table)}::text[], ${pairs.map((pair) => pair.privilege)}::text[]) w("table", privilege)
      join pg_class c on c.relname = w."table" join pg_namespace n on n.oid = c.relnamespace and n.nspname = ${schema}
    )
    select format('usage on schema %I', ${schema}::text) as missing from who
    where not has_schema_privilege(who.role, ${schema}, 'usage')
    union all
    select format('%s on %s', privilege, name) from wanted, who where not has_table_privilege(who.role, oid, privilege)
    union all
    select distinct format('usage on sequence %s', sequence) from wanted, who
    where privilege = 'insert' and sequence is not null and not has_sequence_privilege(who.role, sequence, 'usage')
    union all
    select format('execute on function %s', p.oid::regprocedure) from who, pg_proc p
    join pg_namespace n on n.oid = p.pronamespace and n.nspname = ${schema}
    where p.proname = 'refresh_recent_ohlcv' and p.pronargs = 0 and not has_function_privilege(who.role, p.oid, 'execute')`.execute(
    db,
  );
  return rows.map((row) => row.missing);
}

/** Gives the role what it lacks. The current role must own the tables. */
export async function grantMissing(db: AnyKysely, role: string, missing: readonly MissingGrant[]): Promise<void> {
  // The words come from listMissingGrants, which quotes every name.
  for (const grant of missing) await sql`grant ${sql.raw(grant)} to ${sql.id(role)}`.execute(db);
}
