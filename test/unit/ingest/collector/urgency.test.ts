import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compareSteps, URGENCY, type Urgency } from '../../../../src/ingest/collector/urgency.ts';

const next = (urgency: Urgency, servedAt: number, deletedAt = Infinity) => ({
  next: { urgency, at: 0, kind: 'candles', isTail: false, deletedAt } as const,
  servedAt,
});

describe('compareSteps', () => {
  it('serves the live tail, what is deleted soon, holes, second readings, and history last', () => {
    const { tail, feedTail, expiring, gap, reread, history } = URGENCY;
    const order = [tail, feedTail, expiring, gap, reread, history];
    const steps = order.map((urgency, index) => next(urgency, order.length - index));
    assert.deepEqual(
      steps
        .toReversed()
        .toSorted(compareSteps)
        .map((each) => each.next.urgency),
      order,
    );
  });

  it('serves what is deleted first before the rest of it, and then whoever waited longest', () => {
    const { expiring, history } = URGENCY;
    const [soon, later] = [next(expiring, 9, 1_000), next(expiring, 1, 2_000)];
    assert.deepEqual([later, soon].toSorted(compareSteps), [soon, later]);
    const [waited, served] = [next(history, 1), next(history, 2)];
    assert.deepEqual([served, waited].toSorted(compareSteps), [waited, served]);
  });
});
