import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { createKysely, createPool } from '../../src/db/client.ts';
import { EmbeddedServer } from '../../src/db/embedded/embedded-server.ts';
import { runMigrations } from '../../src/db/migrator/run-migrations.ts';
import type { Logger } from '../../src/logger.ts';

export interface BenchDatabase extends AsyncDisposable {
  readonly url: string;
  readonly kysely: ReturnType<typeof createKysely>;
  /** Whether ohlcv_data is a hypertable. */
  readonly hypertable: boolean;
  /** Such as `PostgreSQL 18.1, TimescaleDB 2.26.4`. */
  readonly version: string;
  /** Runs one statement and answers its rows. */
  execute(statement: string): Promise<Record<string, unknown>[]>;
}

export interface BenchServer extends AsyncDisposable {
  /** Of a role that may create databases. */
  readonly url: string;
}

/**
 * The server at `serverUrl`, or an embedded one in a temporary folder, which waits for the disk as in production, with
 * these settings besides.
 */
export async function openBenchServer(
  serverUrl: string | null,
  logger: Logger,
  settings: Readonly<Record<string, string>> = {},
): Promise<BenchServer> {
  await using resources = new AsyncDisposableStack();
  const url = serverUrl ?? (await startServer(resources, logger, settings));
  const owned = resources.move();
  return { url, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** An empty database of its own, dropped in the end. */
export async function createEmptyDatabase(server: BenchServer): Promise<{ readonly url: string } & AsyncDisposable> {
  const name = `bench_${randomBytes(4).toString('hex')}`;
  await executeOn(server.url, `create database ${name}`);
  return {
    url: Object.assign(new URL(server.url), { pathname: `/${name}` }).href,
    [Symbol.asyncDispose]: () => executeOn(server.url, `drop database if exists ${name} with (force)`),
  };
}

/** A database of its own at head, dropped in the end. */
export async function createBenchDatabase(server: BenchServer, logger: Logger): Promise<BenchDatabase> {
  await using resources = new AsyncDisposableStack();
  const { url } = resources.use(await createEmptyDatabase(server));
  await runMigrations(url, { actor: 'bench' });
  const pool = createPool({ url, applicationName: 'candlekeep bench', maxConnections: 4, logger });
  resources.defer(() => pool.end());
  const execute = async (statement: string) => (await pool.query<Record<string, unknown>>(statement)).rows;
  const extension = await execute(`select extversion from pg_extension where extname = 'timescaledb'`);
  const [setting] = await execute('show server_version');
  const hypertables =
    extension.length === 0
      ? []
      : await execute(`select 1 from timescaledb_information.hypertables where hypertable_name = 'ohlcv_data'`);
  const timescale = extension.length === 0 ? '' : `, TimescaleDB ${String(extension[0]?.['extversion'])}`;
  const owned = resources.move();
  return {
    url,
    kysely: createKysely(() => pool),
    hypertable: hypertables.length > 0,
    version: `PostgreSQL ${String(setting?.['server_version'])}${timescale}`,
    execute,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function startServer(
  resources: AsyncDisposableStack,
  logger: Logger,
  settings: Readonly<Record<string, string>>,
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'candlekeep-bench-'));
  resources.defer(() => rm(folder, { recursive: true, force: true }));
  // As root the server runs as another user, who must be able to come through to its files.
  await chmod(folder, 0o711);
  const server = new EmbeddedServer({
    dataDir: join(folder, 'data'),
    systemDir: join(folder, 'system'),
    logger,
    settings,
  });
  await server.start({
    signal: new AbortController().signal,
    fail: (error) => logger.error({ err: error }, 'the embedded server ended during the benchmark'),
  });
  resources.defer(() => server.stop());
  return server.connectionString();
}

async function executeOn(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
