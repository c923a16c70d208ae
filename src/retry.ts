import { setTimeout as sleepMs } from 'node:timers/promises';

/** How long to wait between attempts, in milliseconds. */
export interface RetryWaits {
  /** The first wait. */
  readonly firstMs: number;
  /** No wait is longer. */
  readonly maxMs: number;
}

/**
 * How long to wait before attempt number `attempt` (1 = the first retry), in milliseconds: exponential with full
 * jitter in its upper half, so that ten replicas that failed together do not come back together.
 */
export function backoffMs(attempt: number, { firstMs, maxMs }: RetryWaits, random: () => number = Math.random): number {
  const ceiling = Math.min(maxMs, firstMs * 2 ** (attempt - 1));
  return Math.round(ceiling / 2 + (ceiling / 2) * random());
}

/** Whether the signal is aborted by now. A function, because the answer may change while one waits. */
export function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** Waits; rejects with the signal's reason as soon as it aborts. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  await sleepMs(Math.max(0, ms), undefined, signal ? { signal } : {}).catch((error: unknown) => {
    // Node wraps the reason in an AbortError of its own; callers want the reason that they gave.
    signal?.throwIfAborted();
    throw error;
  });
}

export interface RetryOptions extends RetryWaits {
  readonly signal?: AbortSignal;
  /** After this moment (epoch milliseconds) no further attempt is made and the last error is thrown. */
  readonly deadline?: number;
  /** True: try again. Everything else is thrown at once. */
  readonly isRetryable: (error: unknown) => boolean;
  /** Called before each wait, to log. */
  readonly onRetry?: (error: unknown, attempt: number, waitMs: number) => void;
}

/**
 * Runs `operation` until it succeeds, an error is not retryable, the deadline has passed or the signal aborts.
 *
 * @throws the last error of `operation`, or the signal's reason.
 */
export async function retry<T>(operation: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    options.signal?.throwIfAborted();
    try {
      return await operation(attempt);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!options.isRetryable(error)) throw error;
      let waitMs = backoffMs(attempt, options);
      if (options.deadline !== undefined) {
        const leftMs = options.deadline - Date.now();
        if (leftMs <= 0) throw error;
        waitMs = Math.min(waitMs, leftMs);
      }
      options.onRetry?.(error, attempt, waitMs);
      await sleep(waitMs, options.signal);
    }
  }
}
