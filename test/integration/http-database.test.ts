import assert from 'node:assert/strict';
import { sql } from 'kysely';
import { after, before, describe, it } from 'node:test';
import { createKysely, createPool } from '../../src/db/client.ts';
import { createRepositories, type Repositories } from '../../src/db/repositories/index.ts';
import type { Problem } from '../../src/http/protocol/problems.ts';
import type { HttpApp } from '../../src/http/protocol/http-app.ts';
import type { CandleObject } from '../../src/http/formats/rows.ts';
import type { FuturesObject } from '../../src/http/routes/futures.ts';
import { parseDecimal } from '../../src/market/decimal.ts';
import { waitUntil } from '../support/patience.ts';
import { rowsAlone } from '../support/rows-alone.ts';
import { createMigratedDatabase } from '../support/database.ts';
import { execute, type TestDatabase } from '../support/postgres.ts';
import {
  BTC,
  createRecordingLogger,
  createTestApp,
  FIRST_MS,
  get as getFrom,
  HOUR_MS,
  hourlyCandles,
  iso,
} from '../unit/http/in-memory.ts';

const { logger } = createRecordingLogger();
const QUERY = 'symbol=BTC/USDT&timeframe=1h';

describe('the data routes over PostgreSQL', () => {
  let database: TestDatabase;
  let kysely: ReturnType<typeof createKysely>;
  let repositories: Repositories;
  let app: HttpApp;

  before(async () => {
    database = await createMigratedDatabase();
    kysely = createKysely(() => createPool({ url: database.url, applicationName: 'test', maxConnections: 2, logger }));
    repositories = createRepositories(kysely);
    ({ app } = createTestApp({ repositories }));
    await rowsAlone(kysely).candles(BTC, hourlyCandles(12));
    await rowsAlone(kysely).futures('binance', 'BTC/USDT', [
      { timestamp: FIRST_MS, funding_rate: parseDecimal('0.00010000') },
      { timestamp: FIRST_MS + HOUR_MS, open_interest: parseDecimal('1000.123456789') },
    ]);
  });
  after(async () => {
    await kysely.destroy();
    await database.drop();
  });

  const get = <T>(url: string, status = 200) => getFrom<T>(app, url, status);
  const times = (page: { data: { timestamp: string }[] }) => page.data.map((row) => row.timestamp);

  it('answer candles with every stored digit, page by page', async () => {
    interface CandlePage {
      data: CandleObject[];
      next: string | null;
    }
    const page = await get<CandlePage>(`/v1/ohlcv?${QUERY}&since=${iso(0)}&until=${iso(3)}&limit=2`);
    assert.deepEqual(page.data[0], {
      timestamp: iso(0),
      open: '100.00002452',
      high: '200.10',
      low: '0.000000123456',
      close: '150',
      volume: '12345678901234.5',
    });
    assert.deepEqual(times(page), [iso(0), iso(1)]);
    const rest = await get<CandlePage>(page.next ?? '');
    assert.deepEqual([times(rest), rest.next], [[iso(2)], null]);
  });

  it('answer the newest candles, also those before a moment', async () => {
    assert.deepEqual(times(await get(`/v1/ohlcv?${QUERY}&limit=2`)), [iso(10), iso(11)]);
    assert.deepEqual(times(await get(`/v1/ohlcv?${QUERY}&limit=2&until=${iso(5)}`)), [iso(3), iso(4)]);
  });

  it('answer 404 for what is not stored', async () => {
    assert.match(
      (await get<Problem>('/v1/ohlcv?symbol=BTC/USDT&timeframe=1m', 404)).detail,
      /Stored of binance BTC\/USDT: 1h/,
    );
    assert.match((await get<Problem>('/v1/futures?symbol=DOGE/USDT', 404)).detail, /Stored: binance BTC\/USDT/);
  });

  it('answer the view once it is filled', async () => {
    const hour = Math.floor(Date.now() / HOUR_MS - 2) * HOUR_MS;
    const [candle] = hourlyCandles(1);
    await rowsAlone(kysely).candles({ ...BTC, symbol: 'ETH/USDT' }, [{ ...candle!, timestamp: hour }]);
    const url = '/v1/recent?symbol=ETH/USDT&timeframe=1h&limit=5';
    const isFilled = await repositories.recentOhlcv.isPopulated();
    if (!isFilled) await get(url, 503);
    await repositories.recentOhlcv.refresh();
    assert.deepEqual(times(await get(url)), [new Date(hour).toISOString()]);
  });

  it('answer futures data and coverage', async () => {
    const { data } = await get<{ data: FuturesObject[] }>('/v1/futures?symbol=BTC/USDT');
    assert.deepEqual(
      data.map((row) => [row.timestamp, row.funding_rate, row.open_interest]),
      [
        [iso(0), '0.00010000', null],
        [iso(1), null, '1000.123456789'],
      ],
    );
    for (const [counts, candles] of [
      ['true', 12],
      ['false', null],
    ]) {
      const series = await get<{ data: { symbol: string; candles: number | null }[] }>(`/v1/series?counts=${counts}`);
      assert.equal(series.data.find((entry) => entry.symbol === 'BTC/USDT')?.candles, candles);
    }
  });

  it('answer 503 to a request whose connection is lost, and the next one as usual', async () => {
    const url = `/v1/ohlcv?${QUERY}&limit=1`;
    await kysely.transaction().execute(async (transaction) => {
      await sql`lock table ohlcv_data in access exclusive mode`.execute(transaction);
      const answered = app.inject(url);
      const waiting = `from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      await waitUntil(
        async () => (await execute(database.url, `select pg_terminate_backend(pid) ${waiting}`)).length > 0,
        'the request waits for the lock',
      );
      const response = await answered;
      assert.equal(response.statusCode, 503, response.body);
      assert.equal(response.headers['retry-after'], '5');
    });
    await get(url);
  });
});
