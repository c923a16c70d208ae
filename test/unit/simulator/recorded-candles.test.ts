import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseRecordedCandles, RecordedKlines, type RecordedRow } from '../../../simulator/recorded-candles.ts';
import { findInterval } from '../../../simulator/binance-interval.ts';

const T = Date.UTC(2024, 0, 1);
const MINUTE = 60_000;

/** Minutes 0, 1, 2, 4 (3 had no trade), 5 to 10. */
const ROWS = parseRecordedCandles(
  JSON.stringify(
    [0, 1, 2, 4, 5, 6, 7, 8, 9, 10].map((minute) => [
      String(T + minute * MINUTE),
      `0.0000${10 + minute}0`,
      `0.0000${20 + minute}`,
      `0.00000${9 - (minute % 5)}`,
      `0.0000${11 + minute}`,
      `${minute}.10`,
    ]),
  ),
);

function list(klines: RecordedKlines, interval: string, query: object = {}) {
  const wanted = { interval: findInterval(interval)!, startMs: null, endMs: null, limit: 500, nowMs: T + 1e9 };
  return klines.listKlines({ ...wanted, ...query });
}

describe('recorded candles', () => {
  it('keeps the digits of numbers and strings as they are written', () => {
    const rows = parseRecordedCandles(
      '[[1570752000000,0.00141342,0.00005330000000000001, 1.50,123456789012345678.123456789,0],\n' +
        '["1570752060000","0.0000245","0.00002450","2","0","1634575.70"]]',
    );
    assert.deepEqual(rows, [
      [1570752000000, '0.00141342', '0.00005330000000000001', '1.50', '123456789012345678.123456789', '0'],
      [1570752060000, '0.0000245', '0.00002450', '2', '0', '1634575.70'],
    ]);
    assert.equal(parseRecordedCandles('[[0,1.2e-05,1,1,1,1]]')[0]?.[1], '0.000012');
  });

  it('says which row cannot be read', () => {
    assert.throws(() => parseRecordedCandles('{}'), /no array/);
    assert.throws(() => parseRecordedCandles('[[0,1,1,1,1,1],[1,2]]'), /row 2 has not six columns/);
    assert.throws(() => parseRecordedCandles('[[0,1,1,1,1,null]]'), /row 1, column 6: null is not a decimal/);
    assert.throws(() => parseRecordedCandles('[["x",1,1,1,1,1]]'), /row 1 has no opening time/);
    assert.throws(() => parseRecordedCandles('[[0,1,'), SyntaxError);
  });

  it('serves exactly the rows, gaps included, once they are closed', () => {
    const klines = new RecordedKlines([{ symbol: 'A/B', timeframe: '1m', candles: ROWS }]);
    const served = list(klines, '1m')!;
    assert.deepEqual(
      served.map(([openMs, open, high, low, close, volume]) => [openMs, open, high, low, close, volume]),
      ROWS,
    );
    for (const row of served) {
      assert.equal(row.length, 12);
      assert.equal(row[6], row[0] + MINUTE - 1);
    }
    const openings = (query: object) => list(klines, '1m', query)!.map(([openMs]) => (openMs - T) / MINUTE);
    assert.deepEqual(openings({ startMs: T + 3 * MINUTE, limit: 2 }), [4, 5]);
    assert.deepEqual(openings({ startMs: T + 2 * MINUTE, endMs: T + 5 * MINUTE }), [2, 4, 5]);
    assert.deepEqual(openings({ limit: 2 }), [9, 10]);
    assert.deepEqual(openings({ nowMs: T + 5 * MINUTE, limit: 2 }), [2, 4]);
  });

  it('adds up longer candles exactly where the recording covers them wholly, and refuses the others', () => {
    const klines = new RecordedKlines([{ symbol: 'A/B', timeframe: '1m', candles: ROWS }]);
    const fives = list(klines, '5m')!.map((row) => row.slice(0, 6));
    assert.deepEqual(fives, [
      [T, '0.0000100', '0.000024', '0.000005', '0.000015', '7.40'],
      [T + 5 * MINUTE, '0.0000150', '0.000029', '0.000005', '0.000020', '35.50'],
    ]);
    assert.deepEqual(list(klines, '15m'), [], 'eleven minutes hold no whole quarter of an hour');
    const hours = new RecordedKlines([{ symbol: 'A/B', timeframe: '1h', candles: ROWS }]);
    assert.equal(list(hours, '30m'), null);
    assert.equal(list(hours, '1m'), null);
  });

  it('refuses recordings that it cannot serve', () => {
    const create = (candles: readonly RecordedRow[], timeframe = '1m') =>
      new RecordedKlines([{ symbol: 'A/B', timeframe, candles }]);
    assert.throws(() => create([]), /has no candles/);
    assert.throws(() => create([...ROWS, ROWS[0]!]), /out of order/);
    assert.throws(() => create(ROWS, '7m'), /no candles of 7m/);
    assert.throws(() => create(ROWS, 'minute'), /not a timeframe/);
    const series = { symbol: 'A/B', timeframe: '1m', candles: ROWS };
    assert.throws(() => new RecordedKlines([series, series]), /given twice/);
  });
});
