import { createKysely, createPool } from '../../src/db/client.ts';
import { readSnapshot, type SchemaSnapshot } from '../../src/db/migrator/read-snapshot.ts';
import { runMigrations } from '../../src/db/migrator/run-migrations.ts';
import { createTestDatabase } from '../../test/support/postgres.ts';
import { createCommandLogger } from './command-logger.ts';

/**
 * What all revisions make of an empty database, which is dropped again.
 *
 * @param server a URL whose role may create databases; default: TEST_PG_URL, otherwise one that is started.
 */
export async function makeSchemaSnapshot(server?: string): Promise<SchemaSnapshot> {
  const logger = createCommandLogger();
  await using database = await createTestDatabase(server === undefined ? {} : { server });
  await runMigrations(database.url, { actor: 'schema:write', logger });
  const kysely = createKysely(() =>
    createPool({ url: database.url, applicationName: 'candlekeep schema:write', maxConnections: 1, logger }),
  );
  try {
    return await readSnapshot(kysely, 'public');
  } finally {
    await kysely.destroy();
  }
}
