import { setTimeout as delay } from 'node:timers/promises';

const TICK_MS = 5;

/**
 * Measures, beside something whose time is asserted, what the machine alone holds up meanwhile: how long a control takes
 * that should take no time at all. A promise in wall-clock is asserted of what is left without that, so that a starved
 * machine cannot break it, and a lock or a wait that lasts for seconds does.
 */
export class MachineWatch implements AsyncDisposable {
  /** The longest that the control took beyond its own time, in milliseconds. */
  longestMs = 0;
  /** All that it took beyond its own time. */
  totalMs = 0;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;

  /** @param control what should take `ownMs`; a timer of this process unless given. */
  constructor(control: () => Promise<unknown> = () => delay(TICK_MS), ownMs = TICK_MS) {
    this.#ended = this.#run(control, ownMs);
    // Told to who stops it.
    this.#ended.catch(() => undefined);
  }

  /** Resolves once the control that runs has ended; rejects where one failed. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop().catch(() => undefined);
  }

  async #run(control: () => Promise<unknown>, ownMs: number): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const startedAt = performance.now();
      await control();
      const lateMs = Math.max(0, performance.now() - startedAt - ownMs);
      this.longestMs = Math.max(this.longestMs, lateMs);
      this.totalMs += lateMs;
      await delay(TICK_MS);
    }
  }
}

/** How long something took in milliseconds, without what the machine held this process up meanwhile. */
export async function elapsedMs(work: () => Promise<unknown>): Promise<number> {
  await using watch = new MachineWatch();
  const startedAt = performance.now();
  await work();
  return Math.max(0, performance.now() - startedAt - watch.totalMs);
}
