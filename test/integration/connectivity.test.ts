import assert from 'node:assert/strict';
import { createServer, connect as connectTo, type AddressInfo, type Server } from 'node:net';
import { describe, it } from 'node:test';
import { createPool } from '../../src/db/client.ts';
import { waitForDatabase } from '../../src/db/connectivity.ts';
import { DatabaseUnavailableError } from '../../src/errors.ts';
import { createLogger } from '../../src/logger.ts';
import { elapsedMs } from '../support/machine-watch.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { createTestDatabase, execute, testServerUrl, withRole } from '../support/postgres.ts';

const logger = createLogger({ level: 'silent', pretty: false });
const wait = (url: string, timeoutMs = PATIENCE_MS) => waitForDatabase({ url, timeoutMs, logger });

/** Passes each connection on to the test server. */
async function openProxy(port: number): Promise<Server> {
  const target = new URL(await testServerUrl());
  const server = createServer((socket) => {
    const upstream = connectTo(Number(target.port || 5432), target.hostname);
    socket.on('error', () => upstream.destroy()).pipe(upstream);
    upstream.on('error', () => socket.destroy()).pipe(socket);
  });
  await new Promise<void>((done, fail) => server.once('error', fail).listen(port, '127.0.0.1', done));
  return server;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

const at = (url: string, change: (url: URL) => void) => {
  const copy = new URL(url);
  change(copy);
  return copy.href;
};

async function refusalOf(url: string): Promise<DatabaseUnavailableError> {
  let error: unknown = null;
  const tookMs = await elapsedMs(async () => {
    error = await wait(url).catch((reason: unknown) => reason);
  });
  assert.ok(error instanceof DatabaseUnavailableError, String(error));
  assert.ok(tookMs < 5_000, 'it waited for what waiting cannot mend');
  return error;
}

describe('waitForDatabase', () => {
  it('says what it reached', async () => {
    await using database = await createTestDatabase();
    const facts = await wait(database.url);
    assert.equal(facts.database, database.name);
    assert.match(facts.serverVersion, /^\d+\.\d+/);
  });

  it('waits for a server that comes up later', async () => {
    const port = await freePort();
    const url = at(await testServerUrl(), (copy) => {
      copy.hostname = '127.0.0.1';
      copy.port = String(port);
    });
    const waiting = wait(url);
    await new Promise((done) => setTimeout(done, 700));
    const proxy = await openProxy(port);
    try {
      await waiting;
    } finally {
      proxy.close();
    }
  });

  it('gives up at its timeout, with the address and without the password', async () => {
    const port = await freePort();
    const url = `postgresql://me:hunter2@127.0.0.1:${port}/x`;
    await assert.rejects(wait(url, 300), (error: Error) => {
      assert.match(error.message, new RegExp(`127.0.0.1:${port}/x cannot be reached: .*ECONNREFUSED`));
      return !error.message.includes('hunter2');
    });
  });

  it('fails at once on a wrong password, where the server asks for one', async (t) => {
    await using database = await createTestDatabase();
    await withRole(database, async (role) => {
      const wrong = at(role.url, (copy) => (copy.password = 'hunter2'));
      const trusting = await wait(wrong, 0).then(
        () => true,
        () => false,
      );
      if (trusting) {
        t.skip('this server trusts every local connection');
        return;
      }
      const error = await refusalOf(wrong);
      assert.match(error.message, /password was refused .* check user and password in DATABASE_URL/);
      assert.ok(!error.message.includes('hunter2'));
    });
  });

  it('fails at once on a missing database', async () => {
    const error = await refusalOf(at(await testServerUrl(), (copy) => (copy.pathname = '/no_such_database')));
    assert.match(error.message, /there is no such database .* create it/);
  });

  it('fails at once where the server does not speak TLS and the URL demands it', async () => {
    const error = await refusalOf(at(await testServerUrl(), (copy) => copy.searchParams.set('sslmode', 'require')));
    assert.match(error.message, /sslmode/);
  });
});

describe('createPool', () => {
  it('reads moments from a database whose own settings write them otherwise', async () => {
    await using database = await createTestDatabase();
    await execute(database.url, `alter database "${database.name}" set datestyle = 'German'`);
    await execute(database.url, `alter database "${database.name}" set timezone = 'Asia/Kolkata'`);
    const pool = createPool({ url: database.url, applicationName: 'test', maxConnections: 1, logger });
    try {
      const { rows } = await pool.query<{ moment: Date }>(`select timestamptz '2026-02-03 04:05:06Z' as moment`);
      assert.equal(rows[0]?.moment.toISOString(), '2026-02-03T04:05:06.000Z');
    } finally {
      await pool.end();
    }
  });
});
