import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Setbacks } from '../../../../src/ingest/collector/setbacks.ts';

const tell = ({ isRefused, error, heldUntil, historyHeldUntil, failures }: Setbacks) => [
  isRefused,
  error,
  heldUntil,
  historyHeldUntil,
  failures,
];
const NONE = [false, null, 0, 0, 0];

describe('Setbacks', () => {
  it('ends a refusal as a whole when an answer that was under way disproves it', () => {
    const setbacks = new Setbacks();
    const { count } = setbacks;
    setbacks.refuse(3_600_000, 'no such market');
    assert.deepEqual(tell(setbacks), [true, 'no such market', 3_600_000, 0, 1]);
    setbacks.noteSuccess(count, true);
    assert.deepEqual(tell(setbacks), NONE);
  });

  it('keeps the wait and the error of a failure together when an older request succeeds', () => {
    const setbacks = new Setbacks();
    const { count } = setbacks;
    setbacks.hold(2_000, 'timed out');
    setbacks.noteSuccess(count, false);
    assert.deepEqual(tell(setbacks), [false, 'timed out', 2_000, 0, 1]);
    setbacks.noteSuccess(setbacks.count, true);
    assert.deepEqual(tell(setbacks), NONE);
  });

  it('does not end the wait of history when the live tail succeeds', () => {
    const setbacks = new Setbacks();
    setbacks.holdHistory(2_000, 'refused');
    setbacks.noteSuccess(setbacks.count, true);
    assert.deepEqual(tell(setbacks), [false, 'refused', 0, 2_000, 1]);
    setbacks.noteSuccess(setbacks.count, false);
    assert.deepEqual(tell(setbacks), NONE);
  });
});
