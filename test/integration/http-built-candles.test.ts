import assert from 'node:assert/strict';
import { parquetReadObjects } from 'hyparquet';
import { after, before, describe, it, mock } from 'node:test';
import { createKysely, createPool } from '../../src/db/client.ts';
import { createRepositories, type Repositories } from '../../src/db/repositories/index.ts';
import type { HttpApp } from '../../src/http/protocol/http-app.ts';
import { parseDecimal } from '../../src/market/decimal.ts';
import { parseTimeframe } from '../../src/market/timeframe.ts';
import { rowsAlone } from '../support/rows-alone.ts';
import { candleOf, candlesFrom } from '../support/candles.ts';
import { createMigratedDatabase } from '../support/database.ts';
import { execute, type TestDatabase } from '../support/postgres.ts';
import { storeCandles } from '../support/store-candles.ts';
import { BTC, createRecordingLogger, createTestApp, get as getFrom, HOUR_MS } from '../unit/http/in-memory.ts';

const { logger } = createRecordingLogger();
const FOUR_MS = 4 * HOUR_MS;
const ETH = { ...BTC, symbol: 'ETH/USDT' };
const QUERY = 'symbol=BTC/USDT&timeframe=4h';

/** Where the last candle of four hours that has ended opens: it is the forming one by the clock of these tests. */
const forming = (Math.floor(Date.now() / FOUR_MS) - 1) * FOUR_MS;

// Of the four hours of the forming candle the first is stored. What has ended of the others decides what is missing.
describe('built candles over PostgreSQL, the last one forming for half an hour', () => testAt(0.5));
describe('built candles over PostgreSQL, the last one forming for an hour and a half', () => testAt(1.5));
describe('built candles over PostgreSQL, the last one forming for three hours and a half', () => testAt(3.5));

function testAt(hours: number): void {
  /** Whether hours of the forming candle have ended that are not stored. */
  const hasEndedPart = hours >= 2;
  /** The moment so many candles of four hours from there. */
  const slot = (count: number) => forming + count * FOUR_MS;
  let database: TestDatabase;
  let kysely: ReturnType<typeof createKysely>;
  let repositories: Repositories;
  let app: HttpApp;

  before(async () => {
    mock.timers.enable({ apis: ['Date'], now: forming + hours * HOUR_MS });
    database = await createMigratedDatabase();
    kysely = createKysely(() => createPool({ url: database.url, applicationName: 'test', maxConnections: 2, logger }));
    repositories = createRepositories(kysely);
    ({ app } = createTestApp({ repositories }));
    await storeCandles(repositories, BTC, candlesFrom(slot(-5), HOUR_MS, 21));
    // The two candles before the forming one lack an hour each.
    await storeCandles(repositories, ETH, [
      ...candlesFrom(slot(-5), HOUR_MS, 13),
      ...candlesFrom(slot(-2) + 2 * HOUR_MS, HOUR_MS, 3),
      ...candlesFrom(slot(-1) + 2 * HOUR_MS, HOUR_MS, 3),
    ]);
  });
  after(async () => {
    await kysely.destroy();
    await database.drop();
    mock.timers.reset();
  });

  const arrays = async (query: string) =>
    (await getFrom<[number, ...string[]][]>(app, `/v1/ohlcv?${query}&format=arrays`)).map(([time]) => time);

  it('are the same newest ones in each export as in JSON', async () => {
    for (const until of ['', `&until=${slot(-1) + 1}`]) {
      const asked = `/v1/ohlcv?${QUERY}&limit=2${until}`;
      const { data } = await getFrom<{ data: { timestamp: string }[] }>(app, asked);
      const expected = data.map(({ timestamp }) => Date.parse(timestamp));
      assert.deepEqual(expected, until === '' ? [slot(-1), slot(0)] : [slot(-2), slot(-1)]);
      const csv = (await app.inject(`${asked}&format=csv`)).body.trimEnd().split('\n').slice(1);
      assert.deepEqual(
        csv.map((line) => Date.parse(line.slice(0, 24))),
        expected,
      );
      const ndjson = (await app.inject(`${asked}&format=ndjson`)).body.trimEnd().split('\n');
      assert.deepEqual(
        ndjson.map((line) => JSON.parse(line) as unknown),
        data,
      );
      const { rawPayload } = await app.inject(`${asked}&format=parquet`);
      const rows = await parquetReadObjects({ file: new Uint8Array(rawPayload).buffer });
      assert.deepEqual(
        rows.map((row) => (row['timestamp'] as Date).getTime()),
        expected,
      );
    }
    const all = await app.inject(`/v1/ohlcv?${QUERY}&limit=100&until=${slot(0)}&format=csv`);
    assert.deepEqual([all.body.trimEnd().split('\n').length, all.headers['x-complete']], [6, 'true']);
  });

  it('are the newest complete ones as arrays', async () => {
    assert.deepEqual(await arrays(`${QUERY}&limit=1`), [slot(-1)]);
    assert.deepEqual(await arrays(`${QUERY}&limit=3`), [slot(-3), slot(-2), slot(-1)]);
    assert.deepEqual(await arrays(`${QUERY}&limit=100`), [slot(-5), slot(-4), slot(-3), slot(-2), slot(-1)]);
    const holed = QUERY.replace('BTC', 'ETH');
    assert.deepEqual(await arrays(`${holed}&limit=1`), [slot(-3)]);
    assert.deepEqual(await arrays(`${holed}&limit=2`), [slot(-4), slot(-3)]);
    const { headers, body } = await app.inject(`/v1/ohlcv?${holed}&limit=1&format=arrays&numbers=float`);
    // Two before the forming candle, and what has ended of that one: only its first hour is stored.
    const gaps = hasEndedPart ? '3' : '2';
    assert.deepEqual([headers['x-complete'], headers['x-gaps'], headers['link']], ['false', gaps, undefined]);
    assert.match(body, /^\[\[\d+,0\.\d+(,[\d.]+){4}\]\]$/);
  });

  it('say of a forming one in every format alike what is missing of its parts that have ended', async () => {
    const told: string[] = [];
    for (const format of ['json', 'arrays', 'csv', 'ndjson', 'parquet']) {
      const { headers } = await app.inject(`/v1/ohlcv?${QUERY}&since=${slot(-1)}&format=${format}`);
      told.push(`${String(headers['x-complete'])} ${String(headers['x-gaps'])}`);
    }
    assert.equal(new Set(told).size, 1, told.join(', '));
    assert.equal(told[0], hasEndedPart ? 'false 1' : 'true 0');
  });

  it('are bars of charts, the complete ones', async () => {
    const history = async (query: string) =>
      await getFrom<{ s: string; t?: number[]; nextTime?: number; complete: boolean; gaps: number }>(
        app,
        `/udf/history?${query}`,
      );
    const seconds = (count: number) => slot(count) / 1000;
    const asked = `symbol=binance:BTC/USDT&resolution=240&to=${seconds(9)}`;
    const { s, t, complete, gaps, ...columns } = await history(`${asked}&countback=3`);
    assert.deepEqual([s, t], ['ok', [seconds(-3), seconds(-2), seconds(-1)]]);
    assert.deepEqual([complete, gaps], hasEndedPart ? [false, 1] : [true, 0]);
    const rows = await getFrom<number[][]>(app, `/v1/ohlcv?${QUERY}&limit=3&format=arrays&numbers=float`);
    const column = (place: number) => rows.map((row) => row[place]);
    assert.deepEqual(columns, { o: column(1), h: column(2), l: column(3), c: column(4), v: column(5) });
    assert.deepEqual((await history(`${asked}&from=${seconds(-2) + 1}`)).t, [seconds(-1)]);
    const none = await history(`${asked}&from=${seconds(0)}`);
    assert.deepEqual([none.s, none.nextTime], ['no_data', seconds(-1)]);
    const holed = asked.replace('BTC', 'ETH');
    assert.deepEqual((await history(`${holed}&countback=2`)).t, [seconds(-4), seconds(-3)]);
    const days = (await history(`${asked.replace('240', '1D')}&countback=300`)).t ?? [];
    for (const day of days) assert.equal(day % 86_400, 0);
    const { errmsg } = await getFrom<{ errmsg: string }>(app, `/udf/history?${asked.replace('240', '30')}&countback=1`);
    assert.match(errmsg, /gives resolution 30: use 60, 120, 240/);
  });

  it('may be cached only once the last of them has ended, and not after a part of it was rewritten', async () => {
    for (const format of ['json', 'arrays', 'csv', 'ndjson', 'parquet']) {
      const asked = `/v1/ohlcv?${QUERY}&since=${slot(-3)}&format=${format}`;
      const open = await app.inject({ url: `${asked}&until=${slot(0) + 1}`, headers: { 'if-none-match': '*' } });
      const { etag, 'cache-control': control } = open.headers;
      assert.deepEqual([open.statusCode, etag, control], [200, undefined, 'no-cache'], format);
      // The last candle opens before `until` and ends long after it.
      const url = `${asked}&until=${slot(-1) + 1}`;
      const closed = await app.inject(url);
      const headers = { 'if-none-match': String(closed.headers['etag']) };
      assert.equal((await app.inject({ url, headers })).statusCode, 304, format);
      const last = candleOf(slot(0) - HOUR_MS);
      const volume = parseDecimal(`${1000 + format.length}.${format.codePointAt(0)}`);
      await rowsAlone(kysely).candles(BTC, [{ ...last, volume }]);
      assert.equal((await app.inject({ url, headers })).statusCode, 200, format);
    }
  });

  it('are the newest in any number, also of more finer candles than one statement reads', async () => {
    const days = 230;
    await execute(
      database.url,
      `insert into ohlcv_data (exchange, symbol, timeframe, timestamp, open, high, low, close, volume)
       select 'binance', 'DOGE/USDT', '1m', moment, 1, 1, 1, 1, 1
       from generate_series(timestamptz '2024-01-01 00:00Z', '2024-01-01 00:00Z'::timestamptz + interval '${days} days' - interval '1 minute', '1 minute') moment`,
    );
    const asked = `/v1/ohlcv?symbol=DOGE/USDT&timeframe=1d&numbers=float`;
    for (const limit of [220, 500]) {
      const { data, built_from } = await getFrom<{ data: { timestamp: string; volume: number }[]; built_from: string }>(
        app,
        `${asked}&limit=${limit}`,
      );
      assert.deepEqual([built_from, data.length], ['1m', Math.min(limit, days)]);
      assert.ok(data.every(({ volume }) => volume === 1440));
      const csv = (await app.inject(`${asked}&limit=${limit}&format=csv`)).body.trimEnd().split('\n').slice(1);
      assert.deepEqual(
        data.map(({ timestamp }) => timestamp),
        csv.map((line) => line.slice(0, 24)),
      );
      assert.deepEqual(
        (await getFrom<[number][]>(app, `${asked}&limit=${limit}&format=arrays`)).map(([time]) => time),
        data.map(({ timestamp }) => Date.parse(timestamp)),
      );
    }
  });

  it('are built from what has no gap rather than from what is longer and has one', async () => {
    const market = { exchange: 'binance', symbol: 'XRP/USDT' };
    const start = slot(-12);
    const minutes = { ...market, timeframe: parseTimeframe('1m') };
    const hours = { ...market, timeframe: parseTimeframe('1h') };
    await storeCandles(repositories, minutes, candlesFrom(start, HOUR_MS / 60, 40 * 60));
    await storeCandles(repositories, hours, [
      ...candlesFrom(start, HOUR_MS, 8),
      ...candlesFrom(start + 20 * HOUR_MS, HOUR_MS, 20),
    ]);
    const ofDay = { since: start, until: start + 40 * HOUR_MS };
    const lost = { since: start + 8 * HOUR_MS, until: start + 20 * HOUR_MS };
    await repositories.coverage.survey({ ...hours, metric: 'ohlcv' }, ofDay);
    const part = { since: start + 12 * HOUR_MS, until: start + 16 * HOUR_MS };
    assert.deepEqual(
      await repositories.ohlcv.sumGaps(market, [
        { timeframe: hours.timeframe, ...ofDay },
        { timeframe: minutes.timeframe, ...ofDay },
        { timeframe: hours.timeframe, ...part },
        { timeframe: hours.timeframe, since: start, until: lost.since },
      ]),
      [lost.until - lost.since, 0, part.until - part.since, 0],
    );
    const built = async (range: { since: number; until: number }) => {
      const asked = `/v1/ohlcv?symbol=XRP/USDT&timeframe=4h&since=${range.since}&until=${range.until}`;
      return await getFrom<{ built_from: string; complete: boolean; data: object[] }>(app, asked);
    };
    const whole = await built(ofDay);
    assert.deepEqual([whole.built_from, whole.complete, whole.data.length], ['1m', true, 10]);
    assert.equal((await built({ since: lost.until, until: ofDay.until })).built_from, '1h');
  });

  it('are not made for the view, which answers its newest rows however old they are', async () => {
    const old = { ...BTC, symbol: 'SOL/USDT' };
    await storeCandles(repositories, old, candlesFrom(slot(-12), HOUR_MS, 5));
    await repositories.recentOhlcv.refresh();
    const asked = '/v1/recent?symbol=SOL/USDT&timeframe=1h&limit=2';
    const expected = [3, 4].map((hour) => new Date(slot(-12) + hour * HOUR_MS).toISOString());
    const { data, next } = await getFrom<{ data: { timestamp: string }[]; next: null }>(app, asked);
    assert.deepEqual([data.map(({ timestamp }) => timestamp), next], [expected, null]);
    const csv = (await app.inject(`${asked}&format=csv`)).body.trimEnd().split('\n').slice(1);
    assert.deepEqual(
      csv.map((line) => line.slice(0, 24)),
      expected,
    );
  });
}
