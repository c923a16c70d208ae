import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import type { Logger } from '../logger.ts';
import type { Database } from './schema.ts';

export interface PoolOptions {
  readonly url: string;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  readonly maxConnections: number;
  /** Cancels a statement after so long; 0: never. */
  readonly statementTimeoutMs?: number;
  /** Put first in the search_path, where the role's own does not lead to our tables; asked at each new connection. */
  readonly schema?: () => string | null;
  readonly logger: Logger;
}

/**
 * The URL with libpq's meaning of sslmode (`require` encrypts and checks no certificate, as psql does): `pg` alone
 * takes it for verify-full, so that a URL that works everywhere else would fail here.
 */
export function withLibpqMeaning(url: string): string {
  if (!/[?&]sslmode=/.test(url) || /[?&]uselibpqcompat=/.test(url)) return url;
  return `${url}&uselibpqcompat=true`;
}

/** Long enough for a server under load, short enough that a firewall that drops packets is noticed. */
const CONNECT_TIMEOUT_MS = 10_000;

/**
 * A pool whose connections may die at any time: a terminated backend is logged instead of ending the process (a `pg`
 * client without an error listener does that), and the next query gets a fresh connection.
 */
export function createPool(options: PoolOptions): pg.Pool {
  const { url, applicationName, maxConnections, statementTimeoutMs, schema, logger } = options;
  // A database may have settings of its own: with a DateStyle but ISO the driver could not read a timestamp, and in a
  // stricter isolation who waited for a lock would not see what the one before it wrote.
  const prepare = (client: pg.ClientBase) =>
    client.query(
      `select set_config('datestyle', 'ISO', false),
         set_config('default_transaction_isolation', 'read committed', false), set_config('search_path',
         coalesce(quote_ident($1::text) || ', ', '') || current_setting('search_path'), false),
         set_config('statement_timeout', coalesce($2::text, current_setting('statement_timeout')), false)`,
      // Not in the startup message: poolers refuse parameters that they do not know.
      [schema?.() ?? null, statementTimeoutMs ? String(statementTimeoutMs) : null],
    );
  const pool = new pg.Pool({
    // eslint-disable-next-line @typescript-eslint/no-misused-promises -- waited for before the connection is handed out
    onConnect: prepare,
    connectionString: withLibpqMeaning(url),
    application_name: applicationName,
    max: maxConnections,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
  });
  pool.on('error', (error) => {
    // A pool that ends forgets its connections before the server has let go of them.
    if (!pool.ending) logger.warn({ reason: error.message }, 'an idle database connection was lost');
  });
  // Idle connections report to the pool, checked-out ones to themselves: both need a listener. The query in flight
  // rejects with the error as well, so nothing is lost here.
  pool.on('connect', (client) => {
    client.on('error', (error: Error) => logger.debug({ err: error }, 'a database connection broke while in use'));
  });
  return pool;
}

/**
 * Typed access through a pool that opens at the first query, so that it can be built before the server's address is
 * known (the embedded server chooses its port when it starts). `destroy()` closes the pool.
 */
export function createKysely(createPoolWhenNeeded: () => pg.Pool): Kysely<Database> {
  return new Kysely<Database>({
    dialect: new PostgresDialect({
      pool: () => Promise.resolve(createPoolWhenNeeded()),
      controlClient: ControlClient,
    }),
  });
}

/** A connection of its own, outside the pool, which cancels a statement: the pool may be full of what is cancelled. */
class ControlClient extends pg.Client {
  constructor(options: pg.ClientConfig) {
    super(options);
    // Without a listener a server that goes away meanwhile would end the process.
    this.on('error', () => undefined);
  }
}
