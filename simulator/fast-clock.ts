import { sleep } from '../src/retry.ts';
import type { Clock } from '../src/clock.ts';

/**
 * A clock that shows `startMs` when the machine's shows `originMs` and runs `speed` times as fast from there. Two
 * processes that are given the same three numbers agree on the time.
 *
 * @throws RangeError for a speed that is not above zero.
 */
export function createFastClock({
  speed,
  startMs,
  originMs = Date.now(),
}: {
  speed: number;
  startMs: number;
  originMs?: number;
}): Clock {
  if (!(speed > 0 && Number.isFinite(speed))) throw new RangeError(`a clock cannot run ${speed} times as fast`);
  return {
    now: () => Math.floor(startMs + (Date.now() - originMs) * speed),
    sleep: (ms, signal) => sleep(ms / speed, signal),
  };
}
