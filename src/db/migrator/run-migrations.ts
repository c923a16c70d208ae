import { ConfigError } from '../../errors.ts';
import { createLogger, type Logger } from '../../logger.ts';
import { SchemaMigrator } from './schema-migrator.ts';
import type { UpgradeResult } from './schema-status.ts';

/**
 * Brings a database to head, as a deployment step or from other programs.
 *
 * @param databaseUrl libpq URL of the role that owns the schema; default: MIGRATION_DATABASE_URL, then DATABASE_URL.
 * @throws ConfigError where no URL is given or set; MigrationError as SchemaMigrator.upgrade does.
 */
export async function runMigrations(
  databaseUrl?: string,
  {
    to = 'head',
    actor = 'function',
    lockWaitMs = 600_000,
    logger = createLogger({ level: 'warn', pretty: false }),
  }: {
    to?: string;
    actor?: string;
    lockWaitMs?: number;
    logger?: Logger;
  } = {},
): Promise<UpgradeResult> {
  // eslint-disable-next-line no-restricted-syntax -- the predecessor's function read the environment too, and callers rely on it
  const environment = process.env;
  const url = databaseUrl ?? environment['MIGRATION_DATABASE_URL'] ?? environment['DATABASE_URL'];
  if (url === undefined || url === '') throw new ConfigError(['DATABASE_URL: is not set, and no URL was given']);
  if (!/^postgres(ql)?:\/\//.test(url))
    throw new ConfigError(['the database URL: must begin with postgresql:// (or postgres://)']);
  return new SchemaMigrator({ url: () => url, lockWaitMs, logger }).upgrade({ to, actor });
}
