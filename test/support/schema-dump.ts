import { execute } from './postgres.ts';

/** Not ours: what the predecessor's tool keeps. */
const FOREIGN = `('alembic_version')`;

/** The indexes that create_hypertable makes unless told otherwise, as the predecessor did not. */
const HYPERTABLE_INDEXES = `('ohlcv_data_timestamp_idx', 'ohlcv_data_symbol_timestamp_idx', 'futures_data_timestamp_idx')`;

/**
 * Everything of a schema that pg_dump would write, one line each, sorted: columns in their order with types and
 * defaults, constraints, indexes, views, functions, sequences, with owners and privileges. Roles' own names are
 * replaced, so that databases of different owners compare.
 */
export async function dumpSchema(url: string, schema = 'public'): Promise<string[]> {
  const rows = await execute(
    url,
    `with ours as (
      select c.*, pg_get_userbyid(c.relowner) as owner from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = '${schema}' and c.relname not in ${FOREIGN}
    ), lines(line) as (
      select format('%s %s owner %s acl %s populated %s', case relkind when 'r' then 'table' when 'm' then 'matview'
               when 'S' then 'sequence' when 'v' then 'view' else relkind::text end,
             relname, owner, coalesce(relacl::text, 'default'), relispopulated)
      from ours where relkind in ('r', 'm', 'v', 'S', 'p')
      union all
      select format('column %s.%s %s %s %s %s', o.relname, row_number() over (partition by o.oid order by a.attnum),
             a.attname, format_type(a.atttypid, a.atttypmod), case when a.attnotnull then 'not null' else 'null' end,
             coalesce(pg_get_expr(d.adbin, d.adrelid), ''))
      from ours o join pg_attribute a on a.attrelid = o.oid and a.attnum > 0 and not a.attisdropped
      left join pg_attrdef d on d.adrelid = o.oid and d.adnum = a.attnum where o.relkind in ('r', 'm', 'v')
      union all
      select format('constraint %s %s %s', o.relname, k.conname, pg_get_constraintdef(k.oid))
      from ours o join pg_constraint k on k.conrelid = o.oid where k.contype <> 'n'
      union all
      select format('index %s valid %s', pg_get_indexdef(i.indexrelid), i.indisvalid)
      from ours o join pg_index i on i.indrelid = o.oid join pg_class ic on ic.oid = i.indexrelid
      where ic.relname not in ${HYPERTABLE_INDEXES}
      union all
      select format('view %s %s', relname, pg_get_viewdef(oid)) from ours where relkind in ('m', 'v')
      union all
      select format('sequence %s owned by %s', o.relname, d.refobjid::regclass)
      from ours o left join pg_depend d on d.objid = o.oid and d.deptype = 'a' where o.relkind = 'S'
      union all
      select format('function owner %s acl %s %s', pg_get_userbyid(p.proowner), coalesce(p.proacl::text, 'default'),
             pg_get_functiondef(p.oid))
      from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where n.nspname = '${schema}' and p.prokind = 'f'
        and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
    ) select line from lines order by line collate "C"`,
  );
  return rows.map((row) => String(row['line']).replaceAll(/\s+/g, ' '));
}

/** The tables that are hypertables, sorted; empty on plain PostgreSQL. */
export async function listHypertables(url: string): Promise<string[]> {
  const [found] = await execute(url, `select from pg_extension where extname = 'timescaledb'`);
  if (!found) return [];
  const rows = await execute(
    url,
    `select hypertable_name::text as name from timescaledb_information.hypertables order by 1`,
  );
  return rows.map((row) => String(row['name']));
}
