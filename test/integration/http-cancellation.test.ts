import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { sql } from 'kysely';
import { createKysely, createPool } from '../../src/db/client.ts';
import { createRepositories } from '../../src/db/repositories/index.ts';
import type { HttpApp } from '../../src/http/protocol/http-app.ts';
import { parseDecimal } from '../../src/market/decimal.ts';
import { waitUntil } from '../support/patience.ts';
import { rowsAlone } from '../support/rows-alone.ts';
import { createMigratedDatabase } from '../support/database.ts';
import { listOperations } from '../support/openapi-document.ts';
import { execute, type TestDatabase } from '../support/postgres.ts';
import { BTC, createRecordingLogger, createTestApp, FIRST_MS, hourlyCandles, iso } from '../unit/http/in-memory.ts';

const { logger } = createRecordingLogger();
const BTC_1H = 'symbol=BTC/USDT&timeframe=1h';

/** Requests whose answers come from the database, by operation. */
const ASKING: Readonly<Record<string, readonly string[]>> = {
  // The first ones, because the list of markets is remembered for some seconds only.
  udfHistory: [`/udf/history?symbol=binance:BTC/USDT&resolution=60&countback=5&to=${FIRST_MS / 1000 + 36_000}`],
  udfSymbol: ['/udf/symbols?symbol=binance:BTC/USDT'],
  listSeries: ['/v1/series', '/v1/series?counts=true'],
  listExchanges: ['/v1/exchanges'],
  listCandles: [
    `/v1/ohlcv?${BTC_1H}&since=${iso(0)}`,
    '/v1/ohlcv?symbol=BTC/USDT&timeframe=4h',
    `/v1/ohlcv?${BTC_1H}&format=csv`,
  ],
  listRecentCandles: [`/v1/recent?${BTC_1H}`, `/v1/recent?${BTC_1H}&format=parquet`],
  listFutures: ['/v1/futures?symbol=BTC/USDT', '/v1/futures?symbol=BTC/USDT&format=ndjson'],
  listCoverage: ['/v1/coverage'],
  listGaps: ['/v1/gaps'],
  summarizeCoverage: ['/v1/coverage/summary'],
  listQuarantine: ['/v1/quarantine'],
  listRevisions: ['/v1/revisions'],
  streamCandles: ['/v1/stream?symbol=NO/SUCH&timeframe=1h'],
};
/** What asks no database, and the list of markets, which one request reads for all that come in some seconds. */
const NOT_ASKING = ['udfConfig', 'udfTime', 'udfSearch', 'planBackfill'];

describe('a client that hangs up', () => {
  let database: TestDatabase;
  let app: HttpApp;
  let url: string;
  let kysely: ReturnType<typeof createKysely>;
  let holder: ReturnType<typeof createKysely>;

  before(async () => {
    database = await createMigratedDatabase();
    const connect = (applicationName: string) =>
      createKysely(() => createPool({ url: database.url, applicationName, maxConnections: 3, logger }));
    [kysely, holder] = [connect('requests'), connect('holder')];
    const repositories = createRepositories(kysely);
    await rowsAlone(kysely).candles(BTC, hourlyCandles(12));
    await rowsAlone(kysely).futures('binance', 'BTC/USDT', [
      { timestamp: FIRST_MS, funding_rate: parseDecimal('0.0001') },
    ]);
    await execute(database.url, 'refresh materialized view recent_ohlcv');
    const live = { subscribe: () => Promise.reject(new Error('nothing is streamed of what is not there')) };
    ({ app } = createTestApp({ repositories, live }));
    url = await app.listen({ port: 0 });
  });
  after(async () => {
    await app.close();
    await Promise.all([kysely.destroy(), holder.destroy()]);
    await database.drop();
  });

  const countWaiting = async () =>
    (
      await execute(
        database.url,
        `select from pg_stat_activity where datname = current_database() and application_name = 'requests'
           and wait_event_type = 'Lock'`,
      )
    ).length;

  it('leaves no statement behind, whatever it asked for', async () => {
    const document = (await app.inject('/docs/json')).json<Parameters<typeof listOperations>[0]>();
    const data = listOperations(document)
      .map(({ id, path }) => ({ id, path }))
      .filter(({ path }) => /^\/(v1|udf)\//.test(path));
    assert.deepEqual(
      data.map(({ id }) => id).toSorted(),
      [...Object.keys(ASKING), ...NOT_ASKING].toSorted(),
      'each operation is asked, or named as one that asks nothing',
    );
    await fetch(`${url}/udf/symbols?symbol=BTC/USDT`);
    await holder.transaction().execute(async (trx) => {
      const { rows } = await sql<{ name: string }>`
        select quote_ident(relname) as name from pg_class
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')`.execute(trx);
      for (const { name } of rows) await sql`lock table ${sql.raw(name)} in access exclusive mode`.execute(trx);
      // A materialized view cannot be locked by name; who renames it locks it.
      await sql`alter materialized view recent_ohlcv rename to held`.execute(trx);
      await sql`alter materialized view held rename to recent_ohlcv`.execute(trx);
      for (const path of Object.values(ASKING).flat()) {
        const leaving = new AbortController();
        const asked = fetch(`${url}${path}`, { signal: leaving.signal });
        asked.catch(() => undefined);
        await waitUntil(async () => (await countWaiting()) > 0, `${path} never waited for the lock`);
        leaving.abort();
        await waitUntil(async () => (await countWaiting()) === 0, `${path} goes on though nobody waits for it`);
        await assert.rejects(asked, { name: 'AbortError' });
      }
    });
    assert.equal((await fetch(`${url}/v1/ohlcv?${BTC_1H}`)).status, 200);
  });
});
