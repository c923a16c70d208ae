import { createKysely, createPool } from '../../src/db/client.ts';
import { waitForDatabase } from '../../src/db/connectivity.ts';
import type { Logger } from '../../src/logger.ts';
import { createCommandLogger } from './command-logger.ts';
import { locateDatabase } from './locate-database.ts';

export interface OpenDatabase {
  readonly kysely: ReturnType<typeof createKysely>;
  readonly url: string;
  readonly logger: Logger;
  close(): Promise<void>;
}

/**
 * The database of the service (see `locateDatabase`) for the time of a command, as its runtime role or as the owner of
 * the schema.
 *
 * @throws DatabaseUnavailableError where it cannot be reached.
 */
export async function openDatabase({ as = 'runtime' }: { as?: 'runtime' | 'owner' } = {}): Promise<OpenDatabase> {
  const logger = createCommandLogger();
  const located = await locateDatabase(logger);
  const url = as === 'owner' ? located.migrationUrl : located.url;
  try {
    await waitForDatabase({ url, timeoutMs: 0, logger });
  } catch (error) {
    await located[Symbol.asyncDispose]();
    throw error;
  }
  const pool = createPool({ url, applicationName: 'candlekeep command', maxConnections: 4, logger });
  const close = async () => {
    // Kysely ends a pool only once it has used it.
    await pool.end();
    await located[Symbol.asyncDispose]();
  };
  return { kysely: createKysely(() => pool), url, logger, close };
}
