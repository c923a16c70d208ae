import { hostname } from 'node:os';
import { sql } from 'kysely';
import packageJson from '../../../package.json' with { type: 'json' };
import { messageOf, sqlStateOf } from '../../errors.ts';
import type { AnyKysely } from '../catalog.ts';
import type { MigrationSession } from './migration-session.ts';
import { HISTORY_TABLE } from './migration-table.ts';

/** What was done: a revision up or down, a deferrable step, or taking over a predecessor's database. */
export type HistoryAction = 'up' | 'down' | 'step' | 'adopt';

/** One row of the history, spelled as it is answered in JSON. */
export interface HistoryEntry {
  readonly id: number;
  readonly action: HistoryAction;
  /** The revision, the step, or the kind of database that was taken over. */
  readonly subject: string;
  /** SHA-256 of the revision's source; null for steps. */
  readonly checksum: string | null;
  /** ISO 8601 by the server's clock. */
  readonly started_at: string;
  readonly duration_ms: number | null;
  readonly application_version: string;
  readonly host: string;
  /** Who asked: `boot`, `cli`, `admin`. */
  readonly actor: string;
  /** `interrupted`: its process went away; what it had not committed was rolled back. */
  readonly outcome: 'running' | 'applied' | 'failed' | 'interrupted';
  readonly error: string | null;
  readonly sql_state: string | null;
  readonly notices: readonly string[];
}

export interface HistorySubject {
  readonly action: HistoryAction;
  readonly subject: string;
  readonly checksum: string | null;
  readonly actor: string;
}

async function historyExists(db: AnyKysely, schema: string): Promise<boolean> {
  const { rows } = await sql`
    select from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = ${schema} and c.relname = ${HISTORY_TABLE}`.execute(db);
  return rows.length > 0;
}

/** Makes the table where it is missing. Called with the migration lock held. */
export async function ensureHistory(session: MigrationSession): Promise<void> {
  if (await historyExists(session.kysely, session.schema)) return;
  await sql`
    create table ${sql.table(`${session.schema}.${HISTORY_TABLE}`)} (
      id bigint generated always as identity primary key,
      action text not null check (action in ('up', 'down', 'step', 'adopt')),
      subject text not null,
      checksum text,
      started_at timestamptz not null default clock_timestamp(),
      duration_ms integer,
      application_version text not null,
      host text not null,
      actor text not null,
      outcome text not null default 'running' check (outcome in ('running', 'applied', 'failed', 'interrupted')),
      error text,
      sql_state text,
      notices text[] not null default '{}'
    )`.execute(session.kysely);
}

/**
 * Closes what a process left open that went away in the middle. With the lock held nobody else can be running: a
 * revision that is in the migration table was committed, everything else was rolled back.
 */
export async function closeInterrupted(session: MigrationSession, applied: readonly string[]): Promise<void> {
  await sql`
    update ${sql.table(`${session.schema}.${HISTORY_TABLE}`)}
    set outcome = case when action = 'up' and subject = any(${[...applied]}::text[]) then 'applied' else 'interrupted' end
    where outcome = 'running'`.execute(session.kysely);
}

/** Whether a process went away, or is at work, between the beginning of something and its outcome. */
export async function hasOpenEntry(session: MigrationSession): Promise<boolean> {
  if (!(await historyExists(session.kysely, session.schema))) return false;
  const { rows } = await sql`
    select from ${sql.table(`${session.schema}.${HISTORY_TABLE}`)} where outcome = 'running' limit 1`.execute(
    session.kysely,
  );
  return rows.length > 0;
}

/**
 * Runs `work` with a row in the history: `running` before (in a transaction of its own, so that it is seen), its
 * outcome, duration by the server's clock and notices afterwards.
 *
 * @throws whatever `work` throws, after it was written down.
 */
export async function recordHistory(
  session: MigrationSession,
  { action, subject, checksum, actor }: HistorySubject,
  work: () => Promise<void>,
): Promise<{ durationMs: number; notices: string[] }> {
  const table = sql.table(`${session.schema}.${HISTORY_TABLE}`);
  const { rows } = await sql<{ id: string }>`
    insert into ${table} (action, subject, checksum, application_version, host, actor)
    values (${action}, ${subject}, ${checksum}, ${packageJson.version}, ${hostname()}, ${actor}) returning id`.execute(
    session.kysely,
  );
  const id = rows[0]?.id;
  const close = async (outcome: 'applied' | 'failed', error: unknown) => {
    const notices = session.takeNotices();
    const { rows: closed } = await sql<{ duration_ms: number }>`
      update ${table} set outcome = ${outcome}, error = ${error === null ? null : messageOf(error)},
        sql_state = ${sqlStateOf(error)}, notices = ${notices}::text[],
        duration_ms = (extract(epoch from clock_timestamp() - started_at) * 1000)::int
      where id = ${id} returning duration_ms`.execute(session.kysely);
    return { durationMs: closed[0]?.duration_ms ?? 0, notices };
  };
  session.takeNotices();
  try {
    await work();
  } catch (error) {
    // Where the connection itself is gone the row stays `running`, and the next holder of the lock closes it.
    await close('failed', error).catch(() => undefined);
    throw error;
  }
  return close('applied', null);
}

/** The newest `limit` entries, newest first; empty where there is no history yet. */
export async function listHistory(session: MigrationSession, limit: number): Promise<HistoryEntry[]> {
  if (!(await historyExists(session.kysely, session.schema))) return [];
  const { rows } = await sql<Omit<HistoryEntry, 'id' | 'started_at'> & { id: string; started_at: Date }>`
    select * from ${sql.table(`${session.schema}.${HISTORY_TABLE}`)} order by id desc limit ${limit}`.execute(
    session.kysely,
  );
  return rows.map((row) => ({ ...row, id: Number(row.id), started_at: row.started_at.toISOString() }));
}

/** Revision → checksum of the source that was run here; revisions of before the history are missing. */
export async function readChecksums(session: MigrationSession): Promise<Map<string, string>> {
  if (!(await historyExists(session.kysely, session.schema))) return new Map();
  const { rows } = await sql<{ subject: string; checksum: string }>`
    select distinct on (subject) subject, checksum from ${sql.table(`${session.schema}.${HISTORY_TABLE}`)}
    where action = 'up' and outcome = 'applied' and checksum is not null order by subject, id desc`.execute(
    session.kysely,
  );
  return new Map(rows.map((row) => [row.subject, row.checksum]));
}

/** Step → the error of its last try, for steps whose last try failed. */
export async function readStepFailures(session: MigrationSession): Promise<Map<string, string>> {
  if (!(await historyExists(session.kysely, session.schema))) return new Map();
  const { rows } = await sql<{ subject: string; outcome: string; error: string | null }>`
    select distinct on (subject) subject, outcome, error from ${sql.table(`${session.schema}.${HISTORY_TABLE}`)}
    where action = 'step' order by subject, id desc`.execute(session.kysely);
  return new Map(rows.flatMap(({ subject, outcome, error }) => (outcome === 'failed' ? [[subject, error ?? '']] : [])));
}
