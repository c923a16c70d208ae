import { sql } from 'kysely';
import type { AnyKysely } from '../catalog.ts';

/** Kysely's own table of which revisions have run. */
export const MIGRATION_TABLE = 'kysely_migration';

/** Our own record beside it, which knows more than names. Kept for good; a few rows for each release. */
export const HISTORY_TABLE = 'candlekeep_migration_history';

/** The names of the revisions that have run in this schema, sorted; empty where there is no such table yet. */
export async function listAppliedRevisions(db: AnyKysely, schema: string): Promise<string[]> {
  const { rows: found } = await sql`
    select from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = ${schema} and c.relname = ${MIGRATION_TABLE}`.execute(db);
  if (found.length === 0) return [];
  const { rows } = await sql<{ name: string }>`select name from ${sql.table(`${schema}.${MIGRATION_TABLE}`)}`.execute(
    db,
  );
  return rows.map((row) => row.name).sort();
}
