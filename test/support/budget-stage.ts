import { pino } from 'pino';
import { createExchange } from '../../src/exchanges/create-exchange.ts';
import type { Exchange } from '../../src/exchanges/exchange.ts';
import { BUDGET_LIMITS, type BudgetName } from '../../simulator/weight-counter.ts';
import { RequestParameters } from '../../simulator/request-parameters.ts';
import { createRoutes, type Route } from '../../simulator/routes.ts';
import { SimulatedExchange } from '../../simulator/simulated-exchange.ts';
import { DEFAULT_MARKETS, type SimulatedMarket } from '../../simulator/symbol-catalogue.ts';
import { StepClock } from './step-clock.ts';

/** When its clock starts: seventeen seconds into a window of every length. */
export const START = Date.UTC(2026, 10, 22, 12, 0, 17);
/** Binance's counters. */
export const NAMES: readonly BudgetName[] = ['spot', 'futures', 'statistics', 'funding'];
const logger = pino({ level: 'silent' });

const [ordinary] = DEFAULT_MARKETS;
if (!ordinary?.perpetual) throw new Error('the first of the ordinary markets has no perpetual any more');
/** Fifty markets, each with a perpetual. */
const MARKETS: readonly SimulatedMarket[] = Array.from({ length: 50 }, (_, index) => ({
  ...ordinary,
  symbol: `COIN${index}/USDT`,
}));
export const SYMBOLS = MARKETS.map(({ symbol }) => symbol);

/** The simulated exchange on a clock that jumps over waiting, and what was spent there, counted by its own rules. */
export class BudgetStage implements AsyncDisposable {
  readonly clock = new StepClock(START);
  readonly signal = new AbortController().signal;
  readonly exchange: SimulatedExchange;
  readonly #spent = new Map<BudgetName, number[]>();
  readonly #routes: ReadonlyMap<string, Route>;
  readonly #clients: Exchange[] = [];
  #origin = '';

  constructor() {
    this.exchange = new SimulatedExchange({
      seed: 'budget',
      clock: this.clock,
      symbols: MARKETS,
      intercept: ({ path, query }) => {
        this.#count(path, query);
        return undefined;
      },
    });
    this.#routes = createRoutes(this.exchange.venue);
  }

  async open(): Promise<this> {
    this.#origin = (await this.exchange.listen()).origin;
    return this;
  }

  async createClient(sharedBy = 1): Promise<Exchange> {
    const options = { id: 'binance', origin: this.#origin, clock: this.clock, logger, sharedBy: () => sharedBy };
    const client = await createExchange(options);
    this.#clients.push(client);
    return client;
  }

  /** Sends a request as a stranger would; answers its status. */
  async request(path: string): Promise<number> {
    const response = await fetch(`${this.#origin}${path}`, { signal: this.signal });
    await response.text();
    return response.status;
  }

  /** The share of its limit that each window saw, the first and the last (which are not whole) left out. */
  listUse(name: BudgetName): number[] {
    return (this.#spent.get(name) ?? []).slice(1, -1).map((weight) => weight / BUDGET_LIMITS[name].limit);
  }

  /** The same of all windows, and no other. */
  findMostUse(name: BudgetName): number {
    return Math.max(...(this.#spent.get(name) ?? [])) / BUDGET_LIMITS[name].limit;
  }

  #count(path: string, query: URLSearchParams): void {
    const route = this.#routes.get(path);
    if (!route) throw new Error(`a request to ${path}, which the exchange does not have`);
    const { windowMs } = BUDGET_LIMITS[route.budget];
    const windows = this.#spent.get(route.budget) ?? [];
    const window = Math.floor(this.clock.now() / windowMs) - Math.floor(START / windowMs);
    while (windows.length <= window) windows.push(0);
    windows[window] = (windows[window] ?? 0) + route.weight(new RequestParameters(query));
    this.#spent.set(route.budget, windows);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) await client.close();
    await this.exchange.close();
    this.clock[Symbol.dispose]();
  }
}

/** The mean; NaN of none. */
export const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
/** Of a share, for people. */
export const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
