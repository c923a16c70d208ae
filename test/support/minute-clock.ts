import type { Clock } from '../../src/clock.ts';
import { sleep } from '../../src/retry.ts';

const MINUTE_MS = 60_000;
/** Around the end of each minute a second is a second: three before it, eight after. */
const CALM_AFTER_MS = 8_000;
const CALM_MS = 3_000 + CALM_AFTER_MS;
/** The 49 seconds between pass in so many of ours. */
const HURRIED_MS = 5_000;
const HURRY = (MINUTE_MS - CALM_MS) / HURRIED_MS;
/** How long one of its minutes takes. */
export const SHORT_MINUTE_MS = CALM_MS + HURRIED_MS;

/**
 * A clock for what happens when a minute ends: it shows `startMs` when the machine's shows `originMs`, keeps to the
 * machine's pace around the end of each minute, where tests measure, and hurries through the middle of it. Two processes
 * that are given the same numbers agree on the time.
 */
export function createMinuteClock({ startMs, originMs }: { startMs: number; originMs: number }): Clock {
  const startedAt = toOurs(startMs);
  // Of epoch milliseconds a float holds ten thousandths: one too little must not cost a whole one.
  const now = () => Math.floor(toShown(startedAt + Date.now() - originMs) + 0.01);
  return {
    now,
    sleep: (ms, signal) => {
      const shown = now();
      return sleep(toOurs(shown + ms) - toOurs(shown), signal);
    },
  };
}

/** How long it takes to get from the epoch to a moment that the clock shows. */
function toOurs(shownMs: number): number {
  const minutes = Math.floor((shownMs - CALM_AFTER_MS) / MINUTE_MS);
  const intoMs = shownMs - CALM_AFTER_MS - minutes * MINUTE_MS;
  const hurriedMs = Math.min(intoMs, MINUTE_MS - CALM_MS);
  return minutes * SHORT_MINUTE_MS + hurriedMs / HURRY + (intoMs - hurriedMs);
}

/** The inverse of `toOurs`. */
function toShown(oursMs: number): number {
  const minutes = Math.floor(oursMs / SHORT_MINUTE_MS);
  const intoMs = oursMs - minutes * SHORT_MINUTE_MS;
  const hurriedMs = Math.min(intoMs, HURRIED_MS);
  return CALM_AFTER_MS + minutes * MINUTE_MS + hurriedMs * HURRY + (intoMs - hurriedMs);
}
