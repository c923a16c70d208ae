import { sql } from 'kysely';
import { SchemaMismatchError } from '../../errors.ts';
import type { AnyKysely } from '../catalog.ts';
import { ALEMBIC_REVISIONS, PREDECESSOR_FUTURES, PREDECESSOR_TABLES } from './predecessor-schema.ts';
import { compareTable, readTableShapes, type ExpectedTable, type TableShape } from './table-shape.ts';

/** Where a database that no revision of ours has run on comes from. */
export type Origin =
  | { readonly kind: 'empty' }
  /** Bootstrapped by docker/init.sql, never by Alembic. */
  | { readonly kind: 'init_sql' }
  | { readonly kind: 'alembic'; readonly version: string };

/**
 * Recognises a database that no revision of ours has touched yet, and compares it column by column with what the
 * predecessor made. Changes nothing.
 *
 * @param schema where our tables are, or will be.
 * @throws SchemaMismatchError with the list of differences where it is none that may be taken over.
 */
export async function recogniseOrigin(db: AnyKysely, schema: string): Promise<Origin> {
  const version = await readAlembicVersion(db, schema);
  const shapes = await readTableShapes(
    db,
    [...Object.keys(PREDECESSOR_TABLES), 'futures_data', 'recent_ohlcv'],
    schema,
  );
  if (version === undefined && shapes.size === 0) return { kind: 'empty' };

  const differences: string[] = [];
  if (version === null) differences.push('alembic_version holds no row, or more than one');
  else if (version !== undefined && !(version in ALEMBIC_REVISIONS))
    differences.push(
      `alembic_version holds ${version}, which is none of the predecessor's revisions (${Object.keys(ALEMBIC_REVISIONS).join(', ')})`,
    );
  for (const [name, expected] of Object.entries(PREDECESSOR_TABLES))
    differences.push(...compareExactly(name, shapes.get(name), expected));
  const hasFutures = shapes.has('futures_data');
  if (hasFutures || (version && ALEMBIC_REVISIONS[version] === 3))
    differences.push(...compareExactly('futures_data', shapes.get('futures_data'), PREDECESSOR_FUTURES));
  const view = shapes.get('recent_ohlcv');
  if (view && view.kind !== 'm') differences.push('recent_ohlcv is no materialized view');
  if (differences.length > 0)
    throw new SchemaMismatchError(
      `the tables in the schema ${schema} are not those of the predecessor, so they are left untouched. Mend the differences, or use another database or schema`,
      differences,
    );
  return typeof version === 'string' ? { kind: 'alembic', version } : { kind: 'init_sql' };
}

/** undefined: no such table; null: not exactly one row. */
async function readAlembicVersion(db: AnyKysely, schema: string): Promise<string | null | undefined> {
  const { rows: found } = await sql`
    select from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = ${schema} and c.relname = 'alembic_version' and c.relkind = 'r'`.execute(db);
  if (found.length === 0) return undefined;
  const { rows } = await sql<{ version: string }>`
    select version_num::text as version from ${sql.table(`${schema}.alembic_version`)}`.execute(db);
  return rows.length === 1 ? (rows[0]?.version ?? null) : null;
}

/**
 * What differs from the predecessor's table. Columns must be exactly its own. A missing index is no difference, because
 * revision 0001 makes it.
 */
function compareExactly(name: string, shape: TableShape | undefined, expected: ExpectedTable): string[] {
  if (!shape) return [`table ${name} is missing`];
  if (shape.kind !== 'r') return [`${name} is no ordinary table`];
  const indexes = Object.fromEntries(Object.entries(expected.indexes).filter(([index]) => shape.indexes.has(index)));
  const surplus = [...shape.columns.keys()].filter((column) => !(column in expected.columns));
  return [
    ...compareTable(name, shape, { ...expected, indexes }),
    ...surplus.map((column) => `column ${name}.${column} is not the predecessor's`),
    ...((shape.columns.get('id')?.default ?? null) !== null ? [] : [`column ${name}.id has no default`]),
  ];
}
