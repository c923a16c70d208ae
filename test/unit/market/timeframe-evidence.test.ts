import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { findLengthFault, TimeframeEvidence } from '../../../src/market/timeframe-evidence.ts';
import { parseTimeframe, timeframeMs, type Timeframe } from '../../../src/market/timeframe.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const T0 = Date.UTC(2024, 0, 1);
const TIMEFRAMES = ['1m', '5m', '15m', '1h', '4h', '1d', '1w'].map(parseTimeframe);
const [minute, hour] = [parseTimeframe('1m'), parseTimeframe('1h')];

const judge = (timeframe: Timeframe, openings: readonly number[], lengthMs: number | null = null) => {
  const evidence = new TimeframeEvidence(timeframe);
  for (const openMs of openings) evidence.note(openMs, lengthMs === null ? null : openMs + lengthMs - 1);
  return evidence.contradiction();
};
const every = (stepMs: number, count: number) => Array.from({ length: count }, (_, index) => T0 + index * stepMs);

/** Openings of one timeframe on a market where each candle is there with some chance; oldest or newest first. */
const openingsOf = (timeframe: Timeframe) =>
  fc
    .record({
      slots: fc.uniqueArray(fc.integer({ min: 0, max: 2_000 }), { minLength: 1, maxLength: 300 }),
      isNewestFirst: fc.boolean(),
    })
    .map(({ slots, isNewestFirst }) => {
      const monday = Date.UTC(2024, 0, 1);
      const times = slots.toSorted((a, b) => a - b).map((slot) => monday + slot * timeframeMs(timeframe));
      return isNewestFirst ? times.toReversed() : times;
    });

describe('TimeframeEvidence', () => {
  it('holds nothing against rows of the timeframe itself, however quiet the market, with or without closing times', () => {
    fc.assert(
      fc.property(
        fc
          .constantFrom(...TIMEFRAMES)
          .chain((timeframe) =>
            fc.record({ timeframe: fc.constant(timeframe), openings: openingsOf(timeframe), tells: fc.boolean() }),
          ),
        ({ timeframe, openings, tells }) =>
          assert.equal(judge(timeframe, openings, tells ? timeframeMs(timeframe) : null), null),
      ),
    );
  });

  it('finds rows of any other timeframe by their closing times, and names both lengths', () => {
    fc.assert(
      fc.property(
        fc
          .tuple(fc.constantFrom(...TIMEFRAMES), fc.constantFrom(...TIMEFRAMES))
          .filter(([asked, told]) => asked !== told)
          .chain(([asked, told]) =>
            fc.record({ asked: fc.constant(asked), told: fc.constant(told), openings: openingsOf(told) }),
          ),
        ({ asked, told, openings }) => {
          const words = judge(asked, openings, timeframeMs(told)) ?? '';
          assert.ok(words.endsWith(`: ${told} instead of ${asked}`), words);
        },
      ),
    );
  });

  it('finds shorter candles by their spacing where no row tells more, in either order', () => {
    assert.match(judge(hour, every(MINUTE, 60)) ?? '', /spacing of its rows is as short as 1m.*timeframe 1h/);
    assert.match(judge(hour, every(MINUTE, 60).toReversed()) ?? '', /as short as 1m/);
    assert.match(judge(minute, every(1_000, 90)) ?? '', /as short as 1 s/);
    assert.equal(judge(minute, every(HOUR, 1_000)), null, 'wide spacing is no evidence');
  });

  it('finds shorter candles of a quiet market, most of which are hours apart', () => {
    const openings = [7, 128, 260, 395, 507, 519, 733, 901].map((at) => T0 + at * MINUTE);
    assert.match(judge(hour, openings) ?? '', /as short as 12m/);
  });

  it('holds against nobody a few strange rows, or one shift of the grid', () => {
    const hours = every(HOUR, 24);
    assert.equal(judge(hour, [...hours.slice(0, 5), hours[5]! + 28_015, ...hours.slice(5)]), null);
    assert.equal(judge(hour, [hours[0]!, hours[0]! + 1_694_789]), null);
    const shifted = hours.map((at, index) => (index < 2 ? at : at + 28 * MINUTE));
    assert.equal(judge(hour, shifted), null);
    const weeks = every(7 * 24 * HOUR, 20).map((at) => at + 3 * 24 * HOUR);
    assert.equal(judge(parseTimeframe('1w'), weeks), null, 'weeks that open on Thursdays');
  });

  it('refuses nothing for the minority, and for closing times that are no length', () => {
    const evidence = new TimeframeEvidence(minute);
    for (const at of every(MINUTE, 3)) evidence.note(at, at + MINUTE - 1);
    for (const at of every(MINUTE, 3)) evidence.note(at, at + HOUR - 1);
    assert.equal(evidence.contradiction(), null);
    for (const at of every(MINUTE, 9)) evidence.note(at, at + 31_985);
    assert.equal(evidence.contradiction(), null);
    evidence.note(T0, 0);
    assert.equal(evidence.contradiction(), null);
  });
});

describe('findLengthFault', () => {
  it('takes the last millisecond and the first one after it, and nothing else', () => {
    for (const timeframe of TIMEFRAMES) {
      const end = T0 + timeframeMs(timeframe);
      for (const closing of [end - 1, end]) assert.equal(findLengthFault(T0, closing, timeframe), null);
    }
    const cases: [number, RegExp][] = [
      [T0 + HOUR - 1, /lasts 1h instead of 1m/],
      [T0 + 90_000, /lasts 90 s instead of 1m/],
      [T0 + 31_985, /does not belong to the opening time/],
      [T0, /does not belong/],
      [0, /does not belong/],
    ];
    for (const [closing, words] of cases) assert.match(findLengthFault(T0, closing, minute) ?? '', words);
  });
});
