import type { RequestBlock } from '../exchange.ts';
import { ACCESS_WAITS, LONGEST_WAIT_MS } from './access-waits.ts';

/** However little a header asks for. */
const SHORTEST_WAIT_MS = 1_000;
const SEVERITY: readonly RequestBlock['reason'][] = ['throttled', 'banned', 'refused'];

/**
 * The pause that an exchange asked for, or that its refusal of us as a whole makes. While it lasts no request leaves:
 * asking on turns a 429 into a ban, and a ban into a longer one.
 */
export class RequestPause {
  readonly #now: () => number;
  readonly #strikes: Record<RequestBlock['reason'], number> = { throttled: 0, banned: 0, refused: 0 };
  #until = 0;
  #reason: RequestBlock['reason'] = 'throttled';
  #message = '';

  /** `now`: our clock in epoch milliseconds. */
  constructor(deps: { now: () => number }) {
    this.#now = deps.now;
  }

  /** What remains of it in milliseconds, 0 where there is none. */
  get remainingMs(): number {
    return Math.max(0, this.#until - this.#now());
  }

  get reason(): RequestBlock['reason'] {
    return this.#reason;
  }

  /** What the exchange said. */
  get message(): string {
    return this.#message;
  }

  /**
   * Starts or prolongs the pause, and returns what remains of it. Without `retryAfterMs` a throttling counts as 10 s, a
   * ban as two minutes and a refusal as 15 minutes, each doubling with every one in a row (see `ACCESS_WAITS`).
   */
  hold(reason: RequestBlock['reason'], retryAfterMs: number | null, message: string): number {
    // Answers to requests that were under way together are one strike, not ten.
    const isNew = this.remainingMs === 0 || SEVERITY.indexOf(reason) > SEVERITY.indexOf(this.#reason);
    if (isNew) {
      this.#strikes[reason] += 1;
      this.#reason = reason;
      this.#message = message;
    }
    const { firstMs, maxMs } = ACCESS_WAITS[reason];
    const unsaidMs = Math.min(maxMs, firstMs * 2 ** Math.max(0, this.#strikes[reason] - 1));
    const waitMs = Math.min(LONGEST_WAIT_MS, Math.max(SHORTEST_WAIT_MS, retryAfterMs ?? unsaidMs));
    this.#until = Math.max(this.#until, this.#now() + waitMs);
    return this.remainingMs;
  }

  /** Takes over a pause that was told elsewhere, as one refusal, unless it ends before the own one. */
  adopt({ reason, until, message }: RequestBlock): void {
    if (until <= Math.max(this.#until, this.#now())) return;
    this.#strikes[reason] = Math.max(1, this.#strikes[reason]);
    this.#reason = reason;
    this.#message = message;
    // Whoever noted it may have had a wrong clock.
    this.#until = Math.min(until, this.#now() + LONGEST_WAIT_MS);
  }

  /** Notes an answer that was no refusal: the waits start from the shortest again. */
  settle(): void {
    if (this.remainingMs > 0) return;
    for (const reason of SEVERITY) this.#strikes[reason] = 0;
  }
}
