import assert from 'node:assert/strict';
import { beforeEach, it } from 'node:test';
import { Client } from 'pg';
import { sqlStateOf } from '../../src/errors.ts';
import type { Candle } from '../../src/market/candle.ts';
import { candleEntry } from '../../src/market/commit-entry.ts';
import { candleKey, haveRange } from '../../src/market/coverage.ts';
import { endSession, waitUntilBlocked } from '../support/blocked-session.ts';
import { candleOf, candlesFrom, seriesOf } from '../support/candles.ts';
import { describeOnEachServer } from '../support/repository-lanes.ts';
import { whileRefusingCandle } from '../support/refusing-table.ts';
import { storeCandles } from '../support/store-candles.ts';

const MINUTE = 60_000;
const T0 = Date.UTC(2024, 0, 1);
const ALL = { since: 0, until: Date.UTC(2100, 0, 1) };
const SERIES = seriesOf('binance', 'BTC/USDT', '1m');

describeOnEachServer('candles by COPY, in and out', ({ url, repositories, query, clear }) => {
  beforeEach(clear);
  const ohlcv = () => repositories().ohlcv;
  const store = (candles: readonly Candle[], series = SERIES) => storeCandles(repositories(), series, candles);
  const listHave = () => repositories().coverage.list(candleKey(SERIES));
  const have = (from: number, to: number) => haveRange({ since: T0 + from * MINUTE, until: T0 + to * MINUTE });

  async function collect(range = ALL): Promise<Candle[]> {
    const candles: Candle[] = [];
    for await (const page of ohlcv().stream(SERIES, range)) candles.push(...page);
    return candles;
  }

  /** Runs `use` while another writer has stored the candle of a minute and not committed it. */
  async function besideAnother(minute: number, use: (other: Client) => Promise<void>): Promise<void> {
    const other = new Client({ connectionString: url() });
    await other.connect();
    try {
      await other.query('begin');
      await other.query(
        `insert into ohlcv_data (symbol, timeframe, timestamp, open, high, low, close, volume)
         values ('BTC/USDT', '1m', $1, 9, 9, 9, 9, 9)`,
        [new Date(T0 + minute * MINUTE)],
      );
      await use(other);
    } finally {
      await other.end();
    }
  }

  it('stores several steps and streams them back', async () => {
    const candles = candlesFrom(T0, MINUTE, 45_000);
    assert.deepEqual(await store(candles), { inserted: 45_000, updated: 0, unchanged: 0 });
    assert.deepEqual(await collect(), candles);
    const part = { since: T0 + MINUTE, until: T0 + 20_001 * MINUTE };
    assert.deepEqual(await collect(part), candles.slice(1, 20_001));
    assert.deepEqual(await listHave(), [have(0, 45_000)]);
  });

  it('stores a step in any order, repetitions once', async () => {
    const candles = candlesFrom(T0, MINUTE, 6000);
    const shuffled = [...candles.slice(4000), ...candles.slice(0, 4100).toReversed()];
    assert.deepEqual(await store(shuffled), { inserted: 6000, updated: 0, unchanged: 100 });
    assert.deepEqual(await collect(), candles);
  });

  it('writes only the differences into a time that holds rows', async () => {
    const candles = candlesFrom(T0, MINUTE, 9000);
    await store(candles.filter((_, index) => index % 3 !== 0));
    const changed = candles.map((candle, index) => (index % 3 === 1 ? candleOf(candle.timestamp) : candle));
    assert.deepEqual(await store(changed), { inserted: 3000, updated: 3000, unchanged: 3000 });
    assert.deepEqual(await collect(), changed);
    assert.deepEqual(await store(changed.toReversed()), { inserted: 0, updated: 0, unchanged: 9000 });
    assert.equal(await repositories().candleRewrites.count(), 3000);
  });

  it('compares where another writer fills the empty time between the probe and the copy', async () => {
    const candles = candlesFrom(T0, MINUTE, 6000);
    await besideAnother(50, async (other) => {
      const loading = store(candles);
      const blocked = await Promise.race([waitUntilBlocked(url()), loading]);
      assert.match('statement' in blocked ? blocked.statement : '', /^copy ohlcv_data/);
      await other.query('commit');
      assert.deepEqual(await loading, { inserted: 5999, updated: 1, unchanged: 0 });
    });
    assert.deepEqual(await collect(), candles);
    assert.deepEqual(await listHave(), [have(0, 6000)]);
    const [revision, ...more] = await repositories().candleRewrites.list({ limit: 9 });
    assert.deepEqual([revision?.before.open, revision?.after, more], ['9', candles[50], []]);
  });

  it('copies after all where the other writer gives up', async () => {
    const candles = candlesFrom(T0, MINUTE, 6000);
    await besideAnother(50, async (other) => {
      const loading = store(candles);
      await Promise.race([waitUntilBlocked(url()), loading]);
      await other.query('rollback');
      assert.deepEqual(await loading, { inserted: 6000, updated: 0, unchanged: 0 });
    });
    assert.deepEqual(await collect(), candles);
  });

  it('keeps whole steps where a later one fails, and takes up the rest when run again', async () => {
    const candles = candlesFrom(T0, MINUTE, 26_000);
    await whileRefusingCandle(url(), T0 + 25_999 * MINUTE, () =>
      assert.rejects(store(candles), (error) => sqlStateOf(error) === '23514'),
    );
    assert.equal((await ohlcv().findStoredRows(SERIES))?.count, 20_000);
    assert.deepEqual(await listHave(), [have(0, 20_000)]);
    assert.deepEqual(await store(candles), { inserted: 6000, updated: 0, unchanged: 20_000 });
  });

  it('writes no part of a step that the database refuses', async () => {
    const step = candlesFrom(T0, MINUTE, 20_000);
    await whileRefusingCandle(url(), T0 + 19_999 * MINUTE, () =>
      assert.rejects(store(step), (error) => sqlStateOf(error) === '23514'),
    );
    assert.equal(await ohlcv().findStoredRows(SERIES), null);
    assert.deepEqual(await listHave(), []);
  });

  it('rejects when the connection dies in the middle, leaves nothing, and works on a fresh one', async () => {
    const candles = candlesFrom(T0, MINUTE, 6000);
    await besideAnother(5990, async () => {
      const loading = repositories().commit([candleEntry(SERIES, candles)]);
      const rejected = assert.rejects(loading);
      const blocked = await waitUntilBlocked(url());
      assert.match(blocked.statement, /^copy ohlcv_data/);
      await endSession(url(), blocked);
      await rejected;
    });
    assert.equal(await ohlcv().findStoredRows(SERIES), null);
    assert.deepEqual(await listHave(), []);
    assert.equal((await store(candles)).inserted, 6000);
  });

  it('keeps texts that COPY and SQL would read otherwise', async () => {
    const odd = { ...SERIES, symbol: "A\\'B\tC\n/\\.\\N" };
    const candles = candlesFrom(T0, MINUTE, 5001);
    await store(candles, odd);
    assert.deepEqual(await ohlcv().list(odd, ALL, 9999), candles);
    const pages = [];
    for await (const page of ohlcv().stream(odd, ALL)) pages.push(page);
    assert.deepEqual(pages, [candles]);
    assert.deepEqual(await collect(), []);
  });

  it('holds no connection while the consumer of a stream takes its time or stops', async () => {
    await store(candlesFrom(T0, MINUTE, 45_000));
    for await (const page of ohlcv().stream(SERIES, ALL)) {
      assert.equal(page.length, 20_000);
      break;
    }
    const rows = await query(
      `select 1 from pg_stat_activity where datname = current_database() and application_name = 'test' and state <> 'idle'`,
    );
    assert.deepEqual(rows, []);
  });
});
