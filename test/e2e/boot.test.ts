import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { runMigrations } from '../../src/db/migrator/run-migrations.ts';
import { createMigratedDatabase } from '../support/database.ts';
import { ExchangeStage } from '../support/exchange-stage.ts';
import { atPort, findFreePort, LoopbackProxy } from '../support/loopback-proxy.ts';
import { createTestDatabase, execute, testServerUrl, withRole } from '../support/postgres.ts';
import { runScript, startService, type ServiceProcess } from '../support/service-process.ts';

/** Nothing is collected in these tests: the exchange's port is closed. */
const NO_EXCHANGE = { EXCHANGE_URLS: 'binance=http://127.0.0.1:9', FUTURES: 'false' };

/** The service must end by itself, as failed, with one fatal line; answers its reason. */
async function failureOf(service: ServiceProcess): Promise<string> {
  const exit = await service.waitForExit();
  assert.deepEqual(exit, { code: 1, signal: null }, service.output);
  const fatal = service.logs.filter(({ level }) => level === 'fatal');
  assert.equal(fatal.length, 1, service.output);
  return String(fatal[0]!['reason']);
}

describe('boot', { concurrency: 2 }, () => {
  it('waits for a database that is down, telling so, and goes on when it comes up', async () => {
    await using database = await createTestDatabase();
    await using proxy = new LoopbackProxy({ port: await findFreePort(), targetUrl: database.url });
    await using service = startService({ ...NO_EXCHANGE, DATABASE_URL: atPort(database.url, proxy.port) });
    await service.waitForLog('the database is not reachable yet');
    const live = await service.request('/health/live');
    assert.deepEqual([live.status, live.body], [200, { status: 'alive', phase: 'connecting' }]);
    const ready = await service.request('/health/ready');
    assert.deepEqual([ready.status, ready.body['phase']], [503, 'connecting']);
    const health = await service.request('/health');
    assert.deepEqual([health.status, health.body['phase'], health.body['status']], [503, 'connecting', 'starting']);
    const data = await service.request('/v1/series');
    assert.equal(data.status, 503);
    assert.ok(Number(data.headers.get('retry-after')) > 0);
    await delay(2_000);
    await proxy.open();
    const running = await service.waitFor(({ phase }) => phase === 'running');
    assert.equal(running.schema?.version, running.schema?.head);
    assert.equal((await service.request('/health/ready')).status, 200);
  });

  it('gives up on a database that stays down after DB_CONNECT_TIMEOUT_S', async () => {
    const port = await findFreePort();
    await using service = startService({
      ...NO_EXCHANGE,
      DATABASE_URL: `postgresql://someone:Zebra@127.0.0.1:${port}/candles`,
      DB_CONNECT_TIMEOUT_S: '2',
    });
    assert.match(await failureOf(service), new RegExp(`127\\.0\\.0\\.1:${port}/candles cannot be reached`));
    assert.doesNotMatch(service.output, /Zebra/);
  });

  it('ends at once where waiting cannot help: a wrong password, a missing database', async () => {
    await using database = await createTestDatabase();
    await withRole(database, async (role) => {
      const wrong = Object.assign(new URL(role.url), { password: 'Zebra-Password' }).href;
      await using service = startService({ ...NO_EXCHANGE, DATABASE_URL: wrong });
      assert.match(await failureOf(service), /password was refused .*check user and password in DATABASE_URL/);
      assert.doesNotMatch(service.output, /Zebra/);
    });
    const missing = Object.assign(new URL(database.url), { pathname: '/no_such_database' });
    await using service = startService({ ...NO_EXCHANGE, DATABASE_URL: missing.href });
    assert.match(await failureOf(service), /no such database at .*no_such_database: create it/);
    assert.ok(!service.output.includes(missing.password), 'the password is in the output');
  });

  it('names HOST and PORT where the port is taken', async () => {
    await using stage = await ExchangeStage.open({});
    const { port } = new URL(stage.origin);
    await using service = startService({ ...NO_EXCHANGE, DATABASE_URL: await testServerUrl(), PORT: port });
    assert.match(await failureOf(service), new RegExp(`PORT=${port}: another process has this port.*set PORT`));
  });

  it('says what to do where DATA_DIR cannot be used', async () => {
    // A file in place of a folder: root, too, cannot make one in there.
    await using service = startService({ ...NO_EXCHANGE, DATA_DIR: `${import.meta.filename}/data` });
    assert.match(await failureOf(service), /boot\.test\.ts.*set DATA_DIR/s);
  });

  it('refuses a schema that is behind with MIGRATE_ON_BOOT=false, until db-upgrade has run', async () => {
    await using database = await createTestDatabase();
    const environment = { ...NO_EXCHANGE, DATABASE_URL: database.url, MIGRATE_ON_BOOT: 'false' };
    {
      await using refused = startService(environment);
      assert.match(await failureOf(refused), /the schema is at no revision.*run "npm run db-upgrade"/);
    }
    assert.deepEqual(await execute(database.url, `select from pg_class where relname = 'ohlcv_data'`), []);
    const upgrade = await runScript('db-upgrade', [], { DATABASE_URL: database.url });
    assert.equal(upgrade.code, 0, upgrade.output);
    assert.match(upgrade.output, /applied 0011_.*\(head\)/s);
    await using service = startService(environment);
    await service.waitFor(({ phase }) => phase === 'running');
    assert.equal(service.logs.filter(({ msg }) => msg === 'revision applied').length, 0);
  });

  it('names the grant that a role without the right to create needs', async () => {
    await using database = await createTestDatabase();
    await withRole(database, async (role) => {
      await using service = startService({ ...NO_EXCHANGE, DATABASE_URL: role.url });
      const reason = await failureOf(service);
      const grant = /grant usage, create on schema public to [a-z0-9_]+/.exec(reason)?.[0];
      assert.ok(grant, reason);
      assert.match(reason, /MIGRATION_DATABASE_URL/);
      await execute(database.url, grant);
      await using again = startService({ ...NO_EXCHANGE, DATABASE_URL: role.url });
      await again.waitFor(({ phase }) => phase === 'running');
      await again.end('SIGTERM');
    });
  });

  it('runs as a role that may only read and write, beside MIGRATION_DATABASE_URL', async () => {
    await using database = await createTestDatabase();
    await runMigrations(database.url, { actor: 'test', to: '0003_futures_data' });
    const rights = [
      'grant select, insert, update on all tables in schema public to $role',
      'grant usage on all sequences in schema public to $role',
      'alter default privileges in schema public grant select, insert, update on tables to $role',
      'alter default privileges in schema public grant usage on sequences to $role',
    ];
    await using stage = await ExchangeStage.open({ symbols: ['BTC/USDT'] });
    await withRole(
      database,
      async (role) => {
        const fromMs = stage.now() - 48 * 3_600_000;
        await using service = startService({
          ...stage.environment({ symbols: ['BTC/USDT'], timeframes: '1h', fromMs }),
          DATABASE_URL: role.url,
          MIGRATION_DATABASE_URL: database.url,
        });
        const health = await service.waitUntilComplete();
        assert.equal(health.schema?.version, health.schema?.head);
        await service.waitFor(({ recent_ohlcv: { refreshed_at } }) => refreshed_at !== null);
        await service.end('SIGTERM');
      },
      rights,
    );
  });

  it('names every difference of a schema that was damaged', async () => {
    await using database = await createMigratedDatabase();
    await execute(database.url, 'alter table ohlcv_data drop column volume cascade');
    await execute(database.url, 'alter table telegram_reports drop column success');
    await using service = startService({ ...NO_EXCHANGE, DATABASE_URL: database.url });
    const reason = await failureOf(service);
    assert.match(reason, /ohlcv_data.*volume/);
    assert.match(reason, /telegram_reports.*success/);
    assert.match(reason, /recent_ohlcv/);
  });
});
