import { resolve } from 'node:path';
import { config } from 'dotenv';
import { EmbeddedServer } from '../../src/db/embedded/embedded-server.ts';
import { findRunningServer } from '../../src/db/embedded/find-running-server.ts';
import type { Logger } from '../../src/logger.ts';

export interface LocatedDatabase extends AsyncDisposable {
  /** As the runtime role. */
  readonly url: string;
  /** As the role that owns the schema. */
  readonly migrationUrl: string;
}

/**
 * The database that the service with this environment (and `.env`) uses: DATABASE_URL, else the embedded server of
 * DATA_DIR, which is joined where the service has it running and otherwise started for the time of the command.
 */
export async function locateDatabase(logger: Logger): Promise<LocatedDatabase> {
  config({ quiet: true });
  const url = process.env['DATABASE_URL']?.trim() ?? '';
  const migrationUrl = process.env['MIGRATION_DATABASE_URL']?.trim() ?? '';
  const nothingToStop = { [Symbol.asyncDispose]: () => Promise.resolve() };
  if (url !== '') return { url, migrationUrl: migrationUrl === '' ? url : migrationUrl, ...nothingToStop };

  const dataDir = resolve(process.env['DATA_DIR']?.trim() || './data');
  const running = await findRunningServer(dataDir);
  if (running !== null) return { url: running, migrationUrl: running, ...nothingToStop };

  const server = new EmbeddedServer({ dataDir, logger });
  const fail = (error: unknown) => logger.error({ err: error }, 'the embedded server failed');
  await server.start({ signal: new AbortController().signal, fail });
  const own = server.connectionString();
  return { url: own, migrationUrl: own, [Symbol.asyncDispose]: () => server.stop() };
}
