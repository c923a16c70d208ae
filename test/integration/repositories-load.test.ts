import assert from 'node:assert/strict';
import { beforeEach, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { sqlStateOf } from '../../src/errors.ts';
import type { Candle } from '../../src/market/candle.ts';
import { candleOf, candlesFrom, seriesOf } from '../support/candles.ts';
import { describeOnEachServer } from '../support/repository-lanes.ts';

const MINUTE = 60_000;
const T0 = Date.UTC(2024, 0, 1);
const ALL = { since: 0, until: Date.UTC(2100, 0, 1) };
const SERIES = seriesOf('binance', 'BTC/USDT', '1m');

describeOnEachServer('OhlcvRepository.load and stream', ({ url, repositories, query, clear }) => {
  beforeEach(clear);
  const ohlcv = () => repositories().ohlcv;

  async function collect(range = ALL): Promise<Candle[]> {
    const candles: Candle[] = [];
    for await (const page of ohlcv().stream(SERIES, range)) candles.push(...page);
    return candles;
  }

  /** Resolves when a session of this database waits for a lock. */
  async function waitUntilBlocked(): Promise<void> {
    for (let attempt = 0; attempt < 200; attempt++) {
      const rows = await query(
        `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      );
      if (rows.length > 0) return;
      await sleep(25);
    }
    assert.fail('nothing waited for a lock');
  }

  it('loads several steps from batches of any size and streams them back', async () => {
    const candles = candlesFrom(T0, MINUTE, 45_000);
    async function* batches() {
      for (let start = 0; start < candles.length; start += 7000) {
        await sleep(1);
        yield candles.slice(start, start + 7000);
      }
    }
    assert.deepEqual(await ohlcv().load(SERIES, batches()), { inserted: 45_000, updated: 0, unchanged: 0 });
    assert.deepEqual(await collect(), candles);
    const part = { since: T0 + MINUTE, until: T0 + 20_001 * MINUTE };
    assert.deepEqual(await collect(part), candles.slice(1, 20_001));
  });

  it('writes only the differences into a time that holds rows', async () => {
    const candles = candlesFrom(T0, MINUTE, 3000);
    await ohlcv().load(SERIES, [candles.filter((_, index) => index % 3 !== 0)]);
    const changed = candles.map((candle, index) => (index % 3 === 1 ? candleOf(candle.timestamp) : candle));
    assert.deepEqual(await ohlcv().load(SERIES, [changed]), { inserted: 1000, updated: 1000, unchanged: 1000 });
    assert.deepEqual(await collect(), changed);
    assert.deepEqual(await ohlcv().load(SERIES, [changed.toReversed()]), { inserted: 0, updated: 0, unchanged: 3000 });
  });

  it('compares where another writer fills the empty time between the probe and the copy', async () => {
    for (const inTransaction of [false, true]) {
      await clear();
      const candles = candlesFrom(T0, MINUTE, 100);
      const other = new Client({ connectionString: url() });
      await other.connect();
      try {
        await other.query('begin');
        await other.query(
          `insert into ohlcv_data (symbol, timeframe, timestamp, open, high, low, close, volume)
           values ('BTC/USDT', '1m', $1, 9, 9, 9, 9, 9)`,
          [new Date(T0 + 50 * MINUTE)],
        );
        const loading = inTransaction
          ? repositories().withTransaction((inner) => inner.ohlcv.load(SERIES, [candles]))
          : ohlcv().load(SERIES, [candles]);
        await Promise.race([waitUntilBlocked(), loading]);
        await other.query('commit');
        assert.deepEqual(await loading, { inserted: 99, updated: 1, unchanged: 0 });
      } finally {
        await other.end();
      }
      assert.deepEqual(await collect(), candles);
    }
  });

  it('keeps whole steps when the source fails, and takes up the rest when run again', async () => {
    const candles = candlesFrom(T0, MINUTE, 25_000);
    let closed = false;
    function* failing() {
      try {
        yield candles.slice(0, 21_000);
        throw new Error('the disk is gone');
      } finally {
        closed = true;
      }
    }
    await assert.rejects(ohlcv().load(SERIES, failing()), { message: 'the disk is gone' });
    assert.ok(closed);
    assert.equal((await ohlcv().findCoverage(SERIES))?.count, 20_000);
    assert.deepEqual(await ohlcv().load(SERIES, [candles]), { inserted: 5000, updated: 0, unchanged: 20_000 });
  });

  it('closes the source when the database refuses, and writes no part of the step', async () => {
    let closed = false;
    function* batches() {
      try {
        yield [...candlesFrom(T0, MINUTE, 19_999), { ...candleOf(T0 + 19_999 * MINUTE), open: 'x' as Candle['open'] }];
        for (;;) yield candlesFrom(T0 + 20_000 * MINUTE, MINUTE, 1000);
      } finally {
        closed = true;
      }
    }
    await assert.rejects(ohlcv().load(SERIES, batches()), (error) => sqlStateOf(error) === '22P02');
    assert.ok(closed);
    assert.equal(await ohlcv().findCoverage(SERIES), null);
  });

  it('rejects when the connection dies in the middle, and works on a fresh one', async () => {
    const other = new Client({ connectionString: url() });
    await other.connect();
    try {
      await other.query('begin; lock table ohlcv_data in access exclusive mode');
      const loading = ohlcv().load(SERIES, [candlesFrom(T0, MINUTE, 100)]);
      await Promise.race([waitUntilBlocked(), loading]);
      await other.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and wait_event_type = 'Lock'`,
      );
      await assert.rejects(loading);
    } finally {
      await other.end();
    }
    assert.equal((await ohlcv().load(SERIES, [candlesFrom(T0, MINUTE, 100)])).inserted, 100);
  });

  it('keeps texts that COPY and SQL would read otherwise', async () => {
    const odd = { ...SERIES, symbol: "A\\'B\tC\n/\\.\\N" };
    const candles = candlesFrom(T0, MINUTE, 3);
    await ohlcv().load(odd, [candles]);
    assert.deepEqual(await ohlcv().list(odd, ALL, 10), candles);
    const pages = [];
    for await (const page of ohlcv().stream(odd, ALL)) pages.push(page);
    assert.deepEqual(pages, [candles]);
    assert.deepEqual(await collect(), []);
  });

  it('holds no connection while the consumer of a stream takes its time or stops', async () => {
    await ohlcv().load(SERIES, [candlesFrom(T0, MINUTE, 45_000)]);
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
