import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MissingRanges } from '../../../src/ingest/missing-ranges.ts';
import { findUncovered, intersectLists, subtractLists } from '../../../src/ingest/slot-ranges.ts';

const STEP = 60_000;
const HOUR = 3_600_000;
const at = (slot: number): number => slot * STEP;
const range = (since: number, until: number) => ({ since: at(since), until: at(until) });

describe('MissingRanges', () => {
  it('gives the newest page first and none twice while it is in flight', () => {
    const missing = new MissingRanges({ stepMs: STEP });
    missing.add([range(0, 25)]);
    const taken = [1, 2, 3, 4].map(() => missing.takeNewest(0, 10));
    assert.deepEqual(taken, [range(15, 25), range(5, 15), range(0, 5), null]);
    missing.release(taken[0]!);
    assert.deepEqual(missing.takeNewest(0, 10), range(15, 25));
    assert.equal(missing.count(), 25);
  });

  it('asks once for all holes that fit into a page, but not across one in flight', () => {
    const missing = new MissingRanges({ stepMs: STEP });
    missing.add([range(0, 1), range(3, 4), range(7, 9), range(20, 21)]);
    assert.deepEqual(missing.takeNewest(0, 15), range(7, 21));
    missing.add([range(30, 31)]);
    assert.deepEqual(missing.takeNewest(0, 30), range(30, 31));
    assert.deepEqual(missing.takeNewest(0, 15), range(0, 4));
  });

  it('looks at an empty hole again three times while it is recent, and never at an old one', () => {
    const missing = new MissingRanges({ stepMs: STEP });
    const now = 48 * HOUR;
    const recent = range(47 * 60, 47 * 60 + 2);
    const old = range(60, 62);
    missing.add([old, recent]);
    missing.record(
      { since: 0, until: now },
      [
        { range: old, verdict: 'empty' },
        { range: recent, verdict: 'empty' },
      ],
      now,
    );
    assert.equal(missing.count(), 0);
    assert.equal(missing.takeNewest(now, 10), null);
    for (let ask = 1; ask <= 3; ask++) {
      const due = now + ask * HOUR;
      assert.equal(missing.nextAt(due - 1), due);
      const taken = missing.takeNewest(due, 10);
      assert.deepEqual(taken, recent);
      assert.deepEqual(missing.findHoles([recent], due), [recent]);
      missing.record(recent, [{ range: recent, verdict: 'empty' }], due);
      missing.release(taken);
    }
    assert.equal(missing.nextAt(now + 4 * HOUR), Infinity);
  });

  it('keeps a doubtful hole missing and asks for it with growing waits, however often it is met by the way', () => {
    const missing = new MissingRanges({ stepMs: STEP });
    const hole = range(5, 6);
    missing.add([range(0, 10)]);
    missing.record(range(0, 10), [{ range: hole, verdict: 'doubtful' }], 0);
    missing.record(range(4, 8), [{ range: hole, verdict: 'doubtful' }], 1_000);
    missing.record(range(4, 8), [{ range: hole, verdict: 'doubtful' }], 2_000);
    assert.equal(missing.count(), 1);
    assert.equal(missing.countDoubtful(), 1);
    assert.equal(missing.nextAt(3_000), 600_000);
    missing.record(hole, [{ range: hole, verdict: 'doubtful' }], 600_000);
    assert.equal(missing.nextAt(600_000), 600_000 + 1_200_000);
    missing.record(hole, [], 1_800_000);
    assert.equal(missing.count(), 0);
    assert.equal(missing.countDoubtful(), 0);
  });

  it('asks soon again for what is only late, also where it lies behind the end of the answer', () => {
    const missing = new MissingRanges({ stepMs: STEP });
    missing.add([range(0, 10)]);
    missing.record(range(0, 9), [{ range: range(9, 10), verdict: 'late' }], 0);
    assert.deepEqual([missing.count(), missing.findAvailableEnd(0), missing.nextAt(0)], [1, null, 3_000]);
    missing.record(range(0, 9), [{ range: range(9, 10), verdict: 'late' }], 3_000);
    assert.equal(missing.nextAt(3_000), 12_000);
  });
});

describe('slot ranges', () => {
  it('finds what no slot covers', () => {
    assert.deepEqual(findUncovered(range(0, 10), [at(-1), at(0), at(1), at(4), at(9), at(10)], STEP), [
      range(2, 4),
      range(5, 9),
    ]);
    assert.deepEqual(findUncovered(range(0, 2), [], STEP), [range(0, 2)]);
  });

  it('intersects and subtracts lists', () => {
    const a = [range(0, 5), range(8, 12), range(20, 30)];
    const b = [range(1, 2), range(4, 9), range(25, 26), range(29, 40)];
    assert.deepEqual(intersectLists(a, b), [range(1, 2), range(4, 5), range(8, 9), range(25, 26), range(29, 30)]);
    assert.deepEqual(subtractLists(a, b), [range(0, 1), range(2, 4), range(9, 12), range(20, 25), range(26, 29)]);
    assert.deepEqual(subtractLists([range(0, 10), range(10, 20)], [range(5, 15)]), [range(0, 5), range(15, 20)]);
  });
});
