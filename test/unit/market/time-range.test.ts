import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findOverlaps, subtractLists } from '../../../src/market/range-lists.ts';
import {
  countOpenings,
  countSlots,
  createRange,
  intersectRanges,
  mergeRanges,
} from '../../../src/market/time-range.ts';
import { parseTimeframe } from '../../../src/market/timeframe.ts';

const range = (since: number, until: number) => ({ since, until });

describe('time ranges', () => {
  it('are never empty', () => {
    assert.equal(createRange(5, 5), null);
    assert.deepEqual(createRange(5, 6), range(5, 6));
    assert.equal(intersectRanges(range(0, 5), range(5, 9)), null);
    assert.deepEqual(intersectRanges(range(0, 6), range(5, 9)), range(5, 6));
  });

  it('join where they touch or overlap', () => {
    assert.deepEqual(mergeRanges([range(5, 9), range(0, 3), range(3, 5), range(11, 12)]), [range(0, 9), range(11, 12)]);
    assert.deepEqual(mergeRanges([range(0, 9), range(2, 3)]), [range(0, 9)]);
  });

  it('lose what is taken from them', () => {
    assert.deepEqual(subtractLists([range(0, 10)], [range(3, 5)]), [range(0, 3), range(5, 10)]);
    assert.deepEqual(subtractLists([range(0, 10), range(20, 30)], [range(5, 25)]), [range(0, 5), range(25, 30)]);
    assert.deepEqual(subtractLists([range(0, 10)], [range(0, 10)]), []);
    assert.deepEqual(subtractLists([range(0, 10)], [range(1, 2), range(4, 5)]), [
      range(0, 1),
      range(2, 4),
      range(5, 10),
    ]);
  });

  it('tell where they overlap, joined', () => {
    assert.deepEqual(findOverlaps([range(0, 5), range(5, 9)]), []);
    assert.deepEqual(findOverlaps([range(0, 9), range(2, 4), range(3, 11)]), [range(2, 9)]);
  });

  it('count the opening times inside', () => {
    const minute = parseTimeframe('1m');
    assert.equal(countOpenings(range(0, 60_000), minute), 1);
    assert.equal(countOpenings(range(1, 60_000), minute), 0);
    assert.equal(countOpenings(range(1, 60_001), minute), 1);
    assert.equal(countSlots(range(0, 60_001), 60_000), 2);
  });
});
