import { CompiledQuery, type DatabaseConnection, type Kysely } from 'kysely';
import type { Database } from '../schema.ts';

/**
 * Runs `use` on one connection. Where `signal` aborts, the statement in flight is cancelled on the server, and this
 * rejects with the signal's reason at once; the connection goes back to the pool when the server has let go of it.
 *
 * Kysely's own way writes to standard error where a cancelled statement fails, as each does.
 */
export async function withConnection<T>(
  kysely: Kysely<Database>,
  signal: AbortSignal | undefined,
  use: (connection: DatabaseConnection) => Promise<T>,
): Promise<T> {
  const executor = kysely.getExecutor();
  if (!signal) return await executor.provideConnection(use);
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  let cancel: () => void = () => undefined;
  const onAbort = () => {
    cancel();
    aborted.reject(signal.reason as Error);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  const work = executor.provideConnection(async (connection) => {
    // Whoever asked may have left while this waited for a free connection.
    signal.throwIfAborted();
    await connection.collectSessionInfo?.();
    let cancelling: Promise<void> | undefined;
    cancel = () => {
      // That it failed, or came too late, changes nothing: the statement then ends by itself.
      cancelling = connection.cancelQuery?.((consume) => executor.provideConnection(consume)).catch(() => undefined);
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

const EARLIEST_MS = Date.parse('0001-01-01T00:00:00Z');
const LATEST_MS = Date.parse('9999-12-31T23:59:59.999Z');

/** Collects the values of a statement's parameters and answers their places in its text. */
export class Parameters {
  readonly values: unknown[] = [];

  /** `$1::type` and so on. */
  add(value: string | number, type: 'text' | 'timestamptz' | 'int' | 'float8'): string {
    return `$${this.values.push(value)}::${type}`;
  }

  /** Of what was computed past the years 1 to 9999, which ISO 8601 and PostgreSQL write alike, the nearest moment. */
  addMoment(timeMs: number): string {
    return this.add(new Date(Math.min(Math.max(timeMs, EARLIEST_MS), LATEST_MS)).toISOString(), 'timestamptz');
  }
}

/** Runs a statement that is written as text: what is asked often must not be put together from nodes each time. */
export async function executeText<Row>(
  kysely: Kysely<Database>,
  text: string,
  parameters: Parameters,
  signal?: AbortSignal,
): Promise<Row[]> {
  const query = CompiledQuery.raw(text, parameters.values);
  return await withConnection(kysely, signal, async (connection) => (await connection.executeQuery<Row>(query)).rows);
}
