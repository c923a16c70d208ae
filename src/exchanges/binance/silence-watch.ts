import type { Clock } from '../../clock.ts';

const TICKS = 6;

/**
 * Notices that a connection has gone silent. It counts ticks instead of comparing times, so that neither a clock that
 * was set nor a process that stood still makes a live connection look dead.
 */
export class SilenceWatch {
  readonly #clock: Clock;
  readonly #silenceMs: number;
  /** Quiet ticks since anything came, and since a push came. */
  #quiet = 0;
  #quietPushes = 0;

  constructor(deps: { clock: Clock; silenceMs: number }) {
    this.#clock = deps.clock;
    this.#silenceMs = deps.silenceMs;
  }

  /** Something came, if only a ping. */
  noteFrame(): void {
    this.#quiet = 0;
  }

  /** A push of a candle came. */
  notePush(): void {
    this.#quiet = 0;
    this.#quietPushes = 0;
  }

  /** Whether pushes came within the allowed silence. */
  get isPushing(): boolean {
    return this.#quietPushes < TICKS;
  }

  /**
   * Resolves with what is wrong: nothing at all for the allowed silence, or, though pings come, no push for so much
   * longer than `quietestMs()`, the time in which the series ought to have pushed at least once (Infinity: none is
   * subscribed to). Rejects with the signal's reason.
   */
  async run(quietestMs: () => number, signal: AbortSignal): Promise<string> {
    const tickMs = this.#silenceMs / TICKS;
    for (;;) {
      await this.#clock.sleep(tickMs, signal);
      const pushesDueMs = quietestMs();
      this.#quiet++;
      this.#quietPushes = Number.isFinite(pushesDueMs) ? this.#quietPushes + 1 : 0;
      if (this.#quiet > TICKS) return `nothing came for ${this.#silenceMs / 1000} s, not even a ping`;
      if ((this.#quietPushes - 1) * tickMs > pushesDueMs + this.#silenceMs) {
        return `no candle was pushed for ${Math.round((pushesDueMs + this.#silenceMs) / 1000)} s, though pings come`;
      }
    }
  }
}
