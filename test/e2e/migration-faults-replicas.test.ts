import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { EmbeddedServer } from '../../src/db/embedded/embedded-server.ts';
import { createLogger } from '../../src/logger.ts';
import { BuildCopy, HELD_REVISION, letGo } from '../support/build-copy.ts';
import { atPort, findFreePort, LoopbackProxy } from '../support/loopback-proxy.ts';
import {
  assertConverged,
  createPredecessor,
  listHistory,
  listLedger,
  listMigrationLocks,
  NO_EXCHANGE,
  waitForBackend,
} from '../support/migration-stage.ts';
import { createTestDatabase, execute } from '../support/postgres.ts';
import { startService, type ServiceProcess } from '../support/service-process.ts';
import { createTemporaryDataDir } from '../support/temporary-data-dir.ts';

const [SLOW = ''] = Object.keys(HELD_REVISION);

function assertToldState(service: ServiceProcess, sqlState: string): void {
  assert.ok(
    service.logs.some((line) => line.level === 'warn' && JSON.stringify(line).includes(sqlState)),
    service.output,
  );
}

describe('migration faults: replicas, lost connections and servers', { concurrency: 2 }, () => {
  let slow: BuildCopy;
  before(async () => {
    slow = await BuildCopy.create(HELD_REVISION);
  });
  after(() => slow[Symbol.asyncDispose]());
  const startSlow = (url: string, env: Record<string, string> = {}, script = 'src/main.ts') =>
    startService({ ...NO_EXCHANGE, DATABASE_URL: url, ...env }, { script: slow.script(script) });

  it('five services that boot at once on an empty database run each revision once, and all get ready', async () => {
    await using database = await createTestDatabase();
    const services = Array.from({ length: 5 }, () => startService({ ...NO_EXCHANGE, DATABASE_URL: database.url }));
    await using stack = new AsyncDisposableStack();
    for (const service of services) stack.use(service);
    await Promise.all(services.map((service) => service.waitFor(({ phase }) => phase === 'running')));
    const ups = (await listHistory(database.url)).filter(({ action }) => action === 'up');
    assert.deepEqual(
      ups.map(({ subject, outcome }) => [subject, outcome]),
      (await listLedger(database.url)).map((name) => [name, 'applied']),
    );
    const applied = services.flatMap(({ logs }) => logs.filter(({ msg }) => msg === 'revision applied'));
    assert.equal(applied.length, ups.length);
    assert.deepEqual(await listMigrationLocks(database.url), []);
    const exits = await Promise.all(services.map((service) => service.end('SIGTERM')));
    assert.deepEqual(
      exits,
      exits.map(() => ({ code: 0, signal: null })),
    );
  });

  it('terminated backends of holder and waiter: both services go on by themselves and end ready', async () => {
    await using database = await createTestDatabase();
    // The holder loses its connection later than it would wait for a server at its start.
    await using holder = startSlow(database.url, { DB_CONNECT_TIMEOUT_S: '2' });
    const held = await waitForBackend(database.url, `candlekeep ${SLOW}`, 'pg_sleep');
    await using waiter = startSlow(database.url);
    const waiting = await waitForBackend(database.url, 'candlekeep starting', '');
    const line = await waiter.waitForLog('waiting for another process that is migrating this database');
    assert.match(
      String(line['holder']),
      new RegExp(`^candlekeep ${SLOW} \\S+:${holder.pid} \\(pid ${held}, for \\d+ s\\)$`),
    );
    await delay(1_000);
    await execute(database.url, `select pg_terminate_backend(${waiting}), pg_terminate_backend(${held})`);
    for (const one of [holder, waiter]) await one.waitForLog('the connection was lost while migrating');
    await letGo(database.url);
    await Promise.all([holder, waiter].map((one) => one.waitFor(({ phase }) => phase === 'running')));
    assertToldState(holder, '57P01');
    assertToldState(waiter, '57P01');
    const entries = (await listHistory(database.url)).filter(({ subject }) => subject === SLOW);
    assert.deepEqual(
      entries.map(({ outcome }) => outcome),
      ['interrupted', 'applied'],
    );
    assert.deepEqual(await listMigrationLocks(database.url), []);
    for (const one of [holder, waiter]) assert.equal((await one.end('SIGTERM')).code, 0);
  });

  it('a terminated backend of db-upgrade: exit code 1, the true SQLSTATE and what to do', async () => {
    await using database = await createTestDatabase();
    await using upgrade = startSlow(database.url, {}, 'scripts/db-upgrade.ts');
    const held = await waitForBackend(database.url, `candlekeep ${SLOW}`, 'pg_sleep');
    await execute(database.url, `select pg_terminate_backend(${held})`);
    assert.deepEqual(await upgrade.waitForExit(), { code: 1, signal: null });
    assert.match(upgrade.output, new RegExp(`revision ${SLOW} failed: .*\\(SQLSTATE 57P01\\).*start again`));
    assert.equal((await listLedger(database.url)).at(-1), '0011_unwitnessed_silence');
    assert.deepEqual(await listMigrationLocks(database.url), []);
  });

  it('a process that waits too long ends with 1 and names the holder', async () => {
    await using database = await createTestDatabase();
    await using holder = startSlow(database.url);
    await waitForBackend(database.url, `candlekeep ${SLOW}`, 'pg_sleep');
    const env = { MIGRATION_LOCK_WAIT_S: '1' };
    await using service = startSlow(database.url, env);
    await using command = startSlow(database.url, env, 'scripts/db-upgrade.ts');
    await using unwilling = startSlow(database.url, { MIGRATE_ON_BOOT: 'false' });
    const text = new RegExp(
      `another upgrade is running: candlekeep ${SLOW} \\S+:${holder.pid} \\(pid \\d+, for \\d+ s\\)`,
    );
    for (const one of [service, command]) {
      assert.deepEqual(await one.waitForExit(), { code: 1, signal: null });
      assert.match(one.output, text);
    }
    assert.deepEqual(await unwilling.waitForExit(), { code: 1, signal: null });
    assert.match(unwilling.output, new RegExp(`pending: ${SLOW}`));
    await letGo(database.url);
    await holder.waitFor(({ phase }) => phase === 'running');
    const entries = (await listHistory(database.url)).filter(({ subject }) => subject === SLOW);
    assert.deepEqual(
      entries.map(({ outcome }) => outcome),
      ['applied'],
    );
    assert.deepEqual(await listMigrationLocks(database.url), []);
  });

  it('a database that comes up seconds after the boot is migrated then', async () => {
    await using predecessor = await createPredecessor();
    const reference = await predecessor.reference();
    await using database = await predecessor.copy();
    await using proxy = new LoopbackProxy({ port: await findFreePort(), targetUrl: database.url });
    await using service = startService({ ...NO_EXCHANGE, DATABASE_URL: atPort(database.url, proxy.port) });
    await service.waitForLog('the database is not reachable yet');
    await delay(3_000);
    assert.equal((await service.request('/health/live')).status, 200);
    await proxy.open();
    await service.waitFor(({ phase }) => phase === 'running');
    await assertConverged(database.url, reference);
    assert.equal((await service.end('SIGTERM')).code, 0);
  });

  it('a server that stops in the middle of a migration and comes back: the service goes on by itself', async () => {
    await using folder = await createTemporaryDataDir();
    const logger = createLogger({ level: 'silent', pretty: false });
    const port = await findFreePort();
    const server = new EmbeddedServer({ dataDir: folder.path, port, logger, settings: { fsync: 'off' } });
    const start = () =>
      server.start({ signal: new AbortController().signal, fail: () => assert.fail('the server failed') });
    await using running = new AsyncDisposableStack();
    running.defer(() => server.stop());
    await start();
    const url = server.connectionString();
    await using service = startSlow(url);
    await waitForBackend(url, `candlekeep ${SLOW}`, 'pg_sleep');
    await server.stop();
    await service.waitForLog('the connection was lost while migrating');
    assertToldState(service, '57P01');
    assert.equal((await service.request('/health/live')).status, 200);
    assert.equal((await service.request('/health/ready')).status, 503);
    await delay(1_000);
    await start();
    await letGo(url);
    const health = await service.waitFor(({ phase }) => phase === 'running');
    assert.equal(health.schema?.version, SLOW);
    const entries = (await listHistory(url)).filter(({ subject }) => subject === SLOW);
    assert.deepEqual(
      entries.map(({ outcome }) => outcome),
      ['interrupted', 'applied'],
    );
    assert.deepEqual(await listMigrationLocks(url), []);
    assert.equal((await service.end('SIGTERM')).code, 0);
  });
});
