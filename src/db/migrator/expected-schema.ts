import { SCHEMA_SNAPSHOT } from '../schema-snapshot.ts';
import { STEPS } from './deferrable-steps.ts';
import type { RelationSnapshot, SchemaSnapshot } from './read-snapshot.ts';
import { spellColumn, type ExpectedTable } from './table-shape.ts';

const { tables, views, functions }: SchemaSnapshot = SCHEMA_SNAPSHOT;

/** Every table and view of the head revision; without the keys that deferrable steps may still owe. */
export const EXPECTED_RELATIONS: Readonly<Record<string, ExpectedTable>> = Object.fromEntries(
  Object.entries({ ...tables, ...views }).map(([name, relation]) => [name, toExpected(name, relation)]),
);

/** Every function of the head revision, as `to_regprocedure` reads it. */
export const EXPECTED_FUNCTIONS: readonly string[] = functions;

function toExpected(name: string, { columns, primaryKey = [], unique = [], indexes }: RelationSnapshot): ExpectedTable {
  const owed = STEPS.flatMap(({ makesKey }) => (makesKey?.table === name ? [makesKey.columns.join()] : []));
  return {
    columns: Object.fromEntries(Object.entries(columns).map(([column, shape]) => [column, spellColumn(shape)])),
    primaryKey,
    unique: unique.filter((key) => !owed.includes(key.join())),
    indexes,
  };
}
