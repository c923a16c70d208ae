import { sql, type Kysely } from 'kysely';

/** Any Kysely: catalog questions and revisions do not know row types. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyKysely = Kysely<any>;

/** Whether a table, view or index of this name is found through the search_path. */
export async function relationExists(db: AnyKysely, name: string): Promise<boolean> {
  const { rows } = await sql<{ found: boolean }>`select to_regclass(${quoteName(name)}) is not null as found`.execute(
    db,
  );
  return rows[0]?.found ?? false;
}

/** Whether the table has a column of this name. */
export async function columnExists(db: AnyKysely, table: string, column: string): Promise<boolean> {
  const { rows } = await sql`
    select from pg_attribute
    where attrelid = to_regclass(${quoteName(table)}) and attname = ${column} and not attisdropped`.execute(db);
  return rows.length > 0;
}

/** A primary key or unique constraint, with its columns in the key's order. */
export interface KeyConstraint {
  readonly name: string;
  readonly type: 'p' | 'u';
  readonly columns: readonly string[];
}

/** The primary key and the unique constraints of a table. */
export async function listKeys(db: AnyKysely, table: string): Promise<KeyConstraint[]> {
  const { rows } = await sql<KeyConstraint>`
    select c.conname as name, c.contype as type,
      array(select a.attname::text from unnest(c.conkey) with ordinality k(attnum, position)
            join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.attnum order by k.position) as columns
    from pg_constraint c
    where c.conrelid = to_regclass(${quoteName(table)}) and c.contype in ('p', 'u')
    order by c.conname`.execute(db);
  return rows;
}

/** The key with exactly these columns in this order, or null. */
export async function findKey(
  db: AnyKysely,
  table: string,
  type: 'p' | 'u',
  columns: readonly string[],
): Promise<KeyConstraint | null> {
  const keys = await listKeys(db, table);
  return keys.find((key) => key.type === type && key.columns.join() === columns.join()) ?? null;
}

export interface IndexState {
  /** False after a CREATE INDEX CONCURRENTLY that was cut off. */
  readonly valid: boolean;
  /** Columns with `desc` behind those that descend, such as `symbol, timestamp desc`. */
  readonly columns: string;
}

/** The state of one index of the table, or null where the table has none of this name. */
export async function findIndex(db: AnyKysely, table: string, name: string): Promise<IndexState | null> {
  const { rows } = await sql<IndexState>`
    select i.indisvalid as valid,
      (select string_agg(a.attname || case when i.indoption[key.position - 1] & 1 = 1 then ' desc' else '' end,
                         ', ' order by key.position)
       from unnest(i.indkey) with ordinality key(attnum, position)
       join pg_attribute a on a.attrelid = i.indrelid and a.attnum = key.attnum
       where key.position <= i.indnkeyatts) as columns
    from pg_index i join pg_class c on c.oid = i.indexrelid
    where i.indrelid = to_regclass(${quoteName(table)}) and c.relname = ${name}`.execute(db);
  return rows[0] ?? null;
}

/** The extension's version and the schema of its functions, or null where it is not in this database. */
export async function findTimescaledb(db: AnyKysely): Promise<{ version: string; schema: string } | null> {
  const { rows } = await sql<{ version: string; schema: string }>`
    select e.extversion as version, n.nspname as schema
    from pg_extension e join pg_namespace n on n.oid = e.extnamespace
    where e.extname = 'timescaledb'`.execute(db);
  return rows[0] ?? null;
}

/** Whether the table is a hypertable of TimescaleDB. */
export async function isHypertable(db: AnyKysely, table: string): Promise<boolean> {
  if ((await findTimescaledb(db)) === null) return false;
  // The extension's own table, not its information view: that calls a function of the library, which ends the
  // connection where the library is not preloaded.
  const { rows } = await sql`
    select from _timescaledb_catalog.hypertable h
    join pg_namespace n on n.nspname = h.schema_name
    join pg_class c on c.relnamespace = n.oid and c.relname = h.table_name
    where c.oid = to_regclass(${quoteName(table)})`.execute(db);
  return rows.length > 0;
}

/** Bytes on disk of the table without its indexes (of a hypertable: of its empty root). */
export async function tableBytes(db: AnyKysely, table: string): Promise<number> {
  const { rows } = await sql<{ bytes: string }>`
    select pg_table_size(to_regclass(${quoteName(table)}))::text as bytes`.execute(db);
  return Number(rows[0]?.bytes ?? 0);
}

/** An identifier as it may stand in text that to_regclass reads, also with capitals or reserved words. */
function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
