import { MINUTE_MS } from '../../market/moments.ts';
import type { BudgetState, RequestKind } from '../exchange.ts';
import { BINANCE_FEEDS } from './binance-futures-feeds.ts';
import type { ObservedAnswer } from '../ccxt/ccxt-client.ts';
import { RequestBudget, type Charge, type RequestBudgetDeps } from '../kit/request-budget.ts';

const FIVE_MINUTES_MS = 5 * MINUTE_MS;

/**
 * Binance's allowances for one address, each counted by itself: weight in a minute for spot and for futures; requests in
 * five minutes for the statistics under /futures/data and for funding rates, which cost no weight.
 *
 * @see https://developers.binance.com/docs/binance-spot-api-docs/rest-api/limits
 * @see https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Get-Funding-Rate-History
 */
export class BinanceBudgets {
  readonly #spot: RequestBudget;
  readonly #futures: RequestBudget;
  readonly #statistics: RequestBudget;
  readonly #funding: RequestBudget;

  constructor(deps: Pick<RequestBudgetDeps, 'clock' | 'exchangeNow' | 'sharedBy'>) {
    this.#spot = new RequestBudget({ ...deps, name: 'spot', limit: 6_000, windowMs: MINUTE_MS });
    this.#futures = new RequestBudget({ ...deps, name: 'futures', limit: 2_400, windowMs: MINUTE_MS });
    this.#statistics = new RequestBudget({ ...deps, name: 'statistics', limit: 1_000, windowMs: FIVE_MINUTES_MS });
    this.#funding = new RequestBudget({ ...deps, name: 'funding', limit: 500, windowMs: FIVE_MINUTES_MS });
  }

  /** What one call of this kind costs, as this adapter asks (1,000 candles, 499 mark prices). */
  costOf(kind: RequestKind | 'time'): readonly Charge[] {
    if (kind === 'time') return [{ budget: this.#spot, weight: 1 }];
    if (kind === 'candles') return [{ budget: this.#spot, weight: 2 }];
    if (kind === 'listing') {
      return [
        { budget: this.#spot, weight: 20 },
        { budget: this.#futures, weight: 1 },
      ];
    }
    const { budget } = BINANCE_FEEDS[kind];
    if (budget === 'statistics') return [{ budget: this.#statistics, weight: 1 }];
    if (budget === 'funding') return [{ budget: this.#funding, weight: 1 }];
    return [{ budget: this.#futures, weight: 2 }];
  }

  /** When (our clock) a call of this kind may leave without waiting. */
  readyAt(kind: RequestKind, isUrgent: boolean): number {
    return Math.max(...this.costOf(kind).map(({ budget, weight }) => budget.readyAt(weight, isUrgent)));
  }

  states(): readonly BudgetState[] {
    return [this.#spot, this.#futures, this.#statistics, this.#funding].map((budget) => budget.state());
  }

  /** Takes the exchange's own count from an answer's headers; the others on our address spend too. */
  noteAnswer({ url, headers, sentAt }: ObservedAnswer): void {
    const used = Number(headers.get('x-mbx-used-weight-1m') ?? Number.NaN);
    if (!Number.isFinite(used)) return;
    const budget = url.pathname.startsWith('/api/') ? this.#spot : this.#futures;
    budget.note(used, sentAt);
  }
}
