import { existsSync, realpathSync, rmSync } from 'node:fs';
import { chmod, mkdtemp } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import { EmbeddedServer } from '../../src/db/embedded/embedded-server.ts';
import { sqlStateOf } from '../../src/errors.ts';
import { createLogger } from '../../src/logger.ts';
import { retry } from '../../src/retry.ts';
import { PATIENCE_MS } from './patience.ts';

/** Fast rather than safe: nothing of a test has to survive a crash of the machine. */
const TEST_SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_connections: '200',
};
// A template database that a background worker just looks at; it goes away by itself.
const OBJECT_IN_USE = '55006';

/** A database of a test's own, dropped with every connection to it by `drop` or `await using`. */
export interface TestDatabase extends AsyncDisposable {
  /** As the server's superuser (or whoever the server's URL names). */
  readonly url: string;
  readonly name: string;
  drop(): Promise<void>;
}

/** A login role of a test's own with no rights but those of PUBLIC. */
export interface TestRole {
  readonly name: string;
  readonly password: string;
  /** The same database as this role. */
  readonly url: string;
}

/**
 * Starts a server in a temporary folder; `url` names its superuser. `stop` also removes the folder. A process that
 * ends without `stop` takes both with it.
 */
export async function startServerForTests(): Promise<{ url: string; stop: () => Promise<void> }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'candlekeep-test-'));
  // As root the server's own user must pass; what is private in there has modes of its own.
  await chmod(dataDir, 0o755);
  const server = new EmbeddedServer({
    dataDir,
    logger: createLogger({ level: 'warn', pretty: false }),
    settings: TEST_SETTINGS,
  });
  await server.start({
    signal: new AbortController().signal,
    fail: (error) => {
      throw error;
    },
  });
  const remove = () => {
    // As root the database may lie elsewhere, see `placeCluster`.
    const cluster = realpathSync(join(dataDir, 'postgres'));
    waitWhileExists(join(cluster, 'postmaster.pid'));
    const folders = dirname(cluster) === dataDir ? [dataDir] : [dirname(cluster), dataDir];
    for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  };
  // The server's own exit hook, registered before this one, has just told it to stop.
  process.once('exit', remove);
  return {
    url: server.connectionString(),
    stop: async () => {
      await server.stop();
      process.removeListener('exit', remove);
      remove();
    },
  };
}

let shared: Promise<string> | null = null;

/** The URL of the test server: TEST_PG_URL, else one that this process starts once and that ends with it. */
export async function testServerUrl(): Promise<string> {
  const given = process.env['TEST_PG_URL'];
  if (given !== undefined && given !== '') return given;
  return await (shared ??= startServerForTests().then(({ url }) => url));
}

/** The URL of a server with TimescaleDB, TEST_TIMESCALE_URL, or null: such tests then skip and say so. */
export function timescaleUrl(): string | null {
  const given = process.env['TEST_TIMESCALE_URL'];
  return given === undefined || given === '' ? null : given;
}

/**
 * Creates a database with a random name on the test server, or on `server` (a URL whose role may create databases).
 * `template`: a database of that server to copy, to which nobody may be connected.
 */
export async function createTestDatabase(options: { template?: string; server?: string } = {}): Promise<TestDatabase> {
  const server = options.server ?? (await testServerUrl());
  const name = `test_${randomBytes(6).toString('hex')}`;
  const template = options.template === undefined ? '' : ` template ${quoted(options.template)}`;
  await retry(async () => await execute(server, `create database ${quoted(name)}${template}`), {
    firstMs: 100,
    maxMs: 1000,
    deadline: Date.now() + PATIENCE_MS,
    isRetryable: (error) => sqlStateOf(error) === OBJECT_IN_USE,
  });
  const drop = async () => {
    await execute(server, `drop database if exists ${quoted(name)} with (force)`);
  };
  return { url: urlWith(server, { pathname: `/${name}` }), name, drop, [Symbol.asyncDispose]: drop };
}

/**
 * Runs `use` with a new role that may log in and nothing else; `grants` are statements run first as the database's
 * owner, in which `$role` stands for its quoted name. Afterwards the role goes, with what it owns in this database.
 */
export async function withRole<T>(
  database: Pick<TestDatabase, 'url'>,
  use: (role: TestRole) => Promise<T>,
  grants: readonly string[] = [],
): Promise<T> {
  const name = `role_${randomBytes(6).toString('hex')}`;
  const password = randomBytes(12).toString('hex');
  await execute(database.url, `create role ${quoted(name)} login password '${password}'`);
  try {
    for (const grant of grants) await execute(database.url, grant.replaceAll('$role', quoted(name)));
    return await use({ name, password, url: urlWith(database.url, { username: name, password }) });
  } finally {
    await execute(database.url, `drop owned by ${quoted(name)} cascade`);
    await execute(database.url, `drop role ${quoted(name)}`);
  }
}

/** Runs one statement on a connection of its own and answers its rows. */
export async function execute(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: PATIENCE_MS });
  // A connection that the server ends would otherwise end the test process; the query rejects as well.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** The same URL with other parts. */
export function urlWith(url: string, parts: Partial<Pick<URL, 'pathname' | 'username' | 'password'>>): string {
  return Object.assign(new URL(url), parts).href;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Blocks, because nothing else can wait while a process exits. */
function waitWhileExists(path: string): void {
  const tick = new Int32Array(new SharedArrayBuffer(4));
  for (const deadline = Date.now() + PATIENCE_MS; existsSync(path) && Date.now() < deadline;)
    Atomics.wait(tick, 0, 0, 20);
}
