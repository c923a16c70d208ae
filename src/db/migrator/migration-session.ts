import { hostname } from 'node:os';
import { Kysely, PostgresAdapter, PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import { MigrationError, sqlStateOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { AnyKysely } from '../catalog.ts';
import { withLibpqMeaning } from '../client.ts';

/**
 * DDL that waits for a lock makes every later reader wait behind it: so it gives up soon, and is tried again. Half a
 * second leaves those readers under one even where a revision needs a second lock after the first.
 */
const LOCK_TIMEOUT_MS = 500;

/** PostgreSQL cuts application names at 63 bytes. */
const NAME_LIMIT = 63;

/** What every SQLSTATE begins with by which a server ends connections: 57P01 an administrator, 57P02 a crash. */
const OPERATOR_INTERVENTION = '57P';

/** What the server said last when it ended the connection. */
interface Farewell {
  error: Error | null;
}

interface SessionParts {
  readonly schema: string;
  readonly isPooled: boolean;
  readonly url: string;
  readonly logger: Logger;
  readonly farewell: Farewell;
}

/** The lock is ours, taken before Kysely is asked (see migration-lock.ts): its own would wait for an hour. */
class UnlockedAdapter extends PostgresAdapter {
  override acquireMigrationLock(): Promise<void> {
    return Promise.resolve();
  }

  override releaseMigrationLock(): Promise<void> {
    return Promise.resolve();
  }
}

class SingleConnectionDialect extends PostgresDialect {
  override createAdapter(): PostgresAdapter {
    return new UnlockedAdapter();
  }
}

/**
 * One connection for one migration run: the lock is held and the revisions run on it, so that no statement can go on
 * once the lock is lost. Its application_name says who it is and what it is doing.
 */
export class MigrationSession implements AsyncDisposable {
  readonly kysely: AnyKysely;
  /** Where our tables are, or will be: the schema in which `ohlcv_data` is found, otherwise the current one. */
  readonly schema: string;
  /** Reached through a pooler, which may run each statement on another backend: good for looking only. */
  readonly isPooled: boolean;
  readonly #client: pg.Client;
  readonly #url: string;
  readonly #logger: Logger;
  readonly #farewell: Farewell;
  #notices: string[] = [];

  private constructor(client: pg.Client, parts: SessionParts) {
    this.#client = client;
    this.schema = parts.schema;
    this.isPooled = parts.isPooled;
    this.#url = parts.url;
    this.#logger = parts.logger;
    this.#farewell = parts.farewell;
    client.on('notice', (notice) => this.#notices.push(notice.message ?? ''));
    // A pool of this one client, which stays ours: Kysely neither opens nor closes it.
    const connection = Object.assign(client, { release: () => undefined });
    this.kysely = new Kysely({
      dialect: new SingleConnectionDialect({
        pool: { connect: () => Promise.resolve(connection), end: () => Promise.resolve(), options: {} },
      }),
    });
  }

  /**
   * Connects as the role that owns the schema.
   *
   * @throws MigrationError where the role's search_path leads to no schema.
   */
  static async open(url: string, logger: Logger, as: 'owner' | 'login' = 'owner'): Promise<MigrationSession> {
    const client = new pg.Client({
      connectionString: withLibpqMeaning(url),
      application_name: nameFor('starting'),
      connectionTimeoutMillis: 10_000,
      keepAlive: true,
    });
    const farewell: Farewell = { error: null };
    client.connection.on('errorMessage', (error: Error) => {
      if (sqlStateOf(error)?.startsWith(OPERATOR_INTERVENTION)) farewell.error = error;
    });
    // Without a listener a terminated backend would end the process; the query in flight rejects all the same.
    client.on('error', (error) =>
      logger.warn({ err: farewell.error ?? error }, 'the connection that migrates was lost'),
    );
    await client.connect();
    try {
      const { isPooled, schema, owner } = await lookAround(client);
      // What is set through a pooler would stay on a backend that others are given next.
      if (!isPooled) await prepare(client, schema, as === 'owner' ? owner : null);
      return new MigrationSession(client, { schema, isPooled, url, logger, farewell });
    } catch (error) {
      await client.end();
      throw error;
    }
  }

  /**
   * Why it failed: what the server said when it ended the connection, where the error itself only knows that the
   * connection is gone (the rollback that followed hides the statement's own error).
   */
  explain(error: unknown): unknown {
    return sqlStateOf(error) === null ? (this.#farewell.error ?? error) : error;
  }

  /** A second session beside this one, for a statement that may end its connection or needs the login's own rights. */
  openAnother(as: 'owner' | 'login' = 'owner'): Promise<MigrationSession> {
    return MigrationSession.open(this.#url, this.#logger, as);
  }

  /** Shows in pg_stat_activity what is being done. */
  async announce(activity: string): Promise<void> {
    await sql`select set_config('application_name', ${nameFor(activity)}, false)`.execute(this.kysely);
  }

  /** What PostgreSQL said since the last call. */
  takeNotices(): string[] {
    const taken = this.#notices;
    this.#notices = [];
    return taken;
  }

  /** The backend's process id as the server knows it. */
  async backendPid(): Promise<number> {
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(this.kysely);
    return rows[0]?.pid ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Ending the session releases its advisory locks and rolls back what is open.
    await this.#client.end().catch(() => undefined);
  }

  /** Cuts the connection without waiting for the statement in flight, which the server then rolls back. */
  cut(): void {
    this.#client.connection.stream.destroy();
  }
}

function nameFor(activity: string): string {
  const place = `${hostname()}:${process.pid}`;
  return `candlekeep ${activity}`.slice(0, Math.max(20, NAME_LIMIT - place.length - 1)) + ` ${place}`;
}

async function prepare(client: pg.Client, schema: string, owner: string | null): Promise<void> {
  await client.query(`
    select set_config('lock_timeout', '${LOCK_TIMEOUT_MS}', false), set_config('statement_timeout', '0', false),
      set_config('idle_in_transaction_session_timeout', '0', false), set_config('timezone', 'UTC', false), set_config('datestyle', 'ISO', false),
      set_config('default_transaction_read_only', 'off', false), set_config('quote_all_identifiers', 'off', false),
      set_config('client_min_messages', 'notice', false)`);
  // A holder that was killed in a long statement would keep the lock until that statement ends: with this the server
  // notices within a second. Not every platform can (SQLSTATE 22023).
  await client.query(`select set_config('client_connection_check_interval', '1s', false)`).catch(() => undefined);
  // First in the search_path, so that new tables land beside those that stand.
  await client.query(
    `select set_config('search_path', quote_ident($1) || ', ' || current_setting('search_path'), false)`,
    [schema],
  );
  // A superuser who upgrades somebody's tables must not end up as the owner of what is made: the owner would be shut out.
  if (owner !== null) await client.query(`set role ${client.escapeIdentifier(owner)}`);
}

/** Where this connection leads: the schema that holds our tables, or will, and whether a pooler is in between. */
async function lookAround(client: pg.Client): Promise<{
  schema: string;
  isPooled: boolean;
  /** Of the tables, where it is another that we may act as. */ owner: string | null;
}> {
  const { rows } = await client.query<{
    pid: number;
    schema: string | null;
    owner: string | null;
    path: string;
    role: string;
  }>(`
    select pg_backend_pid() as pid,
      coalesce((select n.nspname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
                where c.oid = to_regclass('ohlcv_data')), current_schema()::text) as schema,
      (select r.rolname::text from pg_class c join pg_roles r on r.oid = c.relowner
       where c.oid = to_regclass('ohlcv_data') and r.rolname <> current_user
         and pg_has_role(current_user, r.oid, 'MEMBER')
         and has_schema_privilege(r.oid, c.relnamespace, 'CREATE')) as owner,
      current_setting('search_path') as path, current_user::text as role`);
  const { pid, schema, owner, path, role } = rows[0] ?? { pid: 0, schema: null, owner: null, path: '', role: '' };
  if (schema === null)
    throw new MigrationError(
      `the search_path of the role ${role} (${path}) leads to no schema that exists and that it may use: create one, or: alter role ${role} set search_path = …`,
      { revision: null, code: 'NO_SCHEMA' },
    );
  // A pooler names a process id of its own when one connects; the server's backend knows the true one.
  const { processID } = client as unknown as { processID?: number | null };
  return { schema, owner, isPooled: typeof processID === 'number' && processID !== pid };
}
