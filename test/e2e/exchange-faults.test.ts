import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Fault } from '../../simulator/fault.ts';
import type { SeriesObject } from '../../src/http/routes/series.ts';
import { ExchangeStage, listStored } from '../support/exchange-stage.ts';
import { findFreePort } from '../support/loopback-proxy.ts';
import { MachineWatch } from '../support/machine-watch.ts';
import { waitUntil } from '../support/patience.ts';
import { createTestDatabase, execute } from '../support/postgres.ts';
import { startService, type ServiceProcess } from '../support/service-process.ts';
import { assertStoredTruth } from '../support/stored-truth.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const SYMBOL = 'BTC/USDT';
const KLINES = '/api/v3/klines';

interface Play {
  readonly stage: ExchangeStage;
  readonly start: (changes?: Record<string, string>) => ServiceProcess;
  /** Compares every stored candle of the series with what the exchange has. */
  readonly assertTruth: (timeframe?: '1m' | '1h', symbol?: string) => Promise<void>;
  readonly fromMs: number;
  readonly url: string;
}

/** An exchange with a hundred days of hourly candles to fetch, a fresh database, and a service that is not started. */
async function play(
  scene: (play: Play) => Promise<void>,
  { timeframes = '1h', hours = 2_400 }: { timeframes?: string; hours?: number } = {},
): Promise<void> {
  await using database = await createTestDatabase();
  await using stage = await ExchangeStage.open({ symbols: [SYMBOL, 'ETH/USDT'] });
  await using services = new AsyncDisposableStack();
  const fromMs = Math.floor(stage.now() / HOUR_MS) * HOUR_MS - hours * HOUR_MS;
  const start = (changes: Record<string, string> = {}) =>
    services.use(
      startService({
        DATABASE_URL: database.url,
        ...stage.environment({ symbols: [SYMBOL], timeframes, fromMs }),
        ...changes,
      }),
    );
  const assertTruth: Play['assertTruth'] = async (timeframe = '1h', symbol = SYMBOL) => {
    await assertStoredTruth({ stage, url: database.url, symbol, timeframe, fromMs });
  };
  await scene({ stage, start, assertTruth, fromMs, url: database.url });
}

async function listSeries(service: ServiceProcess): Promise<SeriesObject[]> {
  return (await service.request('/v1/series')).body['data'] as SeriesObject[];
}

describe('faults of an exchange', { concurrency: 3 }, () => {
  it('down at boot: degraded with the reason, complete when it comes up', async () => {
    await play(async ({ stage, start, assertTruth }) => {
      const port = await findFreePort();
      const service = start({ EXCHANGE_URLS: `binance=http://127.0.0.1:${port}` });
      const down = await service.waitFor(({ ingest }) => ingest.last_error !== null);
      assert.equal(down.status, 'degraded');
      assert.equal((await service.request('/health')).status, 200);
      assert.match(String(down.ingest.last_error), new RegExp(`127\\.0\\.0\\.1:${port}.*ECONNREFUSED`));
      assert.deepEqual(
        (await listSeries(service)).map(({ symbol, state }) => [symbol, state]),
        [[SYMBOL, 'backfilling']],
      );
      await stage.exchange.close();
      await stage.listen(port);
      const up = await service.waitUntilComplete();
      assert.deepEqual([up.status, up.ingest.last_error], ['healthy', null]);
      await assertTruth();
    });
  });

  it('429 with Retry-After: no request leaves before the time has passed', async () => {
    await play(async ({ stage, start, assertTruth }) => {
      let refusedAt = 0;
      let pages = 0;
      stage.intercept = ({ path, query }) => {
        if (path !== KLINES || query.get('interval') !== '1h' || ++pages !== 2) return undefined;
        refusedAt = stage.now();
        const body = { code: -1003, msg: 'Too many requests' };
        return { status: 429, headers: { 'retry-after': '5' }, body } satisfies Fault;
      };
      await using machine = new MachineWatch();
      const service = start();
      const waiting = await service.waitFor(({ ingest }) => ingest.last_error !== null);
      assert.equal(waiting.status, 'degraded');
      assert.match(String(waiting.ingest.last_error), /too many requests|asked us to wait/);
      const { reason, waitMs } = await service.waitForLog('exchange asked us to wait');
      assert.equal(reason, 'throttled');
      assert.ok(Number(waitMs) > 4_000 && Number(waitMs) <= 5_000, String(waitMs));
      await service.waitUntilComplete();
      const after = stage.exchange.requests.filter(({ atMs }) => atMs > refusedAt).map(({ atMs }) => atMs - refusedAt);
      // Those that had left when the refusal came are not blamed on it, however busy the machine.
      const early = after.filter((ms) => ms > 1_500 + machine.longestMs && ms < 5_000);
      assert.deepEqual(early, []);
      assert.ok(after.length > 0);
      await assertTruth();
    });
  });

  it('a ban: a process that is killed and started again keeps to it, and one on another address does not', async () => {
    await play(async ({ stage, start, assertTruth, url }) => {
      let isBanned = false;
      stage.intercept = ({ path }) => {
        if (path !== KLINES || isBanned) return undefined;
        isBanned = true;
        const body = { code: -1003, msg: 'Way too many requests; IP banned' };
        return { status: 418, headers: { 'retry-after': '600' }, body } satisfies Fault;
      };
      const first = start();
      await first.waitForLog('exchange asked us to wait');
      await first.waitFor(({ exchanges }) => exchanges[0]?.block?.reason === 'banned');
      const noted = () => execute(url, `select reason, address from exchange_blocks where origin <> ''`);
      await waitUntil(async () => (await noted()).length > 0, 'a note of the ban');
      assert.deepEqual(await noted(), [{ reason: 'banned', address: hostname().replaceAll(':', '-') }]);
      await first.end('SIGKILL');
      const before = stage.exchange.requests.length;
      const second = start();
      const { reason } = await second.waitForLog('the exchange told this address to wait; nothing is asked until then');
      assert.equal(reason, 'banned');
      const waiting = await second.waitFor(({ exchanges }) => exchanges[0]?.block?.reason === 'banned');
      assert.match(String(waiting.exchanges[0]?.block?.message), /IP banned/);
      await delay(3_000);
      assert.equal(stage.exchange.requests.length, before, 'not even its time is asked for');
      await second.end('SIGTERM');
      await start({ ADDRESS_NAME: 'elsewhere' }).waitUntilComplete();
      await assertTruth();
    });
  });

  it('a row that is lost: the audit notices, and it is fetched again at once', async () => {
    await play(async ({ start, assertTruth, url, fromMs }) => {
      const service = start({ AUDIT_CRON: '*/5 * * * * *' });
      await service.waitUntilComplete();
      const lost = new Date(fromMs + 100 * HOUR_MS).toISOString();
      await execute(url, `delete from ohlcv_data where timestamp = '${lost}'`);
      const isBack = async () =>
        (await execute(url, `select from ohlcv_data where timestamp = '${lost}'`)).length === 1;
      await waitUntil(isBack, 'the row is back');
      await assertTruth();
    });
  });

  const unusable: Record<string, { fault: Fault; reason: RegExp }> = {
    'HTML with status 200': {
      fault: { status: 200, body: '<html><body>We are down for maintenance</body></html>' },
      reason: /HTML instead of JSON: "<html>/,
    },
    'cut JSON with status 200': {
      fault: {
        status: 200,
        headers: { 'content-type': 'application/json' },
        body: '[[1499040000000,"0.01634790","0.80000000","0.015',
      },
      reason: /JSON that is cut or broken/,
    },
    'a connection that breaks in the middle of the answer': {
      fault: { cutAfterBytes: 2_000 },
      reason: /the connection failed/,
    },
    'a body that stalls': { fault: { stall: 'body' }, reason: /no complete answer within 20000 ms/ },
  };
  for (const [name, { fault, reason }] of Object.entries(unusable)) {
    it(`${name}: told, asked again, and nothing lost`, async () => {
      await play(async ({ stage, start, assertTruth }) => {
        stage.intercept = ({ path, query }) => (path === KLINES && query.get('interval') === '1h' ? fault : undefined);
        const service = start();
        const told = await service.waitFor(({ ingest }) => ingest.last_error !== null);
        // It lasts until it was seen, however slow this machine is.
        stage.intercept = () => undefined;
        assert.match(String(told.ingest.last_error), reason);
        assert.equal(told.status, 'degraded');
        // The line may still be in the pipe.
        await service.waitForLine(({ level }) => level === 'warn', 'a warning');
        const health = await service.waitUntilComplete();
        assert.deepEqual([health.status, health.ingest.last_error], ['healthy', null]);
        await assertTruth();
      });
    });
  }

  it('candles that cannot be: never stored and told, the rest of the page stored, the truth after a restart', async () => {
    await play(
      async ({ stage, start, assertTruth, fromMs, url }) => {
        const [crossedMs, shiftedMs] = [fromMs + 100 * MINUTE_MS, fromMs + 200 * MINUTE_MS];
        stage.intercept = ({ path, query }) => {
          if (path !== KLINES || query.get('interval') !== '1m') return undefined;
          return { rewrite: (page) => (page as unknown[][]).map((row) => spoil(row, crossedMs, shiftedMs)) };
        };
        {
          const service = start();
          await service.waitForLog('a row was refused');
          await service.waitFor(({ ingest }) => ingest.max_lag_seconds === 0);
          const told = await service.health();
          assert.equal(told.status, 'degraded');
          const [series] = await listSeries(service);
          assert.equal(series?.state, 'behind');
          assert.equal(series.missing, 2, JSON.stringify(series));
          assert.ok(series.rejected >= 2, `${series.rejected} rejected`);
          const reasons = service.logs.filter(({ msg }) => msg === 'a row was refused').map((line) => line['reason']);
          assert.ok(reasons.includes('low is above high'), String(reasons));
          assert.ok(reasons.includes('the opening time is off the 1m grid'), String(reasons));
          await service.end('SIGTERM');
        }
        const truth = stage.listTruth(SYMBOL, '1m', fromMs);
        const stored = await listStored(url, SYMBOL, '1m');
        const sound = truth.filter(([openMs]) => openMs !== crossedMs && openMs !== shiftedMs);
        assert.ok(stored.length >= sound.length - 2);
        assert.deepEqual(stored, sound.slice(0, stored.length));
        stage.intercept = () => undefined;
        await start().waitUntilComplete();
        await assertTruth('1m');
      },
      { timeframes: '1m', hours: 6 },
    );
  });

  it('an unknown symbol and an unknown timeframe are refused, and the others complete', async () => {
    await play(
      async ({ start, assertTruth }) => {
        const service = start({ MARKETS: `binance:${SYMBOL},binance:NOPE/USDT`, TIMEFRAMES: '1h,7m' });
        const health = await service.waitFor(({ ingest }) => ingest.complete === 1);
        assert.equal(health.status, 'degraded');
        assert.match(String(health.ingest.last_error), /NOPE\/USDT|7m/);
        const states = (await listSeries(service)).map((series) => [
          `${series.symbol} ${series.timeframe}`,
          series.state,
          series.last_error?.includes(series.symbol === SYMBOL ? '7m' : 'NOPE/USDT'),
        ]);
        assert.deepEqual(states, [
          ['BTC/USDT 1h', 'complete', undefined],
          ['BTC/USDT 7m', 'refused', true],
          ['NOPE/USDT 1h', 'refused', true],
          ['NOPE/USDT 7m', 'refused', true],
        ]);
        await assertTruth();
        await delay(500);
        assert.equal(service.hasExited, false);
      },
      { hours: 48 },
    );
  });
});

/** One candle gets a low above its high, another one an opening time between two minutes. */
function spoil(row: unknown[], crossedMs: number, shiftedMs: number): unknown[] {
  const [openMs, open, high, low, ...rest] = row;
  if (openMs === crossedMs) return [openMs, open, low, String(Number(high) + 1), ...rest];
  return openMs === shiftedMs ? [shiftedMs + 7_000, open, high, low, ...rest] : row;
}
