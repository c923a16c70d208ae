import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compareWishes, URGENCY, type Urgency } from '../../../../src/ingest/collector/urgency.ts';

const wish = (urgency: Urgency, servedAt: number, deletedAt = Infinity) => ({
  wish: { urgency, at: 0, kind: 'candles', isTail: false, deletedAt } as const,
  servedAt,
});

describe('compareWishes', () => {
  it('serves the live tail, what is deleted soon, holes, second readings, and history last', () => {
    const { tail, feedTail, expiring, gap, reread, history } = URGENCY;
    const order = [tail, feedTail, expiring, gap, reread, history];
    const wishes = order.map((urgency, index) => wish(urgency, order.length - index));
    assert.deepEqual(
      wishes
        .toReversed()
        .toSorted(compareWishes)
        .map((each) => each.wish.urgency),
      order,
    );
  });

  it('serves what is deleted first before the rest of it, and then whoever waited longest', () => {
    const { expiring, history } = URGENCY;
    const [soon, later] = [wish(expiring, 9, 1_000), wish(expiring, 1, 2_000)];
    assert.deepEqual([later, soon].toSorted(compareWishes), [soon, later]);
    const [waited, served] = [wish(history, 1), wish(history, 2)];
    assert.deepEqual([served, waited].toSorted(compareWishes), [waited, served]);
  });
});
