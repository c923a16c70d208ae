import { waitUntil } from './patience.ts';
import { execute } from './postgres.ts';

export interface BlockedSession {
  readonly pid: number;
  /** What it waits in the middle of. */
  readonly statement: string;
}

/** The first session of the database that waits for a lock. */
export async function waitUntilBlocked(url: string): Promise<BlockedSession> {
  return await waitUntil(async () => {
    const [row] = await execute(
      url,
      `select pid, query from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' limit 1`,
    );
    return row ? { pid: Number(row['pid']), statement: String(row['query']) } : null;
  }, 'nothing waited for a lock');
}

/** Ends a session as an administrator, or a server that stops, does. */
export async function endSession(url: string, { pid }: BlockedSession): Promise<void> {
  await execute(url, `select pg_terminate_backend(${pid})`);
}
