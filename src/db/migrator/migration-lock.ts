import { sql } from 'kysely';
import { MigrationError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { sleep } from '../../retry.ts';
import { ADVISORY_LOCKS } from '../advisory-locks.ts';
import type { AnyKysely } from '../catalog.ts';
import type { MigrationSession } from './migration-session.ts';
import { UpgradeInProgressError } from './schema-status.ts';

const { classId, objectId } = ADVISORY_LOCKS.migration;
const POLL_MS = 250;
const LOG_EVERY_MS = 10_000;

interface LockHolder {
  readonly pid: number;
  /** Its application_name: which revision it runs, on which host, in which process. */
  readonly name: string;
  /** How long its session has been there, in whole seconds. */
  readonly ageSeconds: number;
}

/** Who holds the migration lock of this database, or null. */
async function findLockHolder(db: AnyKysely): Promise<LockHolder | null> {
  const { rows } = await sql<LockHolder>`
    select a.pid, a.application_name as name, extract(epoch from now() - a.backend_start)::int as "ageSeconds"
    from pg_locks l join pg_stat_activity a on a.pid = l.pid
    where l.locktype = 'advisory' and l.granted and l.classid::bigint = ${classId} and l.objid::bigint = ${objectId}
      and l.database = (select oid from pg_database where datname = current_database())`.execute(db);
  return rows[0] ?? null;
}

interface LockOptions {
  /** How long to wait for another process; 0: do not wait. */
  readonly waitMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly logger: Logger;
}

/**
 * Runs `work` with the migration lock, which the session holds until then; should the session end before, the lock ends
 * with it.
 *
 * @throws UpgradeInProgressError where another process holds it for longer than `waitMs`; MigrationError where a pooler is
 *   in between.
 */
export async function withMigrationLock<T>(
  session: MigrationSession,
  options: LockOptions,
  work: () => Promise<T>,
): Promise<T> {
  assertOwnBackend(session);
  await acquire(session, options);
  try {
    return await work();
  } finally {
    // A session that broke has lost it already.
    await sql`select pg_advisory_unlock(${classId}, ${objectId})`.execute(session.kysely).catch(() => undefined);
  }
}

/** Polls: a waiter blocked inside SQL would deadlock with a CREATE INDEX CONCURRENTLY of the holder. */
async function acquire(session: MigrationSession, { waitMs, signal, logger }: LockOptions): Promise<void> {
  const startedAt = Date.now();
  let loggedAt = -Infinity;
  for (;;) {
    signal?.throwIfAborted();
    const { rows } = await sql<{ taken: boolean }>`
      select pg_try_advisory_lock(${classId}, ${objectId}) as taken`.execute(session.kysely);
    if (rows[0]?.taken) return;
    const holder = await findLockHolder(session.kysely);
    if (Date.now() - startedAt >= waitMs) throw new UpgradeInProgressError(describeHolder(holder));
    if (Date.now() - loggedAt >= LOG_EVERY_MS) {
      loggedAt = Date.now();
      logger.warn({ holder: describeHolder(holder) }, 'waiting for another process that is migrating this database');
    }
    await sleep(POLL_MS, signal);
  }
}

function describeHolder(holder: LockHolder | null): string {
  return holder === null
    ? 'a process that has just gone'
    : `${holder.name || 'an unnamed session'} (pid ${holder.pid}, for ${holder.ageSeconds} s)`;
}

/**
 * A pooler in transaction mode gives each statement another backend, so that the lock would be held by none of ours.
 *
 * @throws MigrationError POOLED_CONNECTION, before anything is locked or changed.
 */
function assertOwnBackend(session: MigrationSession): void {
  if (!session.isPooled) return;
  throw new MigrationError(
    'the database is reached through a connection pooler, which does not keep the migration lock: set MIGRATION_DATABASE_URL to the server itself',
    { revision: null, code: 'POOLED_CONNECTION' },
  );
}
