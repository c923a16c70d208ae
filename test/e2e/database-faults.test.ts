import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { EmbeddedServer } from '../../src/db/embedded/embedded-server.ts';
import { createLogger } from '../../src/logger.ts';
import { countStored, ExchangeStage } from '../support/exchange-stage.ts';
import { findFreePort } from '../support/loopback-proxy.ts';
import { waitUntil } from '../support/patience.ts';
import { createTestDatabase, execute } from '../support/postgres.ts';
import { startService, type ServiceProcess } from '../support/service-process.ts';
import { assertStoredTruth } from '../support/stored-truth.ts';
import { createTemporaryDataDir } from '../support/temporary-data-dir.ts';

const DAY_MS = 86_400_000;
const SYMBOLS = ['BTC/USDT', 'ETH/USDT'];
/** A hundred and sixty pages: some eight seconds at the pace that is kept towards Binance. */
const DAYS = 55;

async function openStage() {
  const stage = await ExchangeStage.open({ symbols: SYMBOLS });
  const fromMs = Math.floor(stage.now() / DAY_MS) * DAY_MS - DAYS * DAY_MS;
  const environment = stage.environment({ symbols: SYMBOLS, timeframes: '1m', fromMs });
  // The oldest pages stay away until the faults are over: they happen in the middle, however slow this machine is.
  const held = { isOpen: false };
  stage.intercept = ({ path, query }) => {
    const isOldest = query.get('interval') === '1m' && Number(query.get('startTime')) <= fromMs;
    return path.endsWith('/klines') && isOldest && !held.isOpen ? { stall: 'headers' } : undefined;
  };
  const release = () => {
    held.isOpen = true;
  };
  const assertTruth = async (url: string) => {
    for (const symbol of SYMBOLS) await assertStoredTruth({ stage, url, symbol, timeframe: '1m', fromMs });
  };
  return { stage, environment, release, assertTruth, [Symbol.asyncDispose]: () => stage.exchange.close() };
}

async function waitForRows(url: string, rows: number): Promise<void> {
  await waitUntil(async () => (await countStored(url)) >= rows, `${rows} rows`);
}

async function assertBackfilling(service: ServiceProcess): Promise<void> {
  const { ingest } = await service.health();
  assert.ok(ingest.complete < SYMBOLS.length, 'the backfill was over already');
}

describe('faults of the database', { concurrency: 2 }, () => {
  it('connections that are terminated in the middle of the backfill cost nothing', async () => {
    await using database = await createTestDatabase();
    await using world = await openStage();
    await using service = startService({ ...world.environment, DATABASE_URL: database.url });
    await service.waitFor(({ phase }) => phase === 'running');
    let terminated = 0;
    for (const rows of [5_000, 20_000, 40_000]) {
      await waitForRows(database.url, rows);
      await assertBackfilling(service);
      const gone = await execute(
        database.url,
        `select pg_terminate_backend(pid) as gone from pg_stat_activity
         where datname = '${database.name}' and application_name like 'candlekeep%'`,
      );
      terminated += gone.length;
    }
    assert.ok(terminated >= 3, `${terminated} connections were terminated`);
    world.release();
    const health = await service.waitUntilComplete();
    assert.deepEqual([health.status, health.ingest.last_error], ['healthy', null]);
    await world.assertTruth(database.url);
    assert.equal((await service.end('SIGTERM')).code, 0);
  });

  it('a server that stops and starts in the middle of the backfill: unhealthy meanwhile, complete afterwards', async () => {
    await using folder = await createTemporaryDataDir();
    const logger = createLogger({ level: 'silent', pretty: false });
    const port = await findFreePort();
    const server = new EmbeddedServer({ dataDir: folder.path, port, logger, settings: { fsync: 'off' } });
    const start = async () => {
      await server.start({ signal: new AbortController().signal, fail: () => assert.fail('the server failed') });
      return server.connectionString();
    };
    await using running = new AsyncDisposableStack();
    running.defer(() => server.stop());
    const url = await start();
    await using world = await openStage();
    await using service = startService({ ...world.environment, DATABASE_URL: url });
    await service.waitFor(({ phase }) => phase === 'running');
    await waitForRows(url, 10_000);
    await assertBackfilling(service);
    const kept = await countStored(url);
    await server.stop();
    const down = await service.waitFor(({ status }) => status === 'unhealthy');
    assert.deepEqual([down.phase, down.components.database], ['running', 'down']);
    assert.equal((await service.request('/health')).status, 503);
    assert.equal((await service.request('/health/ready')).status, 503);
    assert.equal((await service.request('/health/live')).status, 200);
    const read = await service.request('/v1/ohlcv?symbol=BTC/USDT&timeframe=1m');
    assert.equal(read.status, 503);
    assert.match(String(read.body['type']), /database-unavailable$/);
    const asked = world.stage.exchange.requestCount;
    await delay(3_000);
    const more = world.stage.exchange.requestCount - asked;
    assert.ok(more <= 4, `${more} requests to the exchange while nothing could be stored`);
    assert.equal(await start(), url);
    assert.ok((await countStored(url)) >= kept);
    world.release();
    const health = await service.waitUntilComplete();
    assert.deepEqual([health.status, health.ingest.last_error], ['healthy', null]);
    await world.assertTruth(url);
    assert.equal((await service.end('SIGTERM')).code, 0);
  });
});
