import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Backoff } from '../../../../src/ingest/collector/backoff.ts';

const tell = ({ isRefused, error, heldUntil, historyHeldUntil, failures }: Backoff) => [
  isRefused,
  error,
  heldUntil,
  historyHeldUntil,
  failures,
];
const NONE = [false, null, 0, 0, 0];

describe('Backoff', () => {
  it('ends a refusal as a whole when an answer that was under way disproves it', () => {
    const backoff = new Backoff();
    const { count } = backoff;
    backoff.refuse(3_600_000, 'no such market');
    assert.deepEqual(tell(backoff), [true, 'no such market', 3_600_000, 0, 1]);
    backoff.noteSuccess(count, true);
    assert.deepEqual(tell(backoff), NONE);
  });

  it('keeps the wait and the error of a failure together when an older request succeeds', () => {
    const backoff = new Backoff();
    const { count } = backoff;
    backoff.hold(2_000, 'timed out');
    backoff.noteSuccess(count, false);
    assert.deepEqual(tell(backoff), [false, 'timed out', 2_000, 0, 1]);
    backoff.noteSuccess(backoff.count, true);
    assert.deepEqual(tell(backoff), NONE);
  });

  it('does not end the wait of history when the live tail succeeds', () => {
    const backoff = new Backoff();
    backoff.holdHistory(2_000, 'refused');
    backoff.noteSuccess(backoff.count, true);
    assert.deepEqual(tell(backoff), [false, 'refused', 0, 2_000, 1]);
    backoff.noteSuccess(backoff.count, false);
    assert.deepEqual(tell(backoff), NONE);
  });
});
