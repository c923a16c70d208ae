import type { Clock } from './clock.ts';

/** Lets a loop sleep until a moment or until something happened, whichever comes first. */
export class Wakeup {
  readonly #clock: Clock;
  #waiting = new AbortController();
  #isPending = false;

  constructor(deps: { clock: Clock }) {
    this.#clock = deps.clock;
  }

  /** Ends the wait under way, or the next one where none is. */
  wake(): void {
    this.#isPending = true;
    this.#waiting.abort();
  }

  /** Resolves after `ms` (Infinity: only when woken), when woken, or when `signal` aborts; never rejects. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (this.#isPending || signal.aborted) {
      this.#isPending = false;
      return;
    }
    this.#waiting = new AbortController();
    const waiting = this.#waiting;
    const onAbort = (): void => waiting.abort();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      // Timers hold at most 2^31 - 1 ms; looking once a minute without need costs nothing.
      await this.#clock.sleep(Math.min(ms, 60_000), waiting.signal);
    } catch (error) {
      if (!waiting.signal.aborted) throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#isPending = false;
    }
  }
}
