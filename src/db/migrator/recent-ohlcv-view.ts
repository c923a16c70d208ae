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
  readonly grants: readonly ViewGrant[];
  /** False leaves it empty and unreadable until its first refresh. */
  readonly populate: boolean;
}

/** Drops recent_ohlcv where it stands. Fails with 2BP01, naming them, where other views are built on it. */
export async function dropRecentOhlcv(db: AnyKysely): Promise<ViewGrant[]> {
  const { rows } = await sql<ViewGrant>`
    select case when acl.grantee = 0 then '' else acl.grantee::regrole::text end as grantee,
      acl.privilege_type as privilege, acl.is_grantable as grantable
    from pg_class c, aclexplode(c.relacl) acl
    where c.oid = to_regclass('recent_ohlcv') and acl.grantee <> c.relowner`.execute(db);
  await sql`drop materialized view if exists recent_ohlcv`.execute(db);
  return rows;
}

/** Creates recent_ohlcv: the candles of the last 7 days. */
export async function createRecentOhlcv(db: AnyKysely, definition: RecentOhlcvDefinition): Promise<void> {
  const { columns, uniqueKey, grants, populate } = definition;
  await sql`
    create materialized view recent_ohlcv as
    select ${columns} from ohlcv_data where timestamp >= now() - interval '7 days'
    ${populate ? sql`with data` : sql`with no data`}`.execute(db);
  await sql`create unique index idx_recent_ohlcv_unique on recent_ohlcv (${uniqueKey})`.execute(db);
  for (const { grantee, privilege, grantable } of grants) {
    // Both come from the catalog: regrole quotes the role's name, privileges are single words.
    await sql`
      grant ${sql.raw(privilege)} on recent_ohlcv to ${sql.raw(grantee === '' ? 'public' : grantee)}
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
