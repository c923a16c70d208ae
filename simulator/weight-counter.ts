import { MINUTE_MS } from '../src/market/moments.ts';

/** Which of Binance's counters a request falls on; each counts an address by itself. */
export type BudgetName = 'spot' | 'futures' | 'funding' | 'statistics';

/**
 * Binance's limits: 6000 weight a minute for spot, 2400 for futures; 500 requests per five minutes for funding rates
 * and 1000 for the statistics under /futures/data.
 * https://developers.binance.com/docs/binance-spot-api-docs/rest-api/limits
 */
export const BUDGET_LIMITS: Readonly<Record<BudgetName, { readonly limit: number; readonly windowMs: number }>> = {
  spot: { limit: 6_000, windowMs: MINUTE_MS },
  futures: { limit: 2_400, windowMs: MINUTE_MS },
  funding: { limit: 500, windowMs: 300_000 },
  statistics: { limit: 1_000, windowMs: 300_000 },
};

/** What is left of one counter after a request. */
export interface Spent {
  readonly used: number;
  /** Null where the request is within the limit, otherwise how long until the counter starts anew. */
  readonly retryAfterMs: number | null;
}

/** Counts weight in windows that start on the clock's full minutes, as Binance does. */
export class WeightCounter {
  readonly #now: () => number;
  readonly #used = new Map<BudgetName, { window: number; used: number }>();

  constructor(deps: { now: () => number }) {
    this.#now = deps.now;
  }

  spend(name: BudgetName, weight: number): Spent {
    const { limit, windowMs } = BUDGET_LIMITS[name];
    const nowMs = this.#now();
    const used = this.used(name) + weight;
    const window = Math.floor(nowMs / windowMs);
    this.#used.set(name, { window, used });
    return { used, retryAfterMs: used > limit ? (window + 1) * windowMs - nowMs : null };
  }

  /** What was spent in the current window. */
  used(name: BudgetName): number {
    const entry = this.#used.get(name);
    const window = Math.floor(this.#now() / BUDGET_LIMITS[name].windowMs);
    return entry?.window === window ? entry.used : 0;
  }
}
