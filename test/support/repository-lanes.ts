import { after, before, describe } from 'node:test';
import { createKysely, createPool } from '../../src/db/client.ts';
import { createRepositories, type Repositories } from '../../src/db/repositories/index.ts';
import { createLogger } from '../../src/logger.ts';
import { rowsAlone, type RowsAlone } from './rows-alone.ts';
import { createMigratedDatabase } from './database.ts';
import { execute, timescaleUrl, type TestDatabase } from './postgres.ts';

export interface RepositoryLane {
  readonly kind: 'plain' | 'timescale';
  readonly url: () => string;
  readonly kysely: () => ReturnType<typeof createKysely>;
  readonly repositories: () => Repositories;
  readonly rows: () => RowsAlone;
  /** Runs one statement on a connection of its own. */
  readonly query: (statement: string) => Promise<Record<string, unknown>[]>;
  /** Empties the tables. */
  readonly clear: () => Promise<void>;
}

/**
 * Declares the same tests on plain PostgreSQL and on TimescaleDB, each over a fresh database at head. Without
 * TEST_TIMESCALE_URL the second lane is skipped, and says so. The database's time zone is one with summer time, and its
 * transactions are stricter than ours, which must not matter.
 */
export function describeOnEachServer(name: string, declare: (lane: RepositoryLane) => void): void {
  for (const kind of ['plain', 'timescale'] as const) {
    const server = kind === 'timescale' ? timescaleUrl() : undefined;
    const skip = server === null ? 'TEST_TIMESCALE_URL is not set' : false;
    describe(`${name} (${kind})`, { skip }, () => {
      let database: TestDatabase | undefined;
      let kysely: ReturnType<typeof createKysely> | undefined;
      const url = () => database!.url;
      before(async () => {
        database = await createMigratedDatabase(server ? { server } : {});
        await execute(
          url(),
          `alter database "${database.name}" set timezone = 'America/New_York';
           alter database "${database.name}" set default_transaction_isolation = 'repeatable read'`,
        );
        const logger = createLogger({ level: 'silent', pretty: false });
        kysely = createKysely(() => createPool({ url: url(), applicationName: 'test', maxConnections: 5, logger }));
      });
      after(async () => {
        await kysely?.destroy();
        await database?.drop();
      });
      declare({
        kind,
        url,
        kysely: () => kysely!,
        repositories: () => createRepositories(kysely!),
        rows: () => rowsAlone(kysely!),
        query: (statement) => execute(url(), statement),
        clear: async () => {
          await execute(
            url(),
            'truncate ohlcv_data, futures_data, coverage, candle_revisions, quarantine, replicas, leases, job_runs, exchange_blocks, wanted_windows',
          );
        },
      });
    });
  }
}
