import { Kysely, PostgresDialect, type ConnectionProvider, type DatabaseConnection, type Driver } from 'kysely';
import type { Database } from '../schema.ts';

/**
 * The same database for whoever may lose interest: when `signal` aborts, statements in flight are cancelled on the
 * server, and they and all later ones reject with the signal's reason. For reading: it begins no transaction.
 *
 * Kysely can give a signal to a single query, but what must be given each time is forgotten once, and where a cancelled
 * statement fails, as each does, it writes to standard error.
 */
export function cancelledBy(kysely: Kysely<Database>, signal: AbortSignal): Kysely<Database> {
  const pool = kysely.getExecutor();
  const executor = pool.withConnectionProvider({
    provideConnection: (consumer) => provideCancellable(pool, signal, consumer),
  });
  return new Kysely<Database>({ config: { dialect: DIALECT }, dialect: DIALECT, driver: READING, executor });
}

/**
 * Hands out one connection. Where `signal` aborts, this rejects at once; the connection goes back to the pool when the
 * server has let go of it.
 */
async function provideCancellable<T>(
  pool: ConnectionProvider,
  signal: AbortSignal,
  use: (connection: DatabaseConnection) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  let cancel: () => void = () => undefined;
  const onAbort = () => {
    cancel();
    aborted.reject(signal.reason as Error);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  const work = pool.provideConnection(async (connection) => {
    // Whoever asked may have left while this waited for a free connection.
    signal.throwIfAborted();
    await connection.collectSessionInfo?.();
    let cancelling: Promise<void> | undefined;
    cancel = () => {
      // That it failed, or came too late, changes nothing: the statement then ends by itself.
      cancelling = connection.cancelQuery?.((consume) => pool.provideConnection(consume)).catch(() => undefined);
    };
    try {
      return await use(connection);
    } finally {
      cancel = () => undefined;
      await cancelling;
    }
  });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
    // One of the two lost the race; nobody waits for its failure.
    work.catch(() => undefined);
    aborted.promise.catch(() => undefined);
  }
}

const DIALECT = new PostgresDialect({ pool: refuse });

/** Connections come from the pool's own executor; what would need a driver is refused. */
const READING: Driver = {
  init: () => Promise.resolve(),
  acquireConnection: refuse,
  beginTransaction: refuse,
  commitTransaction: refuse,
  rollbackTransaction: refuse,
  releaseConnection: () => Promise.resolve(),
  destroy: () => Promise.resolve(),
};

function refuse(): Promise<never> {
  return Promise.reject(new Error('what a request reads through begins no transaction'));
}
