import { sleep } from '../../retry.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
/** Binance bans for two minutes to three days, see https://developers.binance.com/docs/binance-spot-api-docs/rest-api/limits */
const SHORTEST_BAN_MS = 2 * MINUTE_MS;
const LONGEST_PAUSE_MS = 3 * 86_400_000;
const FIRST_THROTTLE_MS = 10 * SECOND_MS;
const LONGEST_UNSAID_THROTTLE_MS = 5 * MINUTE_MS;

/**
 * How long a Retry-After header asks to wait, in milliseconds: it holds seconds or a date. Null where it holds neither.
 */
export function parseRetryAfterMs(header: string | null, nowMs: number): number | null {
  const text = header?.trim() ?? '';
  if (/^\d+(\.\d+)?$/.test(text)) return Math.ceil(Number(text) * SECOND_MS);
  const date = /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? null : Math.max(0, date - nowMs);
}

/** How long the ban lasts that a 418's text names (`IP banned until 1519726649240`), or null. */
export function parseBanMs(body: string, nowMs: number): number | null {
  const match = /banned until (\d{13})\b/i.exec(body);
  return match ? Math.max(0, Number(match[1]) - nowMs) : null;
}

/** The pause that an exchange asked for. While it lasts no request leaves: asking on turns a 429 into a ban. */
export class RequestPause {
  readonly #now: () => number;
  #until = 0;
  #reason: 'throttled' | 'banned' = 'throttled';
  #strikes = 0;

  constructor(deps: { now: () => number }) {
    this.#now = deps.now;
  }

  /** What remains of it in milliseconds, 0 where there is none. */
  get remainingMs(): number {
    return Math.max(0, this.#until - this.#now());
  }

  get reason(): 'throttled' | 'banned' {
    return this.#reason;
  }

  /**
   * Starts or prolongs the pause, and returns what remains of it. Without `retryAfterMs` a ban counts as two minutes,
   * a throttling as 10 s that double with each one in a row, to at most 5 minutes.
   */
  hold(reason: 'throttled' | 'banned', retryAfterMs: number | null): number {
    // Answers to requests that were under way together are one strike, not ten.
    const isNew = this.remainingMs === 0;
    const unsaid =
      reason === 'banned'
        ? SHORTEST_BAN_MS
        : Math.min(
            LONGEST_UNSAID_THROTTLE_MS,
            FIRST_THROTTLE_MS * 2 ** (isNew ? this.#strikes : Math.max(0, this.#strikes - 1)),
          );
    const waitMs = Math.min(LONGEST_PAUSE_MS, Math.max(SECOND_MS, retryAfterMs ?? unsaid));
    if (isNew) this.#strikes += 1;
    if (isNew || reason === 'banned') this.#reason = reason;
    this.#until = Math.max(this.#until, this.#now() + waitMs);
    return this.remainingMs;
  }

  /** Notes an answer that was no refusal: the next throttling starts at 10 s again. */
  settle(): void {
    if (this.remainingMs === 0) this.#strikes = 0;
  }
}

export interface RequestBudgetOptions {
  /** How many requests the exchange allows in `windowMs`. */
  readonly requests: number;
  readonly windowMs: number;
  readonly now: () => number;
  /** How it waits. Default `sleep`. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/**
 * Spreads requests of one class evenly: a tenth of the allowance at once, then 80 % of it over the window, so that no
 * window of that length, wherever it starts, sees more than nine tenths of what is allowed.
 */
export class RequestBudget {
  readonly #capacity: number;
  readonly #perMs: number;
  readonly #now: () => number;
  readonly #wait: (ms: number, signal: AbortSignal) => Promise<void>;
  #tokens: number;
  #countedAt: number;

  constructor(options: RequestBudgetOptions) {
    this.#capacity = options.requests * 0.1;
    this.#perMs = (options.requests * 0.8) / options.windowMs;
    this.#now = options.now;
    this.#wait = options.wait ?? sleep;
    this.#tokens = this.#capacity;
    this.#countedAt = options.now();
  }

  /** Waits for the next free place; rejects with the signal's reason when it aborts first. */
  async take(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const waitMs = this.#reserve();
    if (waitMs > 0) await this.#wait(waitMs, signal);
  }

  /** Takes a place that may lie in the future; returns how far, so that waiting calls queue up in order. */
  #reserve(): number {
    const now = this.#now();
    // A clock that was set back must not take places away.
    const elapsedMs = Math.max(0, now - this.#countedAt);
    this.#tokens = Math.min(this.#capacity, this.#tokens + elapsedMs * this.#perMs) - 1;
    this.#countedAt = now;
    return this.#tokens >= 0 ? 0 : Math.ceil(-this.#tokens / this.#perMs);
  }
}
