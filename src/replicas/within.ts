import type { Clock } from '../clock.ts';

/**
 * What `work` resolves to, if that is within `ms`: a database may keep silent for minutes where a network drops packets.
 * `work` itself goes on.
 *
 * @throws Error where it takes longer; the signal's reason as soon as it aborts; what `work` throws.
 */
export async function within<T>(clock: Clock, ms: number, work: Promise<T>, signal?: AbortSignal): Promise<T> {
  const done = new AbortController();
  const abort = (): void => done.abort();
  signal?.addEventListener('abort', abort, { once: true });
  const late = clock.sleep(ms, done.signal).then(
    () => {
      throw new Error(`the database did not answer within ${Math.round(ms)} ms`);
    },
    (error: unknown) => {
      signal?.throwIfAborted();
      throw error;
    },
  );
  try {
    return await Promise.race([work, late]);
  } finally {
    signal?.removeEventListener('abort', abort);
    done.abort();
  }
}
