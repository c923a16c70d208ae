import { sql } from 'kysely';
import { findTimescaledb, type AnyKysely } from '../../catalog.ts';
import type { Block, DeferrableStep } from './deferrable-step.ts';

/** Which version the server offers and whether its library was loaded at the server's start. */
async function readOffer(db: AnyKysely): Promise<{ available: boolean; preloaded: boolean }> {
  // shared_preload_libraries itself is hidden from ordinary roles; the library's settings are not.
  const { rows } = await sql<{ available: boolean; preloaded: boolean }>`
    select exists (select from pg_available_extensions where name = 'timescaledb') as available,
      exists (select from pg_settings where name like 'timescaledb.%') as preloaded`.execute(db);
  return rows[0] ?? { available: false, preloaded: false };
}

async function findPrivilegeBlock(db: AnyKysely): Promise<Block | null> {
  const { rows } = await sql<{ role: string; database: string }>`
    select quote_ident(session_user) as role, quote_ident(current_database()) as database
    where not (select rolsuper from pg_roles where rolname = session_user)
      and not (has_database_privilege(session_user, current_database(), 'CREATE')
               and exists (select from pg_available_extension_versions where name = 'timescaledb' and trusted))`.execute(
    db,
  );
  const [found] = rows;
  if (!found) return null;
  return {
    reason: `the role ${found.role} may not create the timescaledb extension in the database ${found.database}`,
    remedy: `as the database's owner or a superuser: grant create on database ${found.database} to ${found.role}; or: create extension timescaledb`,
    isRemedyNeeded: true,
  };
}

/** Whether the library may be called: without it any of the extension's functions would end the connection. */
export async function isTimescaledbPreloaded(db: AnyKysely): Promise<boolean> {
  return (await readOffer(db)).preloaded;
}

/** What to do where the server has the library but did not load it. */
export const PRELOAD_REMEDY =
  "add timescaledb to shared_preload_libraries in the server's postgresql.conf and restart the server";

/** The extension itself, which makes hypertables possible. Plain PostgreSQL works without. */
export const timescaledbExtension: DeferrableStep = {
  name: 'timescaledb_extension',
  revision: '0001_initial_schema',
  // Where the library is not preloaded CREATE EXTENSION is FATAL; `probe` looks first, but may be mistaken.
  ownSession: true,
  makesKey: null,

  async probe(db) {
    if (await findTimescaledb(db)) return { state: 'applied' };
    const { available, preloaded } = await readOffer(db);
    if (!available)
      return {
        state: 'blocked',
        reason: 'this server is plain PostgreSQL: it does not offer the timescaledb extension',
        remedy: 'none needed: everything works without; install TimescaleDB on the server for hypertables',
        isRemedyNeeded: false,
      };
    if (!preloaded)
      return {
        state: 'blocked',
        reason: 'the server offers timescaledb but did not load its library at its start',
        remedy: PRELOAD_REMEDY,
        isRemedyNeeded: true,
      };
    const block = await findPrivilegeBlock(db);
    return block ? { state: 'blocked', ...block } : { state: 'ready' };
  },

  async apply(db) {
    await sql`create extension if not exists timescaledb`.execute(db);
  },
};
