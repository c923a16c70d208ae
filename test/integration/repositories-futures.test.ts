import assert from 'node:assert/strict';
import { beforeEach, it } from 'node:test';
import type { Decimal } from '../../src/market/decimal.ts';
import type { FuturesSnapshot } from '../../src/market/futures-snapshot.ts';
import { candleOf, candlesFrom, seriesOf } from '../support/candles.ts';
import { describeOnEachServer } from '../support/repository-lanes.ts';

const HOUR = 3_600_000;
const T0 = Date.UTC(2024, 2, 9);
const ALL = { since: 0, until: Date.UTC(2100, 0, 1) };
const decimal = (text: string) => text as Decimal;

describeOnEachServer('FuturesRepository', ({ repositories, rows: bare, query, clear }) => {
  beforeEach(clear);
  const futures = () => repositories().futures;
  const list = () => futures().list('binance', 'BTC/USDT', ALL, 10_000);
  const upsert = (...snapshots: FuturesSnapshot[]) => bare().futures('binance', 'BTC/USDT', snapshots);

  it('merges metrics per row and never overwrites a value with nothing', async () => {
    const first = { timestamp: T0, open_interest: decimal('2663107.29999999861'), funding_rate: decimal('0.00010000') };
    assert.deepEqual(await upsert(first), { inserted: 1, updated: 0, unchanged: 0 });
    assert.deepEqual(await upsert({ timestamp: T0, mark_price: decimal('67000.10') }), {
      inserted: 0,
      updated: 1,
      unchanged: 0,
    });
    assert.deepEqual(await list(), [{ ...first, mark_price: '67000.10' }]);
    await upsert({ timestamp: T0, funding_rate: decimal('-0.0002') });
    assert.deepEqual(await list(), [{ ...first, mark_price: '67000.10', funding_rate: '-0.0002' }]);
  });

  it('merges snapshots of one time in the input, drops empty ones and refuses contradictions', async () => {
    const result = await upsert(
      { timestamp: T0 + HOUR, mark_price: decimal('1') },
      { timestamp: T0, top_trader_ratio: decimal('1.5') },
      { timestamp: T0 + HOUR, taker_buy_sell_ratio: decimal('0.9253075900'), mark_price: decimal('1.0') },
      { timestamp: T0 + 2 * HOUR },
    );
    assert.deepEqual(result, { inserted: 2, updated: 0, unchanged: 2 });
    assert.deepEqual(await list(), [
      { timestamp: T0, top_trader_ratio: '1.5' },
      { timestamp: T0 + HOUR, mark_price: '1', taker_buy_sell_ratio: '0.9253075900' },
    ]);
    const contradiction = upsert(
      { timestamp: T0 + 9 * HOUR, mark_price: decimal('1') },
      { timestamp: T0, mark_price: decimal('1') },
      { timestamp: T0, mark_price: decimal('2') },
    );
    await assert.rejects(contradiction, { code: 'SNAPSHOTS_CONTRADICT', message: /mark_price at 2024-03-09T00:00/ });
    assert.equal((await list()).length, 2);
  });

  it('neither rewrites nor locks rows in which nothing changes', async () => {
    const rows = Array.from({ length: 6000 }, (_, index) => ({
      timestamp: T0 + index * HOUR,
      open_interest: decimal(`${index}.50`),
    }));
    assert.equal((await upsert(...rows)).inserted, 6000);
    const versions = () => query('select ctid, xmin, xmax from futures_data order by timestamp');
    const before = await versions();
    const again = rows.map((row) => ({ ...row, open_interest: decimal(`${row.open_interest}0`) }));
    assert.deepEqual(await upsert(...again), { inserted: 0, updated: 0, unchanged: 6000 });
    assert.deepEqual(await versions(), before);
  });

  it('lets two writers store different metrics of the same rows at once', async () => {
    const hours = Array.from({ length: 4000 }, (_, index) => T0 + index * HOUR);
    await Promise.all([
      upsert(...hours.map((timestamp) => ({ timestamp, mark_price: decimal('5') }))),
      upsert(...hours.toReversed().map((timestamp) => ({ timestamp, open_interest: decimal('6') }))),
    ]);
    const expected = hours.map((timestamp) => ({ timestamp, open_interest: '6', mark_price: '5' }));
    assert.deepEqual(await list(), expected);
  });

  it('finds the ranges without a metric', async () => {
    const gaps = (since: number, until: number, stepHours = 1) =>
      futures().listGaps(
        'binance',
        'BTC/USDT',
        'funding_rate',
        { since: T0 + since * HOUR, until: T0 + until * HOUR },
        stepHours * HOUR,
      );
    const hours = (since: number, until: number) => ({ since: T0 + since * HOUR, until: T0 + until * HOUR });
    assert.deepEqual(await gaps(0, 10), [hours(0, 10)]);
    const rate = (hour: number) => ({ timestamp: T0 + hour * HOUR, funding_rate: decimal('0.0001') });
    // Another metric fills nothing.
    await upsert(rate(2), rate(3), { timestamp: T0 + 4 * HOUR, mark_price: decimal('1') }, rate(6));
    await bare().futures('okx', 'BTC/USDT', [rate(4)]);
    assert.deepEqual(await gaps(0, 10), [hours(0, 2), hours(4, 6), hours(7, 10)]);
    assert.deepEqual(await gaps(2, 4), []);
    assert.deepEqual(await gaps(4, 6), [hours(4, 6)]);
    assert.deepEqual(await gaps(5, 7), [hours(5, 6)]);

    await clear();
    await upsert(rate(8), rate(16), rate(40));
    // Settled every eight hours: the five hours before the first one known need not hold one.
    assert.deepEqual(await gaps(3, 40, 8), [hours(24, 40)]);
    assert.deepEqual(await gaps(0, 40, 8), [hours(0, 8), hours(24, 40)]);
    assert.deepEqual(await gaps(17, 24, 8), []);
    assert.deepEqual(await gaps(32, 49, 8), [hours(32, 40), hours(48, 49)]);
  });
});

describeOnEachServer('RecentOhlcvRepository', ({ repositories, rows, query, clear }) => {
  beforeEach(clear);

  it('holds the last seven days after a refresh, also when run by several at once', async () => {
    const { recentOhlcv } = repositories();
    const series = seriesOf('binance', 'BTC/USDT', '1h');
    const newest = Math.floor(Date.now() / HOUR) * HOUR - HOUR;
    const recent = candlesFrom(newest - 9 * HOUR, HOUR, 10);
    await rows().candles(series, [candleOf(newest - 8 * 24 * HOUR), ...recent]);
    await recentOhlcv.refresh();
    assert.equal(await recentOhlcv.isPopulated(), true);
    assert.equal(await recentOhlcv.countRows(), 10);
    assert.deepEqual(await recentOhlcv.list(series, ALL, 100), recent);
    assert.deepEqual(await recentOhlcv.list(series, { since: newest - HOUR, until: newest }, 100), [recent[8]]);
    assert.deepEqual(await recentOhlcv.list(series, ALL, 2), recent.slice(0, 2));
    await rows().candles(series, [candleOf(newest)]);
    await Promise.all([recentOhlcv.refresh(), recentOhlcv.refresh()]);
    assert.deepEqual((await recentOhlcv.list(series, ALL, 100)).at(-1), candleOf(newest));
  });

  it('populates a view that never was, with our function and with the predecessor’s', async () => {
    const { recentOhlcv } = repositories();
    await query('refresh materialized view recent_ohlcv with no data');
    assert.equal(await recentOhlcv.isPopulated(), false);
    assert.equal(await recentOhlcv.countRows(), 0);
    await recentOhlcv.refresh();
    assert.equal(await recentOhlcv.isPopulated(), true);

    await query('refresh materialized view recent_ohlcv with no data');
    await query(
      `create or replace function refresh_recent_ohlcv() returns void language plpgsql as
       $$ begin refresh materialized view concurrently recent_ohlcv; end $$`,
    );
    await recentOhlcv.refresh();
    assert.equal(await recentOhlcv.isPopulated(), true);
  });

  it('passes on what it cannot mend', async () => {
    await query(
      `create or replace function refresh_recent_ohlcv() returns void language plpgsql as
       $$ begin raise exception 'no' using errcode = '0A000'; end $$`,
    );
    await assert.rejects(repositories().recentOhlcv.refresh(), { code: '0A000' });
  });
});
