import { sql } from 'kysely';
import type { MigrationSession } from './migration-session.ts';

/** A session that holds a lock on one of our tables. */
export interface Blocker {
  readonly pid: number;
  readonly role: string | null;
  readonly application: string;
  readonly state: string | null;
  /** How long its transaction has been open, in seconds. */
  readonly seconds: number | null;
  /** The beginning of its last statement; hidden from roles that may not see it. */
  readonly query: string | null;
}

/** Who holds locks on tables of our schema, longest transaction first, at most five. */
export async function listBlockers(session: MigrationSession): Promise<Blocker[]> {
  await using other = await session.openAnother();
  const own = await session.backendPid();
  const { rows } = await sql<Blocker>`
    select a.pid, a.usename::text as role, a.application_name as application, a.state,
      extract(epoch from now() - a.xact_start)::int as seconds, left(a.query, 200) as query
    from pg_stat_activity a
    where a.pid not in (pg_backend_pid(), ${own}) and exists (
      select from pg_locks l join pg_class c on c.oid = l.relation join pg_namespace n on n.oid = c.relnamespace
      where l.pid = a.pid and l.granted and l.locktype = 'relation' and n.nspname = ${session.schema})
    order by a.xact_start limit 5`.execute(other.kysely);
  return rows;
}
