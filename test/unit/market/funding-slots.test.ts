import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { findFundingHoles } from '../../../src/market/funding-slots.ts';

const HOUR = 3_600_000;
const START = Date.UTC(2024, 0, 1);
const at = (hour: number) => START + hour * HOUR;
/** Hours of settlements in, hours [since, until) of holes out. */
const find = (hours: readonly number[], since: number, until: number) =>
  findFundingHoles(hours.map(at), { since: at(since), until: at(until) }).map((range) => [
    (range.since - START) / HOUR,
    (range.until - START) / HOUR,
  ]);

describe('findFundingHoles', () => {
  const cases: [string, readonly number[], [number, number], number[][]][] = [
    ['nothing in a complete list of 8 h', [0, 8, 16, 24], [0, 32], []],
    ['nothing in a complete list of 4 h', [0, 4, 8, 12, 16], [0, 20], []],
    ['nothing in a complete list of 1 h', [0, 1, 2, 3, 4], [0, 5], []],
    ['the one that misses', [0, 8, 24, 32], [0, 40], [[16, 17]]],
    ['several that miss in a row, as one range', [0, 8, 40, 48], [0, 56], [[16, 33]]],
    ['one of 4 h, though 8 h apart is common', [0, 4, 8, 16, 20, 24], [0, 28], [[12, 13]]],
    ['one of 1 h', [0, 1, 2, 4, 5], [0, 6], [[3, 4]]],
    [
      'two holes',
      [0, 8, 24, 32, 48, 56],
      [0, 64],
      [
        [16, 17],
        [40, 41],
      ],
    ],
    ['nothing at a change from 8 h to 4 h', [0, 8, 16, 20, 24, 28], [0, 32], []],
    ['nothing at a change from 4 h to 8 h', [0, 4, 8, 16, 24, 32], [0, 40], []],
    ['nothing at a change from 8 h to 1 h', [0, 8, 16, 17, 18, 19], [0, 20], []],
    ['all that may miss at a change with a hole', [0, 4, 8, 20, 28, 36], [0, 44], [[12, 17]]],
    ['what misses before the first', [16, 24, 32], [0, 40], [[0, 9]]],
    ['what misses before the first of 4 h', [8, 12, 16], [1, 20], [[4, 5]]],
    ['nothing before the first where the edge is younger than an interval', [16, 24], [9, 32], []],
    ['what misses after the last', [0, 8, 16], [0, 33], [[24, 33]]],
    ['nothing after the last before the next is due', [0, 8, 16], [0, 24], []],
    ['the next as soon as it is due', [0, 8, 16], [0, 25], [[24, 25]]],
    [
      'by the shortest interval near the edge, where one may have been lost there',
      [0, 4, 8, 16],
      [0, 21],
      [
        [12, 13],
        [20, 21],
      ],
    ],
    [
      '8 h where only one is known',
      [8],
      [0, 24],
      [
        [0, 1],
        [16, 17],
      ],
    ],
    ['only what lies inside, by the neighbours on both sides', [0, 4, 12, 16], [8, 9], [[8, 9]]],
    ['nothing inside where the neighbours say so', [0, 8, 16, 24], [9, 16], []],
    ['everything where nothing is known', [], [3, 7], [[3, 7]]],
    ['the same for any order', [24, 0, 8], [0, 32], [[16, 17]]],
  ];
  for (const [name, hours, [since, until], holes] of cases)
    it(`finds ${name}`, () => assert.deepEqual(find(hours, since, until), holes));

  it('takes times that are some milliseconds off the hour for the hour, and a slot once', () =>
    assert.deepEqual(
      findFundingHoles([at(0) + 17, at(0), at(8) + 7, at(16) - 3, at(24)], { since: at(0), until: at(32) }),
      [],
    ));

  it('says nothing of a range without a full hour', () =>
    assert.deepEqual(findFundingHoles([], { since: at(0) + 1, until: at(0) + 2 }), []));

  it('speaks of full hours where the range has none', () =>
    assert.deepEqual(findFundingHoles([], { since: at(0) + 1, until: at(2) }), [{ since: at(1), until: at(2) }]));
});

const RECORDED = '../shared/data/freqtrade/XRP_USDT_USDT-8h-funding_rate.json';

describe('findFundingHoles on recorded settlements', { skip: !existsSync(RECORDED) && `${RECORDED} is absent` }, () => {
  const times = existsSync(RECORDED)
    ? (JSON.parse(readFileSync(RECORDED, 'utf8')) as [number][]).map(([time]) => time)
    : [];
  const slots = times.map((time) => Math.round(time / HOUR) * HOUR);
  const [first = 0, last = 0] = [slots[0], slots.at(-1)];
  const answered = { since: first, until: last + 8 * HOUR };

  it('finds none, though most are stamped after the hour', () => {
    assert.equal(times.length, 91);
    assert.ok(times.filter((time) => time % HOUR !== 0).length === 59);
    assert.deepEqual(findFundingHoles(times, answered), []);
  });

  it('finds each one that is taken away', () => {
    for (const [index, slot] of slots.entries()) {
      const left = times.filter((_, other) => other !== index);
      assert.deepEqual(
        findFundingHoles(left, answered),
        [{ since: slot, until: slot + HOUR }],
        new Date(slot).toISOString(),
      );
    }
  });
});
