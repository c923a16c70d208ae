import assert from 'node:assert/strict';
import { beforeEach, it } from 'node:test';
import { sqlStateOf } from '../../src/errors.ts';
import type { Candle } from '../../src/market/candle.ts';
import { candleEntry } from '../../src/market/commit-entry.ts';
import type { Decimal } from '../../src/market/decimal.ts';
import type { Series } from '../../src/market/instrument.ts';
import { candleOf, candlesFrom, seriesOf } from '../support/candles.ts';
import { describeOnEachServer } from '../support/repository-lanes.ts';
import { whileRefusingCandle } from '../support/refusing-table.ts';
import { storeCandles } from '../support/store-candles.ts';

const HOUR = 3_600_000;
const SERIES = seriesOf('binance', 'BTC/USDT', '1h');
const T0 = Date.UTC(2024, 2, 9);
const ALL = { since: 0, until: Date.UTC(2100, 0, 1) };

describeOnEachServer('OhlcvRepository', ({ kind, url, kysely, repositories, rows, query, clear }) => {
  beforeEach(clear);
  const ohlcv = () => repositories().ohlcv;
  const upsert = (series: Series, candles: readonly Candle[]) => rows().candles(series, candles);
  const store = (candles: readonly Candle[]) => storeCandles(repositories(), SERIES, candles);

  it('runs on the kind of table that its lane names', async () => {
    const chunks = await query(
      `select count(*)::int as count from pg_namespace where nspname = '_timescaledb_catalog'`,
    );
    assert.equal(chunks[0]!['count'], kind === 'timescale' ? 1 : 0);
    if (kind !== 'timescale') return;
    const tables = await query(`select hypertable_name from timescaledb_information.hypertables order by 1`);
    const names = tables.map((row) => row['hypertable_name']);
    assert.ok(names.includes('ohlcv_data') && names.includes('futures_data'), `hypertables: ${names.join(', ')}`);
  });

  it('keeps every digit as sent and gives it back', async () => {
    const candles = [
      candleOf(T0, ['0.00002452', '0.00002452', '0.000000123456', '0.0000245', '12345678901234.10']),
      candleOf(T0 + HOUR, ['1.10', '1.10', '1.10', '1.10', '0.00000000']),
    ];
    assert.deepEqual(await upsert(SERIES, candles), { inserted: 2, updated: 0, unchanged: 0, changes: [] });
    assert.deepEqual(await ohlcv().list(SERIES, ALL, 10), candles);
  });

  it('stores epoch milliseconds as that moment, whatever the session time zone', async () => {
    await upsert(SERIES, [candleOf('2024-03-10T07:00:00.000Z')]);
    const rows = await query(`select timestamp = '2024-03-10T07:00:00Z'::timestamptz as same from ohlcv_data`);
    assert.deepEqual(rows, [{ same: true }]);
    assert.equal((await ohlcv().findLatest(SERIES))?.timestamp, Date.parse('2024-03-10T07:00:00Z'));
  });

  it('neither rewrites nor locks rows with equal values', async () => {
    const candles = candlesFrom(T0, HOUR, 20);
    await upsert(SERIES, candles);
    const versions = () => query('select ctid, xmin, xmax, timestamp from ohlcv_data order by timestamp');
    const before = await versions();
    const spelled = candles.map((candle) => ({ ...candle, volume: `${candle.volume}000` as typeof candle.volume }));
    assert.deepEqual(await upsert(SERIES, spelled), { inserted: 0, updated: 0, unchanged: 20, changes: [] });
    assert.deepEqual(await store(spelled), { inserted: 0, updated: 0, unchanged: 20 });
    assert.deepEqual(await versions(), before);
  });

  it('reports rewritten history with the values before and after', async () => {
    const [a, b, c] = candlesFrom(T0, HOUR, 3);
    await upsert(SERIES, [a!, b!]);
    const changed = { ...b!, close: '0.0000200100' as Decimal };
    const result = await upsert(SERIES, [c!, changed, a!]);
    assert.deepEqual(result, { inserted: 1, updated: 1, unchanged: 1, changes: [{ before: b, after: changed }] });
    assert.deepEqual(await ohlcv().list(SERIES, ALL, 10), [a, changed, c]);
  });

  it('writes more rows than one batch, in any order, repetitions once', async () => {
    const candles = candlesFrom(T0, HOUR, 12_000);
    const shuffled = [...candles.slice(7000), ...candles.slice(0, 7100)];
    const result = await upsert(SERIES, shuffled);
    assert.deepEqual(result, { inserted: 12_000, updated: 0, unchanged: 100, changes: [] });
    assert.deepEqual(await ohlcv().list(SERIES, ALL, 20_000), candles);
  });

  it('compares candles that lie far apart, with others between them', async () => {
    const candles = candlesFrom(T0, HOUR, 100);
    await upsert(SERIES, candles);
    const changed = { ...candles[50]!, volume: '77.0' as Decimal };
    const added = candleOf(T0 + 1000 * HOUR);
    const result = await upsert(SERIES, [candles[0]!, changed, added]);
    const changes = [{ before: candles[50], after: changed }];
    assert.deepEqual(result, { inserted: 1, updated: 1, unchanged: 1, changes });
    assert.deepEqual(await ohlcv().list(SERIES, ALL, 1000), [...candles.with(50, changed), added]);
  });

  it('refuses contradicting candles before it writes anything', async () => {
    const candles = [...candlesFrom(T0, HOUR, 6000), candleOf(T0 + 5999 * HOUR)];
    for (const write of [upsert(SERIES, candles), store(candles)])
      await assert.rejects(write, { code: 'CANDLES_CONTRADICT', message: /binance BTC\/USDT 1h/ });
    assert.equal(await ohlcv().findStoredRows(SERIES), null);
  });

  it('lets two writers store the same rows at once', async () => {
    const candles = candlesFrom(T0, HOUR, 10_000);
    const other = candles.map((candle, index) => (index % 2 === 0 ? candle : candleOf(candle.timestamp)));
    const results = await Promise.all([
      upsert(SERIES, candles),
      upsert(SERIES, other.toReversed()),
      store(candles),
      store(other),
    ]);
    assert.equal(
      results.reduce((sum, result) => sum + result.inserted, 0),
      10_000,
    );
    assert.equal((await ohlcv().findStoredRows(SERIES))?.count, 10_000);
  });

  it('keeps series apart, in lists, coverage and gaps', async () => {
    const others = [
      seriesOf('kraken', 'BTC/USDT', '1h'),
      seriesOf('binance', 'ETH/USDT', '1h'),
      seriesOf('binance', 'BTC/USDT', '4h'),
    ];
    await upsert(SERIES, candlesFrom(T0, HOUR, 3));
    for (const other of others) await upsert(other, [candleOf(T0 + 4 * HOUR)]);
    await query(
      `insert into ohlcv_data (symbol, timeframe, timestamp, open, high, low, close, volume) values ('A/B', '1M', now(), 1, 1, 1, 1, 1)`,
    );
    const one = { first: T0 + 4 * HOUR, last: T0 + 4 * HOUR, count: 1 };
    const expected = [
      { ...others[2]!, ...one },
      { ...SERIES, first: T0, last: T0 + 2 * HOUR, count: 3 },
      { ...others[1]!, ...one },
      { ...others[0]!, ...one },
    ].toSorted((a, b) =>
      `${a.exchange} ${a.symbol} ${a.timeframe}` < `${b.exchange} ${b.symbol} ${b.timeframe}` ? -1 : 1,
    );
    assert.deepEqual(await ohlcv().listStoredRows(), expected);
    assert.deepEqual(
      await ohlcv().listBounds(),
      expected.map(({ count, ...bounds }) => ({
        ...bounds,
        lastClose: (count === 3 ? candlesFrom(T0, HOUR, 3) : [candleOf(bounds.last)]).at(-1)?.close,
      })),
    );
    assert.deepEqual(await ohlcv().findStoredRows(SERIES), { first: T0, last: T0 + 2 * HOUR, count: 3 });
    assert.deepEqual(await ohlcv().findStoredRows(SERIES, { since: T0 + 1, until: T0 + 2 * HOUR }), {
      first: T0 + HOUR,
      last: T0 + HOUR,
      count: 1,
    });
    assert.equal((await ohlcv().list(SERIES, ALL, 10)).length, 3);
  });

  it('answers nothing stored with null and empty lists', async () => {
    assert.equal(await ohlcv().findLatest(SERIES), null);
    assert.equal(await ohlcv().findStoredRows(SERIES), null);
    assert.deepEqual(await ohlcv().listStoredRows(), []);
    assert.deepEqual(await ohlcv().listBounds(), []);
    assert.deepEqual(await ohlcv().list(SERIES, ALL, 10), []);
    const nothing = { inserted: 0, updated: 0, unchanged: 0, changes: [] };
    assert.deepEqual(await upsert(SERIES, []), nothing);
    assert.deepEqual(await repositories().commit([candleEntry(SERIES, [])]), nothing);
  });

  it('lists half-open ranges oldest first up to the limit, and the newest', async () => {
    const candles = candlesFrom(T0, HOUR, 10);
    await upsert(SERIES, candles);
    const range = { since: T0 + 2 * HOUR, until: T0 + 6 * HOUR };
    assert.deepEqual(await ohlcv().list(SERIES, range, 100), candles.slice(2, 6));
    assert.deepEqual(await ohlcv().list(SERIES, range, 3), candles.slice(2, 5));
    assert.deepEqual(await ohlcv().listNewest(SERIES, 3), candles.slice(7));
  });

  it('finds gaps at the head, inside and at the tail, on the grid', async () => {
    const range = { since: T0 + 1, until: T0 + 10 * HOUR + 1 };
    const wholeGrid = [{ since: T0 + HOUR, until: T0 + 11 * HOUR }];
    assert.deepEqual(await ohlcv().listGaps(SERIES, range), wholeGrid);
    const at = (hour: number) => candleOf(T0 + hour * HOUR);
    await upsert(SERIES, [at(0), at(2), at(3), at(6), at(8), at(11)]);
    // Off the grid: no opening time, so it fills nothing.
    await query(
      `insert into ohlcv_data (symbol, timeframe, timestamp, open, high, low, close, volume)
       select symbol, timeframe, timestamp + interval '100 minutes', 1, 1, 1, 1, 1 from ohlcv_data`,
    );
    assert.deepEqual(await ohlcv().listGaps(SERIES, range), [
      { since: T0 + HOUR, until: T0 + 2 * HOUR },
      { since: T0 + 4 * HOUR, until: T0 + 6 * HOUR },
      { since: T0 + 7 * HOUR, until: T0 + 8 * HOUR },
      { since: T0 + 9 * HOUR, until: T0 + 11 * HOUR },
    ]);
    assert.deepEqual(await ohlcv().listGaps(SERIES, { since: T0 + 2 * HOUR, until: T0 + 4 * HOUR }), []);
    assert.deepEqual(await ohlcv().listGaps(SERIES, { since: T0 + 1, until: T0 + 2 }), []);
  });

  it('sees no gap where the clocks of the session time zone change', async () => {
    for (const timeframe of ['1d', '1w', '4h']) {
      const series = seriesOf('binance', 'BTC/USDT', timeframe);
      const length = { '1d': 24, '1w': 168, '4h': 4 }[timeframe]! * HOUR;
      const monday = Date.UTC(2024, 1, 26);
      await upsert(series, candlesFrom(monday, length, 12));
      assert.deepEqual(await ohlcv().listGaps(series, { since: monday, until: monday + 13 * length }), [
        { since: monday + 12 * length, until: monday + 13 * length },
      ]);
    }
  });

  it('passes PostgreSQL errors on with their SQLSTATE and stays usable', async () => {
    const refused = candleOf(T0);
    await whileRefusingCandle(url(), T0, async () => {
      for (const write of [
        () => upsert(SERIES, [refused]),
        () => store([refused]),
        // So many that they are copied.
        () => store([refused, ...candlesFrom(T0 + HOUR, HOUR, 6000)]),
      ])
        await assert.rejects(write(), (error) => sqlStateOf(error) === '23514');
    });
    assert.equal(await ohlcv().findStoredRows(SERIES), null);
    assert.equal((await upsert(SERIES, [candleOf(T0)])).inserted, 1);
    await assert.rejects(
      kysely()
        .selectFrom('ohlcv_data')
        .select('nothing' as 'id')
        .execute(),
    );
  });
});
