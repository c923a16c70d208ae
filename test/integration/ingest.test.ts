import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import { createKysely, createPool } from '../../src/db/client.ts';
import { createRepositories, type Repositories } from '../../src/db/repositories/index.ts';
import type { Database } from '../../src/db/schema.ts';
import { createExchange } from '../../src/exchanges/create-exchange.ts';
import { createFastClock } from '../../simulator/fast-clock.ts';
import type { Fault, InterceptedRequest } from '../../simulator/fault.ts';
import { loadRecordedCandles, type RecordedRow } from '../../simulator/recorded-candles.ts';
import { SimulatedExchange } from '../../simulator/simulated-exchange.ts';
import { IngestService } from '../../src/ingest/ingest-service.ts';
import { createLogger } from '../../src/logger.ts';
import { parseTimeframe } from '../../src/market/timeframe.ts';
import { createMigratedDatabase } from '../support/database.ts';
import { waitUntil } from '../support/patience.ts';
import { execute, type TestDatabase } from '../support/postgres.ts';

const RECORDINGS = `${import.meta.dirname}/../../../shared/data`;
const XRP_FILE = `${RECORDINGS}/freqtrade/XRP_ETH-1m.json`;
const VVS_FILE = `${RECORDINGS}/cryptofeed/bitget_VVSUSDT_1m.json`;
const skip = existsSync(XRP_FILE) && existsSync(VVS_FILE) ? false : `the recorded candles are not there: ${RECORDINGS}`;

/** Half a minute of looking again at long silence passes in three seconds. */
const SPEED = 10;
const M1 = parseTimeframe('1m');
const logger = createLogger({ level: 'silent', pretty: false });

describe('ingest through the wire into PostgreSQL', { skip }, () => {
  let database: TestDatabase;
  let kysely: Kysely<Database>;
  let repositories: Repositories;
  let xrp: RecordedRow[];
  let vvs: RecordedRow[];
  let exchange: SimulatedExchange;
  let intercept: (request: InterceptedRequest) => Fault | undefined = () => undefined;
  const services: IngestService[] = [];

  before(async () => {
    [xrp, vvs] = await Promise.all([loadRecordedCandles(XRP_FILE), loadRecordedCandles(VVS_FILE)]);
  });

  const open = async (nowMs: number, symbol: string, rows: RecordedRow[]) => {
    database = await createMigratedDatabase();
    kysely = createKysely(() =>
      createPool({ url: database.url, applicationName: 'ingest-test', maxConnections: 5, logger }),
    );
    repositories = createRepositories(kysely);
    const clock = createFastClock({ speed: SPEED, startMs: nowMs });
    exchange = new SimulatedExchange({
      seed: 'ingest',
      symbols: [],
      recorded: [{ symbol, timeframe: '1m', candles: rows }],
      clock,
      intercept: (request) => intercept(request),
    });
    const { origin } = await exchange.listen();
    const start = async (markets = [symbol]) => {
      const service = new IngestService({
        openExchange: (id) => createExchange({ id, origin, logger, clock, requestTimeoutMs: 20_000 }),
        stores: repositories,
        collect: {
          markets: markets.map((each) => ({ exchange: 'binance', symbol: each })),
          timeframes: [M1],
          backfill: { fromMs: rows[0]![0] - 30 * 86_400_000 },
          futures: false,
          confirmEmptyAfterMs: 500,
        },
        logger,
        clock,
      });
      services.push(service);
      await service.start({ signal: new AbortController().signal, fail: (error) => assert.fail(error as Error) });
      return service;
    };
    return { start, clock };
  };

  afterEach(async () => {
    intercept = () => undefined;
    await Promise.all(services.splice(0).map((service) => service.stop()));
    await exchange.close();
    await kysely.destroy();
    await database.drop();
  });

  after(() => assert.equal(services.length, 0));

  const isComplete = (service: IngestService) =>
    service.series().length > 0 && service.series().every(({ state }) => state === 'complete');
  const countRows = async () => Number((await execute(database.url, 'select count(*) from ohlcv_data'))[0]!['count']);
  const assertEqualsRecording = async (rows: readonly RecordedRow[]) => {
    const stored = await execute(
      database.url,
      `select extract(epoch from timestamp)::bigint * 1000 as at, open::text, high::text, low::text, close::text, volume::text
       from ohlcv_data order by timestamp`,
    );
    assert.deepEqual(
      stored.map((row) => [Number(row['at']), row['open'], row['high'], row['low'], row['close'], row['volume']]),
      rows,
    );
  };
  /**
   * A Monday months after the recording: weeks of silence lie between. (The adapter believes no clock before 2020.)
   */
  const AFTERWARDS = Date.UTC(2020, 0, 6, 0, 10, 30);

  it('stores recorded candles digit for digit, and believes their 676 gaps without asking in a loop', async () => {
    const { start, clock } = await open(AFTERWARDS, 'XRP/ETH', xrp);
    const service = await start();
    await waitUntil(() => isComplete(service), 'completeness');
    await assertEqualsRecording(xrp);
    assert.equal(service.health().state, 'running');
    // Without those for the minutes that end meanwhile: their number tells how long it took, and no more than that.
    const countRequests = () =>
      exchange.requests.filter(({ path, query }) => {
        const endTime = new URLSearchParams(query).get('endTime');
        return !path.endsWith('/klines') || endTime === null || Number(endTime) < AFTERWARDS;
      }).length;
    const requests = countRequests();
    assert.ok(requests < 25, `${requests} requests for 2,469 candles in 118 days`);
    const minutes = (untilMs: number) => Math.ceil((untilMs - AFTERWARDS) / 60_000) + 1;
    const live = exchange.requestCount - requests;
    assert.ok(live <= 4 * minutes(clock.now()), `${live} requests for ${minutes(clock.now())} minutes`);
    await delay(1_500);
    assert.ok(countRequests() <= requests + 2, 'it goes on asking');
  });

  it('keeps every digit of tiny prices, and never stores the candle in progress', async () => {
    const [rows, running] = [vvs.slice(0, 600), vvs[599]!];
    const { start } = await open(running[0] + 50_000, 'VVS/USDT', rows);
    const service = await start();
    await waitUntil(() => isComplete(service), 'completeness');
    await assertEqualsRecording(vvs.slice(0, 599));
    await waitUntil(async () => (await countRows()) === 600, 'the last candle');
    await assertEqualsRecording(rows);
  });

  it('ends equal when every connection to the database is cut again and again', async () => {
    const { start } = await open(AFTERWARDS, 'XRP/ETH', xrp);
    const service = await start();
    let connections = 0;
    for (let cut = 0; cut < 400 && connections < 40 && !isComplete(service); cut++) {
      await delay(10);
      const ended = await execute(
        database.url,
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and application_name = 'ingest-test'`,
      );
      connections += ended.length;
    }
    assert.ok(connections > 3, `only ${connections} connections were cut`);
    await waitUntil(() => isComplete(service), 'completeness');
    await assertEqualsRecording(xrp);
  });

  it('ends equal when it is stopped in the middle and started again', async () => {
    const { start } = await open(AFTERWARDS, 'XRP/ETH', xrp);
    const recordedUntil = xrp.at(-1)?.[0] ?? 0;
    let pages = 0;
    // One page with rows is answered; the others hang, so that the stop really comes in the middle.
    intercept = ({ path, query }) => {
      const holdsRows =
        path.endsWith('/klines') && query.get('interval') === '1m' && Number(query.get('startTime')) <= recordedUntil;
      return holdsRows && ++pages > 1 ? { stall: 'headers' } : undefined;
    };
    const first = await start();
    await waitUntil(async () => (await countRows()) > 0, 'a first row');
    await first.stop();
    intercept = () => undefined;
    const stored = await countRows();
    assert.ok(stored < xrp.length, `${stored} stored before the stop`);
    const second = await start();
    await waitUntil(() => isComplete(second), 'completeness');
    await assertEqualsRecording(xrp);
  });

  it('starts while the exchange is away, says so, and comes back by itself; one unknown market stops nothing', async () => {
    let isAway = true;
    intercept = () => (isAway ? { cutAfterBytes: 0 } : undefined);
    const { start } = await open(AFTERWARDS, 'XRP/ETH', xrp);
    const service = await start(['XRP/ETH', 'XRP/EHT']);
    await waitUntil(() => service.health().last_error !== null, 'an error');
    assert.equal(service.health().state, 'degraded');
    assert.equal(await countRows(), 0);
    isAway = false;
    const stateOf = (symbol: string) => service.series().find((series) => series.symbol === symbol);
    await waitUntil(() => stateOf('XRP/ETH')?.state === 'complete', 'completeness of the other');
    await assertEqualsRecording(xrp);
    assert.equal(stateOf('XRP/EHT')?.last_error, 'binance has no market XRP/EHT; did you mean XRP/ETH?');
  });
});
