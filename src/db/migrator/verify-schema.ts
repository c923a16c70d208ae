import { sql } from 'kysely';
import { SchemaMismatchError } from '../../errors.ts';
import type { AnyKysely } from '../catalog.ts';
import { EXPECTED_FUNCTIONS, EXPECTED_RELATIONS } from './expected-schema.ts';
import { listMissingGrants } from './runtime-grants.ts';
import { compareTable, readTableShapes } from './table-shape.ts';

/**
 * Compares the catalog with what this build needs: every table, column, type, key and index, none of them INVALID.
 * Further tables, columns and indexes are not our business.
 *
 * @throws SchemaMismatchError with one line for each difference.
 */
export async function verifySchema(db: AnyKysely): Promise<void> {
  const shapes = await readTableShapes(db, Object.keys(EXPECTED_RELATIONS));
  const differences = Object.entries(EXPECTED_RELATIONS).flatMap(([name, expected]) =>
    compareTable(name, shapes.get(name), expected),
  );
  const { rows } = await sql<{ missing: string }>`
    select missing from unnest(${[...EXPECTED_FUNCTIONS]}::text[]) missing
    where to_regprocedure(missing) is null`.execute(db);
  differences.push(...rows.map(({ missing }) => `function ${missing} is missing`));
  if (differences.length > 0)
    throw new SchemaMismatchError('the schema at head is not what this build needs', differences);
}

/**
 * Whether the current role may do what the service does.
 *
 * @throws SchemaMismatchError with the statements that are missing.
 */
export async function verifyPrivileges(db: AnyKysely): Promise<void> {
  const { rows } = await sql<{ schema: string; role: string }>`
    select n.nspname::text as schema, quote_ident(current_user) as role
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = to_regclass('ohlcv_data')`.execute(db);
  const [found] = rows;
  if (!found) return;
  const missing = await listMissingGrants(db, found.schema, null);
  if (missing.length > 0)
    throw new SchemaMismatchError(
      `the role ${found.role} lacks rights that the service needs. As the owner of the tables (or let the upgrade do it, with MIGRATION_DATABASE_URL)`,
      missing.map((grant) => `grant ${grant} to ${found.role};`),
    );
}
