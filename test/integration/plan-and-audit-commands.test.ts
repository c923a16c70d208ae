import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createKysely, createPool } from '../../src/db/client.ts';
import { createRepositories } from '../../src/db/repositories/index.ts';
import type { BackfillPlan } from '../../src/market/backfill-plan.ts';
import type { AuditReport } from '../../src/jobs/run-audit.ts';
import type { CoverageKey, CoverageRange, CoverageState } from '../../src/market/coverage.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { rowsAlone } from '../support/rows-alone.ts';
import { candlesFrom, seriesOf } from '../support/candles.ts';
import { createMigratedDatabase } from '../support/database.ts';
import { ExchangeStage } from '../support/exchange-stage.ts';
import { createKeptLog } from '../support/kept-log.ts';
import { execute, type TestDatabase } from '../support/postgres.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const BTC = seriesOf('binance', 'BTC/USDT', '1h');
const BTC_KEY: CoverageKey = { ...BTC, metric: 'ohlcv' };

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function range(since: number, until: number, state: CoverageState = 'have'): CoverageRange {
  return { since, until, state, asks: 0, firstAskedAt: null, lastAskedAt: null, reason: null };
}

describe('plan and audit', () => {
  let database: TestDatabase;
  let kysely: ReturnType<typeof createKysely>;
  let stage: ExchangeStage;
  let cwd: string;
  before(async () => {
    database = await createMigratedDatabase();
    const { logger } = createKeptLog();
    kysely = createKysely(() => createPool({ url: database.url, applicationName: 'test', maxConnections: 2, logger }));
    stage = await ExchangeStage.open({ symbols: ['BTC/USDT', 'ETH/USDT'] });
    cwd = await mkdtemp(join(tmpdir(), 'candlekeep-plan-'));
  });
  after(async () => {
    await kysely.destroy();
    await stage[Symbol.asyncDispose]();
    await database.drop();
    await rm(cwd, { recursive: true });
  });

  /** In an empty folder, so that no `.env` is read. */
  async function run(
    script: 'plan' | 'audit',
    args: string[] = [],
    env: Record<string, string> = {},
  ): Promise<Outcome> {
    const { promise, resolve: settle } = Promise.withResolvers<Outcome>();
    const path = resolve(import.meta.dirname, `../../scripts/${script}.ts`);
    const environment = { PATH: process.env['PATH'], DATABASE_URL: database.url, ...env };
    execFile(
      process.execPath,
      [path, ...args],
      { cwd, env: environment, timeout: PATIENCE_MS },
      (error, stdout, stderr) =>
        settle({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, stdout, stderr }),
    );
    return await promise;
  }
  const collecting = (more: Record<string, string> = {}) => ({
    EXCHANGE_URLS: `binance=${stage.origin}`,
    MARKETS: 'binance:*/USDT',
    TIMEFRAMES: '1m,1h',
    BACKFILL_DAYS: '100',
    ...more,
  });

  it('plan without a database counts everything, and touches nothing', async () => {
    const before = stage.exchange.requests.length;
    const outcome = await run('plan', ['--json'], collecting({ DATABASE_URL: '' }));
    assert.equal(outcome.code, 0, outcome.stderr);
    const plan = JSON.parse(outcome.stdout) as BackfillPlan;
    const [binance] = plan.exchanges;
    // The window begins and ends inside a slot, and the statistics of thirty days just not with the first hour.
    const days = (slots: number, perDay: number) => Math.round(slots / 2 / perDay);
    assert.deepEqual(
      binance?.lines.map(({ metric, timeframe, series, slots }) => [
        metric,
        timeframe,
        series,
        days(slots, timeframe === '1m' ? 1440 : metric === 'funding_rate' ? 3 : 24),
      ]),
      [
        ['ohlcv', '1m', 2, 100],
        ['ohlcv', '1h', 2, 100],
        ['open_interest', '1h', 2, 30],
        ['top_trader_ratio', '1h', 2, 30],
        ['taker_buy_sell_ratio', '1h', 2, 30],
        ['funding_rate', '1h', 2, 100],
        ['mark_price', '1h', 2, 100],
      ],
    );
    // 144 pages of minutes, 3 of hours, 2 pages of each statistic, 1 of funding, 5 of mark prices; for both.
    assert.equal(plan.total.requests, 2 * (144 + 3 + 3 * 2 + 1 + 5));
    assert.equal(plan.total.rows, 2 * (100 * 1440 - 1 + 2 * (100 * 24 - 1)));
    assert.ok(plan.total.minutes !== null && plan.total.minutes < 2, String(plan.total.minutes));
    assert.deepEqual(plan.left_out, []);
    const asked = stage.exchange.requests.slice(before).map(({ path }) => path.replace(/^.*\//, ''));
    assert.deepEqual([...new Set(asked)].toSorted(), ['exchangeInfo', 'time'], 'no row of anything');
  });

  it('plan counts what the ledger or the rows lack, in words too', async () => {
    const now = Math.floor(stage.now() / HOUR) * HOUR;
    const repositories = createRepositories(kysely);
    // Of a hundred hours: forty stored and noted, ten noted as empty, twenty stored and not noted.
    await rowsAlone(kysely).candles(BTC, candlesFrom(now - 40 * HOUR, HOUR, 40));
    await repositories.coverage.record(BTC_KEY, [
      range(now - 60 * HOUR, now - 50 * HOUR, 'missing'),
      range(now - 50 * HOUR, now - 40 * HOUR, 'confirmed_empty'),
      range(now - 40 * HOUR, now),
    ]);
    await rowsAlone(kysely).candles(BTC, candlesFrom(now - 90 * HOUR, HOUR, 20));
    const env = collecting({
      MARKETS: 'binance:BTC/USDT,binance:NOPE/USDT',
      TIMEFRAMES: '1h',
      FUTURES: 'false',
      BACKFILL_DAYS: '1',
      BACKFILL_FROM: new Date(now - 100 * HOUR).toISOString(),
    });
    const outcome = await run('plan', ['--json'], env);
    assert.equal(outcome.code, 3, outcome.stderr);
    const plan = JSON.parse(outcome.stdout) as BackfillPlan;
    assert.equal(plan.total.slots, 100 - 40 - 10 - 20 + (Math.floor(stage.now() / HOUR) * HOUR - now) / HOUR);
    assert.equal(plan.total.requests, 2);
    assert.match(plan.left_out.join(), /no market NOPE\/USDT/);
    const text = (await run('plan', [], env)).stdout;
    for (const part of [
      /^binance\n {2}candles 1h .* 1 series, 30 candles, 2 requests$/m,
      /allowance spot .* 4 of 6,000 per 60 s: less than a minute/,
      /^At most 2 requests, less than a minute, 30 rows, 6\.5 kB\.$/m,
      /^! binance has no market NOPE\/USDT/m,
    ])
      assert.match(text, part);
  });

  it('plan names an exchange that does not answer, and a configuration that is none', async () => {
    const away = await run('plan', [], collecting({ EXCHANGE_URLS: 'binance=http://127.0.0.1:1' }));
    assert.equal(away.code, 3, away.stderr);
    assert.match(away.stdout, /not known/);
    assert.doesNotMatch(away.stdout, /At most/);
    assert.match(away.stdout, /^! binance cannot be planned: /m);
    const wrong = await run('plan', [], collecting({ TIMEFRAMES: '7q' }));
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /TIMEFRAMES: "7q"/);
  });

  it('audit tells differences with 3, repairs them with 0, and is content with 0', async () => {
    await execute(database.url, 'truncate ohlcv_data, coverage');
    const repositories = createRepositories(kysely);
    const since = Date.UTC(2026, 0, 1);
    await rowsAlone(kysely).candles(BTC, candlesFrom(since, HOUR, 24));
    await repositories.coverage.record(BTC_KEY, [range(since, since + DAY), range(since + DAY, since + 2 * DAY)]);
    const seen = await run('audit');
    assert.equal(seen.code, 3, seen.stderr);
    assert.match(seen.stdout, /have_without_row +24\n/);
    assert.match(
      seen.stdout,
      /! binance BTC\/USDT 1h ohlcv: have_without_row, 2026-01-02T00:00:00\.000Z to 2026-01-03/,
    );
    assert.match(seen.stdout, /make audit REPAIR=1/);
    for (const args of [
      ['--symbol', 'ETH/USDT'],
      ['--exchange', 'nope'],
      ['--exchange', 'nope', '--recheck-empty'],
    ]) {
      const other = await run('audit', args);
      assert.equal(other.code, 3, 'nothing of it is there');
      assert.match(other.stdout, /^nothing matches/);
    }
    const repaired = await run('audit', ['--repair', '--json']);
    assert.equal(repaired.code, 0, repaired.stderr);
    assert.deepEqual([(JSON.parse(repaired.stdout) as AuditReport).repaired], [1]);
    const content = await run('audit');
    assert.equal(content.code, 0);
    assert.match(content.stdout, /the ledger is true/);
    assert.deepEqual(
      (await repositories.coverage.list(BTC_KEY)).map(({ state }) => state),
      ['have', 'missing'],
    );
  });

  it('audit has what was confirmed as empty asked for again', async () => {
    await execute(database.url, 'truncate ohlcv_data, coverage');
    const { coverage } = createRepositories(kysely);
    const since = Date.UTC(2026, 0, 1);
    const empty = range(since, since + DAY, 'confirmed_empty');
    await coverage.record(BTC_KEY, [{ ...empty, asks: 2, firstAskedAt: since, lastAskedAt: since + DAY }]);
    const done = await run('audit', ['--recheck-empty', '--exchange', 'binance', '--timeframe', '1h']);
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, /^24 slots of 1 series/);
    const [kept] = await coverage.list(BTC_KEY);
    assert.deepEqual([kept?.state, kept?.asks, kept?.lastAskedAt], ['missing', 0, null]);
    assert.match(kept?.reason ?? '', /somebody asked/);
    // Hands know no grid.
    await execute(
      database.url,
      `truncate coverage; insert into coverage (exchange, symbol, timeframe, metric, since, until, state)
        values ('binance', 'BTC/USDT', '1h', 'ohlcv', '2026-01-01T00:00Z', '2026-01-01T05:30Z', 'confirmed_empty')`,
    );
    const cut = await run('audit', ['--recheck-empty']);
    assert.equal(cut.code, 0, cut.stderr);
    assert.deepEqual(
      (await coverage.list(BTC_KEY)).map(({ state, since: at }) => [state, (at - since) / HOUR]),
      [
        ['missing', 0],
        ['confirmed_empty', 5],
      ],
    );
  });

  it('explain themselves, and refuse what they do not know', async () => {
    for (const script of ['plan', 'audit'] as const) {
      const help = await run(script, ['--help']);
      assert.deepEqual([help.code, help.stderr], [0, '']);
      assert.match(help.stdout, new RegExp(`npm run ${script}`));
      assert.equal((await run(script, ['--wat'])).code, 2);
    }
    assert.equal((await run('audit', ['--since', 'yesterday'])).code, 2);
  });
});
