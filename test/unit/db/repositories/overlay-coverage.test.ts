import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assertCoverage, clipCoverage, overlayCoverage } from '../../../../src/db/repositories/overlay-coverage.ts';
import { type CoverageRange, type CoverageState, haveRange, missingRange } from '../../../../src/market/coverage.ts';

const have = (since: number, until: number) => haveRange({ since, until });
const missing = (since: number, until: number) => missingRange({ since, until });
const known = (
  state: CoverageState,
  [since, until]: readonly [number, number],
  [asks, firstAskedAt, lastAskedAt]: readonly [number, number | null, number | null] = [0, null, null],
  reason: string | null = null,
): CoverageRange => ({ since, until, state, asks, firstAskedAt, lastAskedAt, reason });

describe('overlayCoverage', () => {
  it('has changes win where they overlap what is stored, and keeps the rest with its evidence', () => {
    const stored = [known('missing', [0, 100], [1, 5, 5], 'refused row'), have(120, 130)];
    assert.deepEqual(overlayCoverage(stored, [have(10, 20), missing(90, 125)]), [
      known('missing', [0, 10], [1, 5, 5], 'refused row'),
      have(10, 20),
      known('missing', [20, 90], [1, 5, 5], 'refused row'),
      missing(90, 125),
      have(125, 130),
    ]);
  });

  it('has later changes win over earlier ones, in whatever order they come', () => {
    const changes = [have(50, 60), missing(10, 15), known('refused', [55, 57]), have(0, 12), missing(58, 70)];
    assert.deepEqual(overlayCoverage([], changes), [
      have(0, 12),
      missing(12, 15),
      have(50, 55),
      known('refused', [55, 57]),
      have(57, 58),
      missing(58, 70),
    ]);
    assert.deepEqual(overlayCoverage([], [have(0, 9), missing(0, 9)]), [missing(0, 9)]);
  });

  it('joins neighbours of one state and reason, and leaves no evidence on what is stored', () => {
    const before = known('confirmed_empty', [0, 10], [4, 100, 900], 'none');
    const after = known('confirmed_empty', [10, 20], [2, 50, 400], 'none');
    assert.deepEqual(overlayCoverage([before], [after]), [known('confirmed_empty', [0, 20], [2, 50, 900], 'none')]);
    assert.deepEqual(overlayCoverage([before], [{ ...after, reason: 'other' }]), [
      before,
      { ...after, reason: 'other' },
    ]);
    assert.deepEqual(overlayCoverage([before], [{ ...after, since: 11 }]).length, 2);
    const never = known('confirmed_empty', [10, 20], [3, null, 7], 'none');
    assert.deepEqual(overlayCoverage([before], [never]), [known('confirmed_empty', [0, 20], [3, 100, 900], 'none')]);
    assert.deepEqual(overlayCoverage([have(0, 5)], [known('have', [5, 9], [3, 1, 2], 'x')]), [have(0, 9)]);
    assert.deepEqual(overlayCoverage([have(0, 5), have(9, 12)], [have(5, 9)]), [have(0, 12)]);
  });

  it('joins what is missing only where the evidence is the same: one answer never counts for another range', () => {
    const first = known('missing', [0, 10], [1, 100, 100], 'none');
    const later = known('missing', [10, 20], [1, 159_000, 159_000], 'none');
    assert.deepEqual(overlayCoverage([first], [later]), [first, later]);
    assert.deepEqual(overlayCoverage([first], [{ ...first, since: 10, until: 20 }]), [{ ...first, until: 20 }]);
    assert.deepEqual(overlayCoverage([missing(0, 10)], [missing(10, 20)]), [missing(0, 20)]);
    assert.deepEqual(overlayCoverage([first], [missing(10, 20)]), [first, missing(10, 20)]);
  });

  it('takes overlaps out that hands have made', () => {
    assert.deepEqual(overlayCoverage([have(0, 10), missing(5, 8), missing(7, 20)], []), [have(0, 10), missing(10, 20)]);
  });

  it('takes a thousand changes of a page in milliseconds', () => {
    const changes = Array.from({ length: 5000 }, (_, index) =>
      index % 2 ? missing(index * 10, index * 10 + 10) : have(index * 10, index * 10 + 10),
    );
    const before = process.cpuUsage();
    const stored = overlayCoverage([], changes);
    assert.deepEqual(overlayCoverage(stored, changes), stored);
    assert.ok(process.cpuUsage(before).user < 500_000, 'it is not linear');
    assert.equal(stored.length, 5000);
  });
});

describe('assertCoverage', () => {
  it('refuses what PostgreSQL could not store', () => {
    assertCoverage([have(0, 1), have(-1, 0), known('refused', [0, 1], [7, null, null])]);
    for (const range of [
      have(1, 1),
      have(2, 1),
      have(NaN, 1),
      have(0, 1.5),
      have(0, Infinity),
      have(-1e15, 0),
      have(0, 1e15),
    ])
      assert.throws(() => assertCoverage([range]), RangeError);
    for (const asks of [-1, 0.5, NaN])
      assert.throws(() => assertCoverage([known('missing', [0, 1], [asks, null, null])]), RangeError);
  });
});

describe('clipCoverage', () => {
  it('keeps state and evidence', () => {
    const range = known('refused', [0, 10], [1, 2, 3], 'no');
    assert.deepEqual(clipCoverage(range, { since: 5, until: 50 }), { ...range, since: 5 });
    assert.equal(clipCoverage(range, { since: 10, until: 50 }), null);
  });
});
