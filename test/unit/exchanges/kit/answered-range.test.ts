import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ExchangeDataError } from '../../../../src/errors.ts';
import { findAnsweredBetweenRows, findAnsweredRange } from '../../../../src/exchanges/kit/answered-range.ts';
import { parseTimeframe } from '../../../../src/market/timeframe.ts';

const MINUTE = 60_000;
const T0 = Date.UTC(2024, 0, 30, 16);
const DAY_LATER = T0 + 86_400_000;
const openingsFrom = (first: number, count: number) =>
  Array.from({ length: count }, (_, index) => first + index * MINUTE);
const facts = (minutes: number, openings: number[], nowMs = DAY_LATER) => ({
  exchange: 'test',
  subject: 'the candles',
  timeframe: parseTimeframe('1m'),
  asked: { since: T0, until: T0 + minutes * MINUTE },
  nowMs,
  openings,
});

describe('findAnsweredRange', () => {
  it('speaks of all that was asked for, also where nobody traded', () => {
    const { asked } = facts(10, []);
    assert.deepEqual(findAnsweredRange(facts(10, [])), asked);
    assert.deepEqual(findAnsweredRange(facts(10, [T0 + 3 * MINUTE])), asked, 'a market that was listed in between');
  });

  it('says nothing of a candle that may not have been published yet', () => {
    const now = T0 + 5 * MINUTE + 2_000;
    assert.equal(findAnsweredRange(facts(10, openingsFrom(T0, 3), now)).until, T0 + 4 * MINUTE);
    assert.equal(findAnsweredRange(facts(10, openingsFrom(T0, 3), now + 4_000)).until, T0 + 5 * MINUTE);
    assert.equal(
      findAnsweredRange(facts(10, openingsFrom(T0, 6), now)).until,
      T0 + 6 * MINUTE,
      'the one in progress is there',
    );
    assert.equal(findAnsweredRange(facts(5, [T0 + 5 * MINUTE], now)).until, T0 + 5 * MINUTE, 'a later one was seen');
  });

  it('says so where nothing at all is said', () => {
    assert.throws(() => findAnsweredRange(facts(1, [], T0 + MINUTE + 2_000)), ExchangeDataError);
  });
});

describe('findAnsweredBetweenRows', () => {
  const M1 = parseTimeframe('1m');
  const asked = { since: T0, until: T0 + 1000 * MINUTE };
  const at = (minute: number) => T0 + minute * MINUTE;

  it('speaks of what lies between the first and the last row, however many there are', () => {
    for (const count of [1, 2, 99, 100, 720, 1000])
      assert.deepEqual(findAnsweredBetweenRows(asked, openingsFrom(at(0), count), M1), { since: T0, until: at(count) });
    assert.deepEqual(findAnsweredBetweenRows(asked, [at(3), at(900)], M1), { since: at(3), until: at(901) });
  });

  it('takes rows outside of what was asked for as its frame, and speaks of no more than was asked for', () => {
    assert.deepEqual(findAnsweredBetweenRows(asked, [at(-5), at(1005)], M1), asked);
    assert.deepEqual(findAnsweredBetweenRows(asked, [at(-5), at(4)], M1), { since: T0, until: at(5) });
  });

  it('speaks of nothing without rows, or where all of them lie on one side', () => {
    assert.equal(findAnsweredBetweenRows(asked, [], M1), null);
    assert.equal(findAnsweredBetweenRows(asked, openingsFrom(at(1000), 720), M1), null, 'the newest candles');
    assert.equal(findAnsweredBetweenRows(asked, openingsFrom(at(-10), 10), M1), null);
  });
});
