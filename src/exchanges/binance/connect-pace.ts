import type { Clock } from '../../clock.ts';
import { MINUTE_MS } from '../../market/moments.ts';

/** Spaces attempts to connect, for all connections together, so that an outage does not turn into a ban. */
export class ConnectPace {
  readonly #clock: Clock;
  readonly #perMinute: number;
  #attempts: number[] = [];
  #blockedUntil = 0;

  constructor(deps: { clock: Clock; perMinute: number }) {
    this.#clock = deps.clock;
    this.#perMinute = deps.perMinute;
  }

  /** No attempt before this moment (our clock): the exchange said so. */
  blockUntil(at: number): void {
    this.#blockedUntil = Math.max(this.#blockedUntil, at);
  }

  /** Waits until an attempt may be made, and counts it. Rejects with the signal's reason. */
  async take(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const now = this.#clock.now();
      // A clock that was set back must not leave attempts in the future to wait for.
      this.#attempts = this.#attempts.filter((at) => at <= now && at > now - MINUTE_MS);
      const oldest = this.#attempts.length < this.#perMinute ? undefined : this.#attempts[0];
      const at = Math.max(this.#blockedUntil, oldest === undefined ? now : oldest + MINUTE_MS);
      if (at <= now) {
        this.#attempts.push(now);
        return;
      }
      await this.#clock.sleep(at - now, signal);
    }
  }
}
