import { sql } from 'kysely';
import type { AnyKysely } from '../catalog.ts';
import { HISTORY_TABLE, listAppliedRevisions, MIGRATION_TABLE } from './migration-table.ts';
import { readTableShapes, type ColumnShape, type TableShape } from './table-shape.ts';

/** A column; what is usual is left out: no NULL, no default. */
export interface ColumnSnapshot {
  readonly type: string;
  readonly nullable?: true;
  readonly default?: string;
}

/** A table or view; its keys in order of their columns' names. */
export interface RelationSnapshot {
  readonly columns: Readonly<Record<string, ColumnSnapshot>>;
  readonly primaryKey?: readonly string[];
  readonly unique?: readonly (readonly string[])[];
  /** Those that did not come with a key: name → columns with ` desc` behind those that descend. */
  readonly indexes: Readonly<Record<string, string>>;
}

/** All that the revisions make of an empty database, in order of names. */
export interface SchemaSnapshot {
  /** The revision that the database is at. */
  readonly revision: string;
  readonly tables: Readonly<Record<string, RelationSnapshot>>;
  readonly views: Readonly<Record<string, RelationSnapshot>>;
  /** With the types of their arguments, as `to_regprocedure` reads them. */
  readonly functions: readonly string[];
}

/** Kept by Kysely and by the migrator for themselves. */
const OF_MIGRATOR = [MIGRATION_TABLE, `${MIGRATION_TABLE}_lock`, HISTORY_TABLE];

/**
 * Reads what a schema holds beside the tables of the migrator, and beside what belongs to an extension: the same on
 * every server, with hypertables or without. Indexes must be valid.
 *
 * @param schema found through the search_path.
 */
export async function readSnapshot(db: AnyKysely, schema: string): Promise<SchemaSnapshot> {
  const { rows: relations } = await sql<{ name: string }>`
    select c.relname::text as name from pg_class c
    where c.relnamespace = ${schema}::regnamespace and c.relkind in ('r', 'p', 'm', 'v')
      and c.relname <> all(${OF_MIGRATOR}::text[])
      and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
    order by c.relname collate "C"`.execute(db);
  const { rows: functions } = await sql<{ name: string }>`
    select p.oid::regprocedure::text as name from pg_proc p
    where p.pronamespace = ${schema}::regnamespace
      and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
    order by 1`.execute(db);
  const names = relations.map(({ name }) => name);
  const shapes = await readTableShapes(db, names, schema);
  const pick = (kinds: string) =>
    Object.fromEntries(
      names.flatMap((name) => {
        const shape = shapes.get(name);
        return shape && kinds.includes(shape.kind) ? [[name, toRelation(shape)]] : [];
      }),
    );
  return {
    revision: (await listAppliedRevisions(db, schema)).at(-1) ?? '',
    tables: pick('rp'),
    views: pick('mv'),
    functions: functions.map(({ name }) => name),
  };
}

function toRelation({ columns, keys, indexes }: TableShape): RelationSnapshot {
  const primaryKey = keys.find(({ type }) => type === 'p')?.columns;
  const unique = keys.filter(({ type }) => type === 'u').map((key) => key.columns);
  return {
    columns: Object.fromEntries([...columns].map(([name, shape]) => [name, toColumn(shape)])),
    ...(primaryKey ? { primaryKey } : {}),
    ...(unique.length > 0 ? { unique: unique.toSorted((a, b) => compare(a.join(), b.join())) } : {}),
    indexes: Object.fromEntries(
      [...indexes]
        .filter(([, { ofKey }]) => !ofKey)
        .map(([name, index]) => [name, index.columns] as const)
        .toSorted(([a], [b]) => compare(a, b)),
    ),
  };
}

function toColumn({ type, nullable, default: value }: ColumnShape): ColumnSnapshot {
  return { type, ...(nullable ? { nullable } : {}), ...(value === null ? {} : { default: value }) };
}

/** By code units, as the collation C does. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
