import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseCandles } from '../../../../src/exchanges/kit/candle-page.ts';
import { parseTimeframe } from '../../../../src/market/timeframe.ts';
import { judgeConfirmation } from '../../../../src/exchanges/kit/candle-confirmation.ts';

const MINUTE = 60_000;
const T0 = Date.UTC(2024, 0, 30, 16);

describe('judgeConfirmation', () => {
  for (const word of ['1', 1])
    it(`takes ${typeof word} ${word} for complete at any time`, () =>
      assert.equal(judgeConfirmation(word, T0, T0 - MINUTE), 'complete'));

  for (const word of ['0', 0])
    it(`takes ${typeof word} ${word} for unconfirmed, until ten minutes after the end`, () => {
      assert.equal(judgeConfirmation(word, T0, T0 - MINUTE), 'unconfirmed');
      assert.equal(judgeConfirmation(word, T0, T0 + 10 * MINUTE - 1), 'unconfirmed');
      assert.deepEqual(judgeConfirmation(word, T0, T0 + 10 * MINUTE), {
        reason: 'the exchange still calls the candle incomplete, ten minutes after its end',
      });
    });

  for (const word of [undefined, null, '', 'true', true, 2, '10'])
    it(`makes nothing of ${JSON.stringify(word)}`, () =>
      assert.deepEqual(judgeConfirmation(word, T0, T0 + MINUTE), {
        reason: 'the row does not say whether the candle is complete',
      }));
});

describe('parseCandles with a column of confirmations', () => {
  const parse = (rows: unknown[], confirmColumn: number | null = 6) =>
    parseCandles({
      exchange: 'test',
      subject: 'the candles',
      timeframe: parseTimeframe('1m'),
      asked: { since: T0, until: T0 + 10 * MINUTE },
      keepsToRange: false,
      limit: 10,
      fieldCount: 6,
      confirmColumn,
      nowMs: T0 + 3 * MINUTE,
      rows,
    });
  const row = (minute: number, word: unknown) => [T0 + minute * MINUTE, '2', '3', '1', '2', '7', word];
  const minutes = ({ candles }: { candles: readonly { timestamp: number }[] }) =>
    candles.map(({ timestamp }) => (timestamp - T0) / MINUTE);

  it('gives what lies before the first unconfirmed candle, in any order of rows', () => {
    const page = parse([row(3, '0'), row(0, '1'), row(2, '1'), row(1, '0')]);
    assert.deepEqual(minutes(page), [0]);
    assert.equal(page.unconfirmedSince, T0 + MINUTE);
    assert.deepEqual(page.rejected, []);
  });

  it('gives all where all are confirmed', () => {
    const page = parse([row(0, '1'), row(1, '1')]);
    assert.deepEqual(minutes(page), [0, 1]);
    assert.equal(page.unconfirmedSince, null);
  });

  it('does not look at it where the exchange says nothing', () => {
    const page = parse([row(0, '0'), row(1, undefined)], null);
    assert.deepEqual(minutes(page), [0, 1]);
    assert.equal(page.unconfirmedSince, null);
  });

  it('keeps a row aside that cannot be a candle, whatever it is called', () => {
    const page = parse([[T0, '2', '1', '3', '2', '7', '0']]);
    assert.match(page.rejected[0]?.reason ?? '', /low is above high/);
    assert.equal(page.unconfirmedSince, null);
  });
});
