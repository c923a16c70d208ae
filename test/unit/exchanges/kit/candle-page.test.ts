import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ExchangeDataError } from '../../../../src/errors.ts';
import { clampCandleRange, parseCandles } from '../../../../src/exchanges/kit/candle-page.ts';
import { parseTimeframe } from '../../../../src/market/timeframe.ts';

const MINUTE = 60_000;
const HOUR = 3_600_000;
const DAY = 86_400_000;
const T0 = Date.UTC(2024, 0, 30, 16);
const timeframe = parseTimeframe('1m');
const asked = { since: T0, until: T0 + 10 * MINUTE };

interface Overrides {
  nowMs?: number;
  limit?: number;
  fieldCount?: number;
  keepsToRange?: boolean;
  closingColumn?: number;
}

function parse(rows: unknown, overrides: Overrides = {}) {
  const facts = {
    exchange: 'test',
    subject: 'the candles',
    timeframe,
    asked,
    keepsToRange: false,
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

  const strange: [string, unknown[][], keepsToRange: boolean][] = [
    ['microseconds', [row(T0 * 1000), row((T0 + MINUTE) * 1000)], true],
    ['microseconds, of any exchange', [row(T0 * 1000), row((T0 + MINUTE) * 1000)], false],
    ['seconds', [row(T0 / 1000), row((T0 + MINUTE) / 1000)], true],
    ['seconds, of any exchange', [row(T0 / 1000)], false],
    ['mostly microseconds', [row(T0), row((T0 + MINUTE) * 1000), row((T0 + 2 * MINUTE) * 1000)], false],
    ['the newest rows instead', [row(T0 + 58 * MINUTE), row(T0 + 59 * MINUTE)], true],
    ['mostly rows before the range', [row(T0 - 2 * MINUTE), row(T0 - MINUTE), row(T0)], true],
    ['mostly rows at its end', [row(T0), row(asked.until), row(asked.until + MINUTE)], true],
    ['mostly rows yet to come, of any exchange', [row(T0), row(T0 + DAY), row(T0 + 2 * DAY)], false],
  ];
  for (const [name, rows, keepsToRange] of strange) {
    it(`does not take for an answer what is of other times: ${name}`, () => {
      assert.throws(
        () => parse(rows, { keepsToRange }),
        (error) => {
          assert.ok(error instanceof ExchangeDataError, String(error));
          assert.match(
            error.message,
            /asked for the candles from 2024-01-30T16:00:00.000Z to 2024-01-30T16:09:59.999Z/,
          );
          assert.match(error.message, /of \d rows from other times, .*ignores startTime.*not milliseconds/);
          return true;
        },
      );
    });
  }

  it('names the other times as they came', () => {
    const named = (rows: unknown[][]) => () => parse(rows, { keepsToRange: true });
    assert.throws(named([row(T0 * 1000)]), /1 of 1 rows from other times, 1706630400000000 to 1706630400000000:/);
    assert.throws(named([row(T0 + 58 * MINUTE)]), /other times, 2024-01-30T16:58:00.000Z to 2024-01-30T16:58:00.000Z:/);
    assert.throws(named([row(Number.MAX_SAFE_INTEGER)]), /other times, 9007199254740991 to/);
  });

  for (const keepsToRange of [true, false]) {
    it(`keeps aside a single row of another unit, keepsToRange ${keepsToRange}`, () => {
      const rows = [row(T0), row((T0 + MINUTE) * 1000), row((T0 + 2 * MINUTE) / 1000), row(T0 + 3 * MINUTE)];
      const { candles, rejected, openings } = parse(rows, { keepsToRange });
      assert.equal(candles.length, 2);
      const reason = 'the time cannot be in milliseconds: seconds or microseconds?';
      assert.deepEqual(rejected, [
        { raw: rows[1], reason },
        { raw: rows[2], reason },
      ]);
      assert.deepEqual(openings, [T0, T0 + 3 * MINUTE], 'and it proves nothing of what was published');
    });
  }

  it('keeps aside a few rows that were not asked for, each with its reason, and reads the others', () => {
    const rows = [
      row(T0 - 400 * DAY),
      row(T0),
      row(T0 + MINUTE),
      row(asked.until),
      row(T0 + 2 * MINUTE),
      row(T0 + DAY),
    ];
    const { candles, rejected, openings } = parse(rows, { keepsToRange: true });
    const kept = [T0, T0 + MINUTE, T0 + 2 * MINUTE];
    assert.deepEqual(
      candles.map(({ timestamp }) => timestamp),
      kept,
    );
    assert.deepEqual(rejected, [
      { raw: rows[0], reason: 'the time lies outside of what was asked for', timestamp: T0 - 400 * DAY },
      { raw: rows[3], reason: 'the time lies outside of what was asked for', timestamp: asked.until },
      { raw: rows[5], reason: 'the opening time lies in the future', timestamp: T0 + DAY },
    ]);
    assert.deepEqual(openings, kept, 'and they prove nothing of what was published');
  });

  it('keeps aside a row from the future where ranges are aligned in another way', () => {
    const rows = [row(T0 - MINUTE), row(T0), row(T0 + DAY)];
    const { candles, rejected, openings } = parse(rows);
    assert.equal(candles.length, 1);
    assert.deepEqual(rejected, [{ raw: rows[2], reason: 'the opening time lies in the future', timestamp: T0 + DAY }]);
    assert.deepEqual(openings, [T0 - MINUTE, T0]);
  });

  it('takes no row inside of what was asked that is yet to come for a proof of what was published', () => {
    const { rejected, openings } = parse([row(T0), row(T0 + 9 * MINUTE)], { nowMs: T0 + 70_000, keepsToRange: true });
    assert.equal(rejected[0]?.reason, 'the opening time lies in the future');
    assert.deepEqual(openings, [T0]);
  });

  it('takes every opening inside what was asked, from the first to the last', () => {
    const rows = [row(asked.since), row(asked.until - MINUTE), row(asked.until - 1)];
    const { candles, rejected } = parse(rows, { keepsToRange: true });
    assert.deepEqual([candles.length, rejected[0]?.timestamp], [2, asked.until - 1]);
  });

  const faulty: [string, unknown, RegExp, overrides?: Overrides][] = [
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

  describe('the timeframe', () => {
    const closing = (opening: number, lengthMs: number) => [...row(opening), opening + lengthMs - 1];
    const measure = { closingColumn: 6, keepsToRange: true };

    it('is refused with the whole answer where most closing times say another length', () => {
      const rows = [closing(T0, HOUR), closing(T0 + MINUTE, MINUTE), closing(T0 + 2 * MINUTE, HOUR)];
      const refused = /another timeframe: 2 of its 3 rows have another length by their closing times: 1h instead of 1m/;
      assert.throws(
        () => parse(rows, measure),
        (error) => error instanceof ExchangeDataError && refused.test(error.message),
      );
    });

    it('is judged alone of single rows', () => {
      const odd = [closing(T0, HOUR), [...row(T0 + MINUTE), 'soon'], [...row(T0 + 2 * MINUTE), T0]];
      const sound = [3, 4].map((at) => closing(T0 + at * MINUTE, MINUTE));
      const untold = row(T0 + 5 * MINUTE);
      const { candles, rejected } = parse([...odd, ...sound, untold], measure);
      assert.deepEqual(
        candles.map(({ timestamp }) => (timestamp - T0) / MINUTE),
        [3, 4, 5],
      );
      assert.deepEqual(
        rejected.map(({ reason, timestamp }) => [reason, timestamp]),
        [
          ['the closing time says that the candle lasts 1h instead of 1m', T0],
          ['the closing time is not a whole number of milliseconds', T0 + MINUTE],
          ['the closing time does not belong to the opening time', T0 + 2 * MINUTE],
        ],
      );
    });

    it('is refused for rows that follow each other too soon, where they tell no closing times', () => {
      const seconds = Array.from({ length: 8 }, (_, index) => row(T0 + index * 1_000));
      assert.throws(() => parse(seconds), /another timeframe: the spacing of its rows is as short as 1 s/);
      assert.equal(parse([row(T0), row(T0 + 8 * MINUTE)]).candles.length, 2);
    });
  });

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

  it('keeps aside what is more than was asked for, and the rest of the page', () => {
    const { candles, rejected } = parse([row(T0), row(T0 + MINUTE), row(T0 + 2 * MINUTE)], { limit: 2 });
    assert.deepEqual(
      candles.map(({ timestamp }) => timestamp),
      [T0, T0 + MINUTE],
    );
    const [surplus] = rejected;
    assert.equal(surplus?.timestamp, T0 + 2 * MINUTE, 'it claims to be there, so that it is asked for again');
    assert.match(surplus.reason, /3 rows where at most 2/);
  });

  it('refuses what is no list, and more than twice as many rows as were asked for', () => {
    assert.throws(() => parse({ code: 0 }), ExchangeDataError);
    const rows = [row(T0), row(T0 + MINUTE), row(T0 + 2 * MINUTE)];
    assert.throws(() => parse(rows, { limit: 1 }), /3 rows where at most 1/);
  });
});
