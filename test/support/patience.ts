import { setTimeout as delay } from 'node:timers/promises';

/**
 * How long a test waits for what must happen, in milliseconds. It is no promise of anything and decides nothing but when a
 * run that hangs says so: long enough for a machine that is many times slower than usual, and well below the limit of a
 * test (scripts/test/lanes.ts), so that a wait fails with its own words.
 */
export const PATIENCE_MS = 120_000;

const LOOK_EVERY_MS = 10;

/** What is not there yet. */
type Nothing = null | undefined | false;

/**
 * Looks again and again until `find` answers something other than null, undefined or false, and answers that.
 *
 * @param what what is waited for: "the upgrade begins", or a function that tells how far it came.
 * @throws an error that says what did not happen, once `patienceMs` have passed; whatever `find` throws, at once.
 */
export async function waitUntil<T>(
  find: () => T | Promise<T>,
  what: string | (() => string),
  patienceMs = PATIENCE_MS,
): Promise<Exclude<T, Nothing>> {
  const startedAt = performance.now();
  for (;;) {
    const found = await find();
    if (found !== null && found !== undefined && found !== false) return found as Exclude<T, Nothing>;
    if (performance.now() - startedAt > patienceMs)
      throw new Error(`not within ${patienceMs / 1000} s: ${typeof what === 'string' ? what : what()}`);
    await delay(LOOK_EVERY_MS);
  }
}
