import { DAY_MS, HOUR_MS, MINUTE_MS } from '../src/market/moments.ts';
import { WeightCounter, type BudgetName } from './weight-counter.ts';
import { WireError } from './wire-error.ts';

/** Requests that were under way when the limit was reached: this many more are answered with 429, not with a ban. */
const LATECOMERS = 10;
/** A limit that is overrun again within this time is not overrun by mistake. */
const OVERRUN_MEMORY_MS = HOUR_MS;
/** "from 2 minutes to 3 days" for repeat offenders; doubled each time here. */
const FIRST_BAN_MS = 2 * MINUTE_MS;
const LONGEST_BAN_MS = 3 * DAY_MS;

/**
 * Binance's answer to too many requests: 429 with Retry-After until the counter starts anew; who goes on meanwhile, or
 * overruns a limit a second time within an hour, is banned with 418 whatever is asked for.
 *
 * @see https://developers.binance.com/docs/binance-spot-api-docs/rest-api/limits
 */
export class RequestGate {
  readonly #now: () => number;
  readonly #counter: WeightCounter;
  readonly #throttled = new Map<BudgetName, { untilMs: number; ignored: number }>();
  #overruns: number[] = [];
  #bannedUntilMs = 0;
  #bans = 0;

  constructor(deps: { now: () => number }) {
    this.#now = deps.now;
    this.#counter = new WeightCounter(deps);
  }

  /** How often the address was banned. */
  get bans(): number {
    return this.#bans;
  }

  /** What was spent in the current window. */
  used(name: BudgetName): number {
    return this.#counter.used(name);
  }

  /**
   * Counts a request.
   *
   * @returns the refusal, or null where the request may pass. `address` is what the text of a ban names.
   */
  refuse(name: BudgetName, weight: number, address: string): WireError | null {
    const nowMs = this.#now();
    if (nowMs < this.#bannedUntilMs) return banned(address, this.#bannedUntilMs, nowMs);
    const { retryAfterMs } = this.#counter.spend(name, weight);
    if (retryAfterMs === null) return null;
    return this.#mustBan(name, nowMs, retryAfterMs) ? this.#ban(address, nowMs) : throttled(retryAfterMs);
  }

  #mustBan(name: BudgetName, nowMs: number, retryAfterMs: number): boolean {
    const known = this.#throttled.get(name);
    if (known !== undefined && nowMs < known.untilMs) return ++known.ignored > LATECOMERS;
    this.#throttled.set(name, { untilMs: nowMs + retryAfterMs, ignored: 0 });
    this.#overruns = [...this.#overruns.filter((timeMs) => timeMs > nowMs - OVERRUN_MEMORY_MS), nowMs];
    return this.#overruns.length > 1;
  }

  #ban(address: string, nowMs: number): WireError {
    const lengthMs = Math.min(LONGEST_BAN_MS, FIRST_BAN_MS * 2 ** this.#bans);
    this.#bans++;
    this.#bannedUntilMs = nowMs + lengthMs;
    // A ban settles what led to it.
    this.#overruns = [];
    this.#throttled.clear();
    return banned(address, this.#bannedUntilMs, nowMs);
  }
}

/** Binance's 429. `retryAfterMs` null: without the header. */
export function throttled(retryAfterMs: number | null): WireError {
  return new WireError(
    429,
    { code: -1003, msg: 'Too many requests; please slow down or use the websocket for live updates.' },
    retryAfterMs === null ? {} : { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) },
  );
}

/** Binance's 418 until `untilMs`. */
export function banned(address: string, untilMs: number, nowMs: number): WireError {
  return new WireError(
    418,
    {
      code: -1003,
      msg: `Way too many requests; IP(${address}) banned until ${untilMs}. Please use the websocket for live updates to avoid bans.`,
    },
    { 'retry-after': String(Math.ceil((untilMs - nowMs) / 1000)) },
  );
}
