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
  const judge = (candles: readonly Candle[], { nowMs = T0 + 1_000 * HOUR, hoursAsked = 48 } = {}) =>
    longer.judge(
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
  /** The contradiction, or whether the answer shows its timeframe. */
  const find = async (...answer: Parameters<typeof judge>) => {
    const { contradiction, isShown } = await judge(...answer);
    return contradiction ?? isShown;
  };
  return { find, asked };
}

const EQUAL = 'lie on the grid of 1h and are equal to the 1h candles';
const LARGER = 'lie on the grid of 1h and do not fit into shorter candles of the same times';
const minutes = (count: number, first: number) =>
  Array.from({ length: count }, (_, at) => candle(T0 + first * HOUR + (at + 1) * MINUTE));

describe('LongerCandles', () => {
  it('finds hours that were told as minutes, by one request, and stays with it', async () => {
    const { find, asked } = stage(() => hours(30));
    assert.equal(await find(hours(20)), EQUAL);
    assert.deepEqual(asked, [{ timeframe: '1h', range: { since: T0, until: T0 + 20 * HOUR } }]);
    assert.equal(await find(hours(1, 40)), EQUAL, 'a single row of the same series too');
    assert.equal(asked.length, 1);
    assert.equal(await find([...hours(1, 40), ...minutes(1, 41)]), true, 'until rows lie between');
    assert.equal(await find(minutes(3, 42)), true);
    assert.equal(asked.length, 1);
  });

  it('believes a quiet market whose rows all happen to lie so, and does not ask for six hours', async () => {
    const { find, asked } = stage(() => hours(30).with(7, candle(T0 + 7 * HOUR, '2.5')));
    assert.equal(await find(hours(20)), true);
    assert.equal(await find(hours(25)), true);
    assert.equal(asked.length, 1);
    assert.equal(await find(hours(25), { nowMs: T0 + 1_006 * HOUR }), true);
    assert.equal(asked.length, 2);
  });

  it('takes an absence for nothing where the longer candles cannot be had, and asks again after a while', async () => {
    const failing = stage(() => {
      throw new Error('no such timeframe');
    });
    for (const { find, asked } of [failing, stage(() => [])]) {
      assert.equal(await find(hours(20)), false);
      const first = asked.length;
      assert.equal(await find(hours(20)), false);
      assert.equal(asked.length, first);
      assert.equal(await find(hours(20), { nowMs: T0 + 1_000 * HOUR + 10 * MINUTE }), false);
      assert.equal(asked.length, 2 * first);
      assert.equal(await find(minutes(1, 30)), true, 'a row between them shows the timeframe');
    }
  });

  it('needs one row to find that it is larger than the shorter candle which should hold it', async () => {
    const parts = hours(48).map((each) => ({ ...each, volume: '6' as Decimal }));
    for (const rows of [hours(1, 1), hours(2, 1), hours(4, 1)]) {
      const { find, asked } = stage(() => parts);
      assert.equal(await find(rows), LARGER);
      assert.deepEqual(
        asked.map(({ timeframe }) => timeframe),
        ['5m'],
      );
    }
  });

  it('believes a few rows that are smaller than the shorter candles that hold them', async () => {
    const { find, asked } = stage(() => hours(48).map((each) => ({ ...each, volume: '8' as Decimal })));
    for (const rows of [hours(1, 1), hours(2, 1), hours(4, 1)]) assert.equal(await find(rows), true);
    assert.equal(asked.length, 1);
  });

  it('takes an absence for nothing where few rows are equal to shorter candles, until one lies between', async () => {
    const { find, asked } = stage(() => hours(48));
    assert.equal(await find(hours(2)), false);
    assert.equal(await find(hours(3)), false);
    assert.equal(asked.length, 1);
    assert.equal(await find([...hours(3), ...minutes(1, 3)]), true);
    assert.equal(await find(hours(3)), true, 'it is known of the rows before');
    assert.equal(asked.length, 1);
  });

  it('asks nothing where rows lie between, or lie on a longer grid by chance', async () => {
    const { find, asked } = stage(() => hours(30));
    assert.equal(await find([...hours(30), candle(T0 + 30 * HOUR + MINUTE)]), true);
    assert.equal(await find([candle(T0 + 5 * MINUTE), candle(T0 + 15 * MINUTE)]), true);
    assert.deepEqual(asked, []);
  });

  it('knows rows of one answer after the other', async () => {
    const { find, asked } = stage(() => hours(48).map((each) => ({ ...each, volume: '6' as Decimal })));
    const fives = (at: number) => [candle(T0 + at * 5 * MINUTE)];
    assert.equal(await find(fives(1)), true);
    assert.equal(await find(fives(2)), true);
    assert.deepEqual(asked, []);
    await find(fives(7));
    assert.equal(asked.length, 1, 'the third of five minutes');
  });

  it('finds hours in every slot of a short question', async () => {
    const { find } = stage(() => hours(30));
    assert.equal(await find(hours(17), { hoursAsked: 16.7 }), EQUAL);
  });

  it('takes an answer of longer candles that lacks its start, or was cut', async () => {
    for (const told of [hours(30).slice(1), hours(20, 100)])
      assert.equal(await stage(() => told).find(hours(told.length === 20 ? 200 : 20)), EQUAL);
  });

  it('does not compare a longer candle that is in progress', async () => {
    const { find } = stage(() => hours(30).with(19, candle(T0 + 19 * HOUR, '2.9')));
    assert.equal(await find(hours(20), { nowMs: T0 + 19.5 * HOUR }), EQUAL);
  });
});
