import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ExchangeDataError } from '../../../../src/errors.ts';
import { clampCandleRange, parseCandles } from '../../../../src/exchanges/ccxt/candle-page.ts';
import { parseTimeframe } from '../../../../src/market/timeframe.ts';

const MINUTE = 60_000;
const T0 = Date.UTC(2024, 0, 30, 16);
const timeframe = parseTimeframe('1m');
const asked = { since: T0, until: T0 + 10 * MINUTE };

function parse(rows: unknown, overrides: { nowMs?: number; limit?: number; fieldCount?: number } = {}) {
  const facts = {
    exchange: 'test',
    subject: 'the candles',
    timeframe,
    asked,
    limit: 10,
    fieldCount: 6,
    nowMs: T0 + 60 * MINUTE,
  };
  return parseCandles({ ...facts, ...overrides, rows });
}

const row = (opening: number, close = '2') => [opening, '2', '3', '1', close, '7'];

describe('clampCandleRange', () => {
  it('starts on the grid and holds at most the limit', () => {
    assert.deepEqual(clampCandleRange({ since: T0 + 1, until: T0 + 60 * MINUTE }, timeframe, 3), {
      since: T0 + MINUTE,
      until: T0 + 4 * MINUTE,
    });
    assert.deepEqual(clampCandleRange(asked, timeframe, 1000), asked);
    assert.equal(clampCandleRange({ since: T0 + 1, until: T0 + MINUTE }, timeframe, 3), null);
  });
});

describe('parseCandles', () => {
  it('keeps every digit and sorts', () => {
    const tiny = [T0, '0.00002452', '0.00002460', '0.00002450', '0.00002452', '2663107.29999999861'];
    const { candles, rejected } = parse([
      row(T0 + MINUTE),
      tiny,
      [T0 + 2 * MINUTE, 1.2e-7, 1.2e-7, '0.00000012', 1.2e-7, 0],
    ]);
    assert.deepEqual(candles[0], {
      timestamp: T0,
      open: '0.00002452',
      high: '0.00002460',
      low: '0.00002450',
      close: '0.00002452',
      volume: '2663107.29999999861',
    });
    assert.equal(candles[1]?.timestamp, T0 + MINUTE);
    assert.equal(candles[2]?.open, '0.00000012');
    assert.deepEqual(rejected, []);
  });

  it('leaves out rows before and after the range, whatever they hold', () => {
    const { candles, rejected, openings } = parse([row(T0 - MINUTE), row(T0), row(asked.until), [asked.until + 1]]);
    assert.deepEqual(
      candles.map(({ timestamp }) => timestamp),
      [T0],
    );
    assert.deepEqual(rejected, []);
    assert.deepEqual(openings, [T0 - MINUTE, T0, asked.until, asked.until + 1]);
  });

  const faulty: [string, unknown, RegExp, overrides?: { nowMs?: number; fieldCount?: number }][] = [
    ['no list', { t: T0 }, /not a list/],
    ['null', null, /not a list/],
    ['a cut row', [T0, '1', '2'], /3 fields instead of 6/],
    [
      'a row of undefined',
      [undefined, undefined, undefined, undefined, undefined, undefined],
      /whole number of milliseconds/,
    ],
    ['a time with a fraction', [T0 + 0.5, '1', '1', '1', '1', '1'], /whole number of milliseconds/],
    ['a time off the grid', row(T0 + 28_015), /off the 1m grid/],
    ['high below low', [T0, '2', '1', '3', '2', '7'], /low is above high/],
    ['close above high', row(T0, '4'), /close is above high/],
    ['a negative volume', [T0, '2', '3', '1', '2', '-7'], /volume is negative/],
    ['a value that is no number', [T0, '2', '3', 'NaN', '2', '7'], /not a decimal/],
    ['an empty value', [T0, '2', '3', '1', '', '7'], /not a decimal/],
    ['a missing value', [T0, '2', '3', '1', null, '7'], /not a decimal/],
    ['the future', row(T0 + 5 * MINUTE), /in the future/, { nowMs: T0 + 4 * MINUTE }],
    ['too few fields for this exchange', row(T0), /6 fields instead of 12/, { fieldCount: 12 }],
  ];
  for (const [name, raw, reason, overrides] of faulty) {
    it(`keeps aside ${name}, and still reads the others`, () => {
      const { candles, rejected } = parse([raw, row(T0 + MINUTE)], overrides);
      assert.equal(candles.length, overrides?.fieldCount === 12 ? 0 : 1);
      assert.match(rejected[0]?.reason ?? '', reason);
      assert.equal(rejected[0]?.raw, raw);
    });
  }

  it('tells the opening time that a faulty row claims', () => {
    assert.equal(parse([row(T0, '4')]).rejected[0]?.timestamp, T0);
    assert.ok(!('timestamp' in (parse([['x', '1', '1', '1', '1', '1']]).rejected[0] ?? {})));
  });

  it('counts equal rows of one opening time once', () => {
    const { candles, rejected } = parse([row(T0), row(T0, '2.0')]);
    assert.equal(candles.length, 1);
    assert.deepEqual(rejected, []);
  });

  it('keeps aside all rows of one opening time where they differ', () => {
    const { candles, rejected } = parse([row(T0), row(T0, '2.5'), row(T0 + MINUTE)]);
    assert.deepEqual(
      candles.map(({ timestamp }) => timestamp),
      [T0 + MINUTE],
    );
    assert.deepEqual(
      rejected.map(({ timestamp }) => timestamp),
      [T0, T0],
    );
  });

  it('refuses what is no list, and more rows than were asked for', () => {
    assert.throws(() => parse({ code: 0 }), ExchangeDataError);
    assert.throws(() => parse([row(T0), row(T0 + MINUTE)], { limit: 1 }), /2 rows where at most 1/);
  });
});
