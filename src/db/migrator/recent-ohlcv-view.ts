import { sql, type RawBuilder } from 'kysely';
import type { AnyKysely } from '../catalog.ts';

/** Who else may do what with the view: lost when it is dropped, so kept over its replacement. */
export interface ViewGrant {
  readonly grantee: string;
  readonly privilege: string;
  readonly grantable: boolean;
}

export interface RecentOhlcvDefinition {
  readonly columns: RawBuilder<unknown>;
  readonly uniqueKey: RawBuilder<unknown>;
}

const VIEW = { name: 'recent_ohlcv', index: 'idx_recent_ohlcv_unique' } as const;
const SUCCESSOR = { name: 'recent_ohlcv_new', index: 'idx_recent_ohlcv_unique_new' } as const;

/** Drops recent_ohlcv where it stands. Fails with 2BP01, naming them, where other views are built on it. */
export async function dropRecentOhlcv(db: AnyKysely): Promise<ViewGrant[]> {
  const grants = await listGrants(db);
  await sql`drop materialized view if exists ${sql.table(VIEW.name)}`.execute(db);
  return grants;
}

/**
 * Creates recent_ohlcv, the candles of the last 7 days, where none stands. It is empty, and unreadable until its first
 * refresh: filling it would read a week of candles under the locks that the caller may hold.
 */
export async function createRecentOhlcv(
  db: AnyKysely,
  definition: RecentOhlcvDefinition,
  grants: readonly ViewGrant[],
): Promise<void> {
  await createView(db, VIEW, { ...definition, grants, populate: false });
}

/**
 * Gives recent_ohlcv another definition: the new one is filled beside the old, which is read until the two change hands
 * in the end. `db` must be a transaction.
 */
export async function replaceRecentOhlcv(db: AnyKysely, definition: RecentOhlcvDefinition): Promise<void> {
  await createView(db, SUCCESSOR, { ...definition, grants: await listGrants(db), populate: true });
  await sql`drop materialized view if exists ${sql.table(VIEW.name)}`.execute(db);
  await sql`alter materialized view ${sql.table(SUCCESSOR.name)} rename to ${sql.id(VIEW.name)}`.execute(db);
  await sql`alter index ${sql.id(SUCCESSOR.index)} rename to ${sql.id(VIEW.index)}`.execute(db);
}

async function listGrants(db: AnyKysely): Promise<ViewGrant[]> {
  const { rows } = await sql<ViewGrant>`
    select case when acl.grantee = 0 then '' else acl.grantee::regrole::text end as grantee,
      acl.privilege_type as privilege, acl.is_grantable as grantable
    from pg_class c, aclexplode(c.relacl) acl
    where c.oid = to_regclass(${VIEW.name}) and acl.grantee <> c.relowner`.execute(db);
  return rows;
}

interface ViewContents extends RecentOhlcvDefinition {
  readonly grants: readonly ViewGrant[];
  readonly populate: boolean;
}

async function createView(
  db: AnyKysely,
  { name, index }: { readonly name: string; readonly index: string },
  { columns, uniqueKey, grants, populate }: ViewContents,
): Promise<void> {
  await sql`
    create materialized view ${sql.table(name)} as
    select ${columns} from ohlcv_data where timestamp >= now() - interval '7 days'
    ${populate ? sql`with data` : sql`with no data`}`.execute(db);
  await sql`create unique index ${sql.id(index)} on ${sql.table(name)} (${uniqueKey})`.execute(db);
  for (const { grantee, privilege, grantable } of grants) {
    // Both come from the catalog: regrole quotes the role's name, privileges are single words.
    await sql`
      grant ${sql.raw(privilege)} on ${sql.table(name)} to ${sql.raw(grantee === '' ? 'public' : grantee)}
      ${grantable ? sql`with grant option` : sql``}`.execute(db);
  }
}

/**
 * refresh_recent_ohlcv(): refreshes concurrently, or plainly where the view was never populated (PostgreSQL refuses the
 * former then). SECURITY DEFINER, because only the view's owner may refresh it and the runtime role need not be that;
 * its search_path is pinned so that no caller can put another recent_ohlcv in front.
 */
export async function createRefreshFunction(db: AnyKysely): Promise<void> {
  const { rows } = await sql<{ schema: string }>`
    select n.nspname as schema from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.oid = 'recent_ohlcv'::regclass`.execute(db);
  const schema = rows[0]?.schema;
  if (schema === undefined) throw new Error('recent_ohlcv is not there');
  await sql`
    create or replace function refresh_recent_ohlcv() returns void
    language plpgsql security definer set search_path = ${sql.id(schema)}, pg_temp as $$
    begin
      if (select relispopulated from pg_catalog.pg_class where oid = 'recent_ohlcv'::pg_catalog.regclass) then
        refresh materialized view concurrently recent_ohlcv;
      else
        refresh materialized view recent_ohlcv;
      end if;
    end $$`.execute(db);
}
