import { sql } from 'kysely';
import { SchemaMismatchError } from '../../errors.ts';
import type { AnyKysely } from '../catalog.ts';
import { EXPECTED_RELATIONS, REFRESH_FUNCTION } from './expected-schema.ts';
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
  const { rows } = await sql<{ found: boolean }>`
    select to_regprocedure(${REFRESH_FUNCTION}) is not null as found`.execute(db);
  if (!rows[0]?.found) differences.push(`function ${REFRESH_FUNCTION} is missing`);
  if (differences.length > 0)
    throw new SchemaMismatchError('the schema at head is not what this build needs', differences);
}
