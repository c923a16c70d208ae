import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../../../../src/clock.ts';

/** A clock that stands still until it is moved. */
export class ManualClock implements Clock {
  #nowMs: number;
  readonly #sleepers = new Set<{ at: number; wake: () => void }>();

  constructor(nowMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = nowMs;
  }

  now(): number {
    return this.#nowMs;
  }

  /** Shows another time without letting any pass, as when somebody sets it. */
  set(nowMs: number): void {
    const byMs = nowMs - this.#nowMs;
    this.#nowMs = nowMs;
    for (const sleeper of this.#sleepers) sleeper.at += byMs;
  }

  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const sleeper = { at: this.#nowMs + ms, wake: () => resolve(undefined) };
    const onAbort = (): void => reject(signal.reason);
    this.#sleepers.add(sleeper);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#sleepers.delete(sleeper);
    }
  }

  /** Lets `ms` pass, waking everyone in turn, and all that follows from it happen. */
  async pass(ms: number): Promise<void> {
    const until = this.#nowMs + ms;
    await turn();
    for (;;) {
      const [next] = [...this.#sleepers].filter(({ at }) => at <= until).toSorted((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#nowMs = Math.max(this.#nowMs, next.at);
      next.wake();
      this.#sleepers.delete(next);
      await turn();
    }
    this.#nowMs = until;
    await turn();
  }
}
