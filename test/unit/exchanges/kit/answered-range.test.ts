import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ExchangeDataError, ExchangeRejectedError } from '../../../../src/errors.ts';
import { findAnsweredRange, findAnsweredRangeOfUnknown } from '../../../../src/exchanges/kit/answered-range.ts';
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

describe('findAnsweredRangeOfUnknown', () => {
  it('believes a short page', () => {
    assert.deepEqual(
      findAnsweredRangeOfUnknown(facts(1000, openingsFrom(T0 + 3 * MINUTE, 20)), 1000),
      facts(1000, []).asked,
    );
    assert.deepEqual(findAnsweredRangeOfUnknown(facts(1000, []), 1000), facts(1000, []).asked);
  });

  it('believes only the inside of a long page, which a lower limit of the server may have cut', () => {
    assert.deepEqual(
      findAnsweredRangeOfUnknown(facts(1000, openingsFrom(T0 + 900 * MINUTE, 100)), 1000),
      { since: T0 + 900 * MINUTE, until: T0 + 1000 * MINUTE },
      'cut at its start, as by exchanges that answer newest first',
    );
    assert.deepEqual(
      findAnsweredRangeOfUnknown(facts(1000, openingsFrom(T0, 200)), 1000),
      { since: T0, until: T0 + 200 * MINUTE },
      'cut at its end',
    );
  });

  it('does not take the newest candles for "there are no old ones"', () => {
    const newest = openingsFrom(DAY_LATER - 719 * MINUTE, 720);
    assert.throws(
      () => findAnsweredRangeOfUnknown(facts(100, newest), 720),
      (error) => error instanceof ExchangeRejectedError && error.reason === 'request',
    );
    const listed = openingsFrom(T0 + 200 * MINUTE, 720);
    assert.deepEqual(
      findAnsweredRangeOfUnknown(facts(100, listed), 720),
      facts(100, []).asked,
      'the first candles after a listing',
    );
  });
});
