import type { RequestKind } from '../exchanges/exchange.ts';

/** What one request is charged, and on which of the exchange's counters (`BudgetState.name`). */
export interface RequestCost {
  readonly counter: string;
  readonly weight: number;
}

/**
 * Binance's counters and weights: spot candles 2 and listings 20 of the spot weight
 * (https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints), mark price candles by
 * their number of the futures weight, statistics and funding one request of counters of their own
 * (https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api).
 */
function findBinanceCost(kind: RequestKind, rows: number): RequestCost {
  switch (kind) {
    case 'candles':
      return { counter: 'spot', weight: 2 };
    case 'listing':
      return { counter: 'spot', weight: 20 };
    case 'mark_price':
      return { counter: 'futures', weight: rows < 100 ? 1 : rows < 500 ? 2 : rows <= 1000 ? 5 : 10 };
    case 'funding_rate':
      return { counter: 'funding', weight: 1 };
    default:
      return { counter: 'statistics', weight: 1 };
  }
}

/**
 * The cost of a request for `rows` rows; null where the exchange has no such counter. An exchange with one counter for
 * everything counts requests on it.
 */
export function findRequestCost(
  exchange: { readonly id: string; readonly budgets: readonly { readonly name: string }[] },
  kind: RequestKind,
  rows: number,
): RequestCost | null {
  const { id, budgets } = exchange;
  if (id === 'binance') {
    const cost = findBinanceCost(kind, rows);
    return budgets.some(({ name }) => name === cost.counter) ? cost : null;
  }
  const [only] = budgets;
  return only && budgets.length === 1 ? { counter: only.name, weight: 1 } : null;
}
