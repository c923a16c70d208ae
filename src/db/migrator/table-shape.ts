import { sql } from 'kysely';
import type { AnyKysely } from '../catalog.ts';
import type { ExpectedTable } from './expected-schema.ts';

/** What the catalog says of one table or view. */
export interface TableShape {
  /** pg_class.relkind: `r` a table, `m` a materialized view, `v` a view. */
  readonly kind: string;
  /** Name → type as format_type spells it, with ` null` behind it where NULL is allowed. */
  readonly columns: ReadonlyMap<string, string>;
  readonly columnsWithDefault: ReadonlySet<string>;
  readonly keys: readonly { readonly type: 'p' | 'u'; readonly columns: readonly string[] }[];
  /** Index name → columns with ` desc` behind those that descend. */
  readonly indexes: ReadonlyMap<string, { readonly columns: string; readonly valid: boolean }>;
}

/**
 * Reads the shapes of tables and views, all in one query; missing ones are left out.
 *
 * @param schema only there; null: as found through the search_path.
 */
export async function readTableShapes(
  db: AnyKysely,
  names: readonly string[],
  schema: string | null = null,
): Promise<Map<string, TableShape>> {
  const { rows } = await sql<{
    name: string;
    kind: string;
    columns: Record<string, string>;
    defaults: string[];
    keys: { type: 'p' | 'u'; columns: string[] }[];
    indexes: Record<string, { columns: string; valid: boolean }>;
  }>`
    select wanted.name, c.relkind as kind,
      array(select attname::text from pg_attribute
            where attrelid = c.oid and attnum > 0 and (atthasdef or attidentity <> '')) as defaults,
      (select json_object_agg(attname, format_type(atttypid, atttypmod) || case when attnotnull then '' else ' null' end)
       from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped) as columns,
      (select coalesce(json_agg(json_build_object('type', k.contype, 'columns',
         array(select a.attname from unnest(k.conkey) with ordinality u(attnum, position)
               join pg_attribute a on a.attrelid = c.oid and a.attnum = u.attnum order by u.position))), '[]')
       from pg_constraint k where k.conrelid = c.oid and k.contype in ('p', 'u')) as keys,
      (select coalesce(json_object_agg(ic.relname, json_build_object('valid', i.indisvalid, 'columns',
         (select string_agg(a.attname || case when i.indoption[u.position - 1] & 1 = 1 then ' desc' else '' end, ', '
                            order by u.position)
          from unnest(i.indkey) with ordinality u(attnum, position)
          join pg_attribute a on a.attrelid = c.oid and a.attnum = u.attnum
          where u.position <= i.indnkeyatts))), '{}')
       from pg_index i join pg_class ic on ic.oid = i.indexrelid where i.indrelid = c.oid) as indexes
    from unnest(${[...names]}::text[]) wanted(name)
    join pg_class c on c.oid = to_regclass(concat(quote_ident(${schema}::text) || '.', quote_ident(wanted.name)))`.execute(
    db,
  );
  return new Map(
    rows.map(({ name, kind, columns, defaults, keys, indexes }) => [
      name,
      {
        kind,
        columns: new Map(Object.entries(columns)),
        columnsWithDefault: new Set(defaults),
        keys,
        indexes: new Map(Object.entries(indexes)),
      },
    ]),
  );
}

/** What of one table differs from what is expected, one line each; further columns, keys and indexes do not count. */
export function compareTable(name: string, shape: TableShape | undefined, expected: ExpectedTable): string[] {
  if (!shape) return [`${name} is missing`];
  return [
    ...compareColumns(name, shape, expected),
    ...compareKeys(name, shape, expected),
    ...compareIndexes(name, shape, expected),
  ];
}

function compareColumns(table: string, shape: TableShape, { columns }: ExpectedTable): string[] {
  return Object.entries(columns).flatMap(([column, type]) => {
    const actual = shape.columns.get(column);
    if (actual === undefined) return [`column ${table}.${column} is missing`];
    return actual === type ? [] : [`column ${table}.${column} is ${describeType(actual)}, not ${describeType(type)}`];
  });
}

function describeType(type: string): string {
  return type.endsWith(' null') ? `${type.slice(0, -5)} (may be null)` : `${type} (not null)`;
}

function compareKeys(table: string, { keys }: TableShape, { primaryKey, unique }: ExpectedTable): string[] {
  const differences: string[] = [];
  const actual = keys.find((key) => key.type === 'p')?.columns.join(', ') ?? 'missing';
  const wanted = primaryKey.join(', ');
  if (wanted !== '' && actual !== wanted) differences.push(`primary key of ${table} is (${actual}), not (${wanted})`);
  for (const columns of unique)
    if (!keys.some((key) => key.type === 'u' && key.columns.join() === columns.join()))
      differences.push(`unique constraint (${columns.join(', ')}) of ${table} is missing`);
  return differences;
}

function compareIndexes(table: string, shape: TableShape, { indexes }: ExpectedTable): string[] {
  return Object.entries(indexes).flatMap(([name, columns]) => {
    const index = shape.indexes.get(name);
    if (!index) return [`index ${name} on ${table} is missing`];
    if (!index.valid) return [`index ${name} on ${table} is INVALID: drop it, then start again`];
    return index.columns === columns ? [] : [`index ${name} on ${table} is on (${index.columns}), not (${columns})`];
  });
}
