import { sql } from 'kysely';
import type { AnyKysely } from '../catalog.ts';

/** Kysely's own table of what has run. */
export const LEDGER_TABLE = 'kysely_migration';

/** The names of the revisions that have run in this schema, sorted; empty where there is no ledger yet. */
export async function readLedger(db: AnyKysely, schema: string): Promise<string[]> {
  const { rows: found } = await sql`
    select from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = ${schema} and c.relname = ${LEDGER_TABLE}`.execute(db);
  if (found.length === 0) return [];
  const { rows } = await sql<{ name: string }>`select name from ${sql.table(`${schema}.${LEDGER_TABLE}`)}`.execute(db);
  return rows.map((row) => row.name).sort();
}
