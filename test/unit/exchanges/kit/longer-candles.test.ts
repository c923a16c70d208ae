import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LongerCandles } from '../../../../src/exchanges/kit/longer-candles.ts';
import type { Candle } from '../../../../src/market/candle.ts';
import type { Decimal } from '../../../../src/market/decimal.ts';
import type { TimeRange } from '../../../../src/market/time-range.ts';
import { parseTimeframe } from '../../../../src/market/timeframe.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const T0 = Date.UTC(2024, 0, 30, 16);
const minute = parseTimeframe('1m');
const hour = parseTimeframe('1h');

const candle = (timestamp: number, close = '2'): Candle => {
  const [open, high, low, volume] = ['2', '3', '1', '7'] as Decimal[] as [Decimal, Decimal, Decimal, Decimal];
  return { timestamp, open, high, low, close: close as Decimal, volume };
};
const hours = (count: number, first = 0) => Array.from({ length: count }, (_, at) => candle(T0 + (first + at) * HOUR));

function stage(told: (range: TimeRange) => readonly Candle[]) {
  const asked: { timeframe: string; range: TimeRange }[] = [];
  const longer = new LongerCandles({
    timeframes: ['1m', '5m', '1h', '4h'].map(parseTimeframe),
    candleLimit: 1_000,
    ask: async ({ timeframe, range }) => {
      asked.push({ timeframe, range });
      return await Promise.resolve().then(() => told(range));
    },
  });
  const find = (candles: readonly Candle[], { nowMs = T0 + 1_000 * HOUR, hoursAsked = 48 } = {}) =>
    longer.find(
      {
        symbol: 'BTC/USDT',
        timeframe: minute,
        asked: { since: T0, until: T0 + hoursAsked * HOUR },
        nowMs,
        openings: candles.map(({ timestamp }) => timestamp),
        candles,
      },
      new AbortController().signal,
    );
  return { find, asked };
}

describe('LongerCandles', () => {
  it('finds hours that were told as minutes, by one request, and stays with it', async () => {
    const { find, asked } = stage(() => hours(30));
    assert.equal(await find(hours(20)), hour);
    assert.deepEqual(asked, [{ timeframe: '1h', range: { since: T0, until: T0 + 20 * HOUR } }]);
    assert.equal(await find(hours(1, 40)), hour, 'a single row of the same series too');
    assert.equal(asked.length, 1);
    assert.equal(await find([...hours(1, 40), candle(T0 + 41 * HOUR + MINUTE)]), null, 'until rows lie between');
    assert.equal(await find(hours(1, 42)), null);
    assert.equal(asked.length, 1);
  });

  it('believes a quiet market whose rows all happen to lie so, and does not ask for six hours', async () => {
    for (const told of [hours(30).with(7, candle(T0 + 7 * HOUR, '2.5')), hours(18), []]) {
      const { find, asked } = stage(() => told);
      assert.equal(await find(hours(20)), null);
      assert.equal(await find(hours(25)), null);
      assert.equal(asked.length, 1);
      assert.equal(await find(hours(25), { nowMs: T0 + 1_006 * HOUR }), null);
      assert.equal(asked.length, 2);
    }
  });

  it('refuses nothing where the longer candles cannot be had, and asks again after a while', async () => {
    const { find, asked } = stage(() => {
      throw new Error('no such timeframe');
    });
    assert.equal(await find(hours(20)), null);
    assert.equal(await find(hours(20)), null);
    assert.equal(asked.length, 1);
    assert.equal(await find(hours(20), { nowMs: T0 + 1_000 * HOUR + 10 * MINUTE }), null);
    assert.equal(asked.length, 2);
  });

  it('asks nothing for fewer rows, but where one stands in each longer slot of what was asked', async () => {
    const { find, asked } = stage(() => hours(30));
    assert.equal(await find(hours(19)), null);
    assert.equal(await find(hours(4), { hoursAsked: 4 }), null);
    assert.equal(await find([...hours(30), candle(T0 + 30 * HOUR + MINUTE)]), null, 'one row lies between');
    assert.deepEqual(asked, []);
    assert.equal(await find(hours(17), { hoursAsked: 16.7 }), hour);
  });

  it('takes an answer of longer candles that lacks its start, or was cut', async () => {
    for (const told of [hours(30).slice(1), hours(20, 100)])
      assert.equal(await stage(() => told).find(hours(told.length === 20 ? 200 : 20)), hour);
  });

  it('does not compare a longer candle that is in progress', async () => {
    const { find } = stage(() => hours(30).with(19, candle(T0 + 19 * HOUR, '2.9')));
    assert.equal(await find(hours(20), { nowMs: T0 + 19.5 * HOUR }), hour);
  });
});
