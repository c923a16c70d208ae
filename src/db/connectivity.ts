import pg from 'pg';
import { DatabaseUnavailableError, messageOf, sqlStateOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { retry } from '../retry.ts';
import { withLibpqMeaning } from './client.ts';

export interface ConnectivityOptions {
  readonly url: string;
  /** How long to keep trying; 0: try once. */
  readonly timeoutMs: number;
  readonly logger: Logger;
  readonly signal?: AbortSignal;
}

export interface ServerFacts {
  /** Such as `18.4`. */
  readonly serverVersion: string;
  readonly database: string;
  readonly role: string;
  /**
   * Where this role finds `ohlcv_data`, otherwise where it would create tables; null where its search_path leads
   * nowhere.
   */
  readonly schema: string | null;
}

/** The oldest PostgreSQL that candlekeep is tested on. */
const OLDEST_MAJOR = 15;

/**
 * Waits until the database takes connections and can be written to: exponential backoff with jitter up to the timeout.
 * What waiting cannot mend (a wrong password, a missing database, an old server) fails at once.
 *
 * @throws DatabaseUnavailableError that says what to do; its text never holds the password.
 */
export async function waitForDatabase(options: ConnectivityOptions): Promise<ServerFacts> {
  const { url, timeoutMs, logger, signal } = options;
  const place = describePlace(url);
  return retry(() => probeDatabase(url, place), {
    firstMs: 250,
    maxMs: 5_000,
    deadline: Date.now() + timeoutMs,
    ...(signal ? { signal } : {}),
    isRetryable: (error) => error instanceof DatabaseUnavailableError && error.retryable,
    onRetry: (error, attempt, waitMs) =>
      logger.warn({ attempt, waitMs, reason: messageOf(error) }, 'the database is not reachable yet'),
  });
}

async function probeDatabase(url: string, place: string): Promise<ServerFacts> {
  const client = new pg.Client({
    connectionString: withLibpqMeaning(url),
    application_name: 'candlekeep connectivity',
    connectionTimeoutMillis: 10_000,
  });
  // The connection may die between two statements; the statement's own rejection is what counts.
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{
      number: number;
      version: string;
      database: string;
      role: string;
      schema: string | null;
      standby: boolean;
    }>(`
      select current_setting('server_version_num')::int as number, current_setting('server_version') as version,
        current_database() as database, current_user as role, pg_is_in_recovery() as standby,
        coalesce((select n.nspname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
                  where c.oid = to_regclass('ohlcv_data')), current_schema()::text) as schema`);
    const [facts] = rows;
    if (!facts) throw new Error('the server answered without a row');
    if (facts.number < OLDEST_MAJOR * 10_000)
      throw new DatabaseUnavailableError(
        `the server at ${place} is PostgreSQL ${facts.version}; candlekeep needs ${OLDEST_MAJOR} or newer: upgrade the server`,
        { retryable: false },
      );
    if (facts.standby)
      throw new DatabaseUnavailableError(
        `the server at ${place} is a read-only standby: point DATABASE_URL to the primary`,
        // A fail-over that is under way promotes it.
        { retryable: true },
      );
    const { version, database, role, schema } = facts;
    return { serverVersion: version.split(' ')[0] ?? version, database, role, schema };
  } catch (error) {
    throw error instanceof DatabaseUnavailableError ? error : explain(error, place);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** What each refusal means and what to do about it; null as `retryable` where waiting may help. */
const REFUSALS: Record<string, (place: string) => string> = {
  '28P01': (place) => `the password was refused at ${place}: check user and password in DATABASE_URL`,
  '28000': (place) => `the role was refused at ${place}: check the user in DATABASE_URL, and pg_hba.conf on the server`,
  '3D000': (place) => `there is no such database at ${place}: create it (createdb), or correct DATABASE_URL`,
  '42501': (place) => `the role may not connect to the database at ${place}: grant connect on database … to …`,
};

function explain(error: unknown, place: string): DatabaseUnavailableError {
  const state = sqlStateOf(error);
  const refusal = REFUSALS[state ?? '']?.(place);
  if (refusal !== undefined) return new DatabaseUnavailableError(refusal, { retryable: false, cause: error });
  const message = messageOf(error);
  // The handshake's own refusals carry no SQLSTATE and do not pass by themselves.
  if (/does not support SSL|self-signed certificate|certificate|SASL|password must be a string/i.test(message))
    return new DatabaseUnavailableError(
      `the server at ${place} and DATABASE_URL do not agree about encryption or password: ${message} (see sslmode in the URL)`,
      { retryable: false },
    );
  return new DatabaseUnavailableError(`the database at ${place} cannot be reached: ${message}`, { retryable: true });
}

/** `host:port/database`, without credentials. */
function describePlace(url: string): string {
  try {
    const { host, pathname } = new URL(url);
    return `${host === '' ? 'the local socket' : host}${pathname}`;
  } catch {
    return 'the configured address';
  }
}

/** Whether the error means that the connection, rather than the statement, failed. */
export function isConnectionLoss(error: unknown): boolean {
  const state = sqlStateOf(error);
  if (state !== null) return ['57P01', '57P02', '57P03', '53300'].includes(state) || state.startsWith('08');
  return /ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENOTFOUND|EAI_AGAIN|Connection terminated|Client has encountered a connection error|not queryable|connection timeout|timeout exceeded when trying to connect/i.test(
    messageOf(error),
  );
}
