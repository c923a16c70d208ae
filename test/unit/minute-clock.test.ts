import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMinuteClock, SHORT_MINUTE_MS } from '../support/minute-clock.ts';

const FULL = Date.UTC(2026, 0, 1, 12, 0);

/** What a clock shows that was started so long ago. */
const shownAfter = (startMs: number, ms: number) => createMinuteClock({ startMs, originMs: Date.now() - ms }).now();
const assertNear = (shown: number, wanted: number) =>
  assert.ok(shown >= wanted && shown < wanted + 5_000, `${shown - wanted} ms beside it`);

describe('createMinuteClock', () => {
  it('keeps the pace around the end of a minute, and hurries through the rest', () => {
    assertNear(shownAfter(FULL - 3_000, 11_000), FULL + 8_000);
    assertNear(shownAfter(FULL - 3_000, SHORT_MINUTE_MS), FULL + 57_000);
    assertNear(shownAfter(FULL + 20_000, 10 * SHORT_MINUTE_MS), FULL + 620_000);
    assert.equal(SHORT_MINUTE_MS, 16_000);
  });

  it('sleeps until the moment that it shows then', async () => {
    const clock = createMinuteClock({ startMs: FULL + 56_000, originMs: Date.now() });
    const before = performance.now();
    await clock.sleep(1_500, new AbortController().signal);
    // A tenth of a second of ours to 57 s, half a second from there on.
    assert.ok(performance.now() - before >= 550);
    const passedMs = performance.now() - before;
    assert.ok(clock.now() >= FULL + 57_490);
    // As far as another one that was started then.
    assertNear(shownAfter(FULL + 56_000, passedMs), clock.now() - 4_000);
  });
});
