import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { config } from 'dotenv';
import { EmbeddedServer } from '../../src/db/embedded/embedded-server.ts';
import { findRunningServer } from '../../src/db/embedded/find-running-server.ts';
import { AppError, ConfigError } from '../../src/errors.ts';
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
 *
 * @throws AppError DATABASE_UNAVAILABLE where there is none yet and `create` is not set.
 */
export async function locateDatabase(
  logger: Logger,
  { create = false }: { /** Make the embedded database where there is none yet. */ create?: boolean } = {},
): Promise<LocatedDatabase> {
  config({ quiet: true });
  const url = process.env['DATABASE_URL']?.trim() ?? '';
  const migrationUrl = process.env['MIGRATION_DATABASE_URL']?.trim() ?? '';
  for (const [name, value] of Object.entries({ DATABASE_URL: url, MIGRATION_DATABASE_URL: migrationUrl }))
    if (value !== '' && (!/^postgres(ql)?:\/\//.test(value) || !URL.canParse(value)))
      throw new ConfigError([
        `${name}: must be a URL such as postgresql://user:password@host:5432/database (special characters of the password percent-encoded)`,
      ]);
  const nothingToStop = { [Symbol.asyncDispose]: () => Promise.resolve() };
  if (url !== '') return { url, migrationUrl: migrationUrl === '' ? url : migrationUrl, ...nothingToStop };

  const dataDir = resolve(process.env['DATA_DIR']?.trim() || './data');
  const running = await findRunningServer(dataDir);
  if (running !== null) return { url: running, migrationUrl: running, ...nothingToStop };

  if (!create && !existsSync(join(dataDir, 'postgres')))
    throw new AppError(
      'DATABASE_UNAVAILABLE',
      `DATABASE_URL is not set, and there is no embedded database in ${dataDir} yet: make run creates it (or set DATA_DIR)`,
    );
  const server = new EmbeddedServer({ dataDir, logger });
  const fail = (error: unknown) => logger.error({ err: error }, 'the embedded server failed');
  await server.start({ signal: new AbortController().signal, fail });
  const own = server.connectionString();
  return { url: own, migrationUrl: own, [Symbol.asyncDispose]: () => server.stop() };
}
