import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createFastClock } from '../../../simulator/fast-clock.ts';
import { elapsedMs } from '../../support/machine-watch.ts';

describe('createFastClock', () => {
  it('runs as many times as fast, and two of the same numbers agree', async () => {
    const numbers = { speed: 100, startMs: 1_000_000, originMs: Date.now() };
    const [clock, other] = [createFastClock(numbers), createFastClock(numbers)];
    const before = performance.now();
    const sleptMs = await elapsedMs(() => clock.sleep(5_000, new AbortController().signal));
    assert.ok(performance.now() - before >= 45 && sleptMs < 1_000, `5 s took ${sleptMs} ms`);
    assert.ok(clock.now() >= 1_000_000 + 4_500);
    const [earlier, told, later] = [clock.now(), other.now(), clock.now()];
    assert.ok(earlier <= told && told <= later, `${earlier}, ${told}, ${later}`);
  });

  it('stops sleeping for the reason of the signal', async () => {
    const clock = createFastClock({ speed: 2, startMs: 0 });
    const reason = new Error('enough');
    await assert.rejects(clock.sleep(60_000, AbortSignal.abort(reason)), reason);
  });

  it('refuses to stand still', () => {
    assert.throws(() => createFastClock({ speed: 0, startMs: 0 }), RangeError);
  });
});
