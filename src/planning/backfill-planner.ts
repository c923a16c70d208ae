import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Exchange, RequestKind } from '../exchanges/exchange.ts';
import type { BackfillPlan } from '../market/backfill-plan.ts';
import { EARLIEST_MS } from '../market/candle.ts';
import type { CoverageKey, CoverageRange } from '../market/coverage.ts';
import type { FuturesMetric } from '../market/futures-snapshot.ts';
import type { Instrument, MarketPattern, Series } from '../market/instrument.ts';
import { DAY_MS } from '../market/moments.ts';
import { createRange, type TimeRange } from '../market/time-range.ts';
import { ceilToTimeframe, floorToTimeframe, parseTimeframe, type Timeframe } from '../market/timeframe.ts';
import { planBackfill, stepOf, type PlannedKey } from './plan-backfill.ts';
import { resolveMarkets } from '../market/resolve-markets.ts';
import { intersectLists, subtractLists } from '../market/range-lists.ts';

/** An exchange with what it lists. */
interface OfferedMarkets {
  readonly exchange: Pick<Exchange, 'id' | 'candleLimit' | 'futuresFeeds' | 'budgets' | 'costOf' | 'hasTimeframe'>;
  readonly instruments: readonly Instrument[];
}

/** What the planner reads of the database; the repositories fit. */
export interface PlanStores {
  readonly coverage: { list(key: CoverageKey, range?: TimeRange): Promise<readonly CoverageRange[]> };
  readonly ohlcv: { listGaps(series: Series, range: TimeRange): Promise<readonly TimeRange[]> };
  readonly futures: {
    listGaps(
      exchange: string,
      symbol: string,
      metric: FuturesMetric,
      range: TimeRange,
      stepMs: number,
    ): Promise<readonly TimeRange[]>;
  };
  /** Bytes of a row with its part of the indexes, measured where the table has enough rows, else as documented. */
  readonly rowSizes: { measure(): Promise<{ readonly candle: number; readonly futures: number }> };
}

export interface BackfillPlannerDeps {
  readonly collect: {
    readonly markets: readonly MarketPattern[];
    readonly timeframes: readonly Timeframe[];
    readonly backfill: { readonly days: number } | { readonly fromMs: number };
    readonly futures: boolean;
  };
  /** Opens an exchange by its ccxt id, without a request; the planner closes what it opened. */
  readonly openExchange: (id: string) => Promise<Exchange>;
  /** What the exchange told others to wait for, so that asking it makes nothing worse. Default: nothing is known. */
  readonly findBlock?: (id: string) => Promise<Parameters<Exchange['adoptBlock']>[0] | null>;
  readonly stores: PlanStores;
  readonly clock: Pick<Clock, 'now'>;
}

const HOURLY = parseTimeframe('1h');

/** Says what collecting the configured markets will cost, from the ledger and the rows as they are now. Writes nothing. */
export class BackfillPlanner {
  readonly #deps: BackfillPlannerDeps;

  constructor(deps: BackfillPlannerDeps) {
    this.#deps = deps;
  }

  /**
   * An exchange that does not answer is left out and named in a sentence that says why; so are symbols that it does not
   * list.
   *
   * @throws whatever the database throws, and the signal's reason.
   */
  async plan(signal: AbortSignal): Promise<BackfillPlan> {
    const { collect, stores, clock } = this.#deps;
    const now = clock.now();
    const { backfill } = collect;
    const since = Math.max(EARLIEST_MS, 'days' in backfill ? now - backfill.days * DAY_MS : backfill.fromMs);
    const window = { since: Math.min(since, now), until: now };
    const leftOut: string[] = [];
    const offers: OfferedMarkets[] = [];
    for (const id of new Set(collect.markets.map(({ exchange }) => exchange))) {
      try {
        offers.push(await this.#listMarkets(id, signal));
      } catch (error) {
        signal.throwIfAborted();
        leftOut.push(`${id} cannot be planned: ${messageOf(error)}`);
      }
    }
    const keys: PlannedKey[] = [];
    for (const offer of offers) {
      const wanted = this.#listWanted(offer, window, leftOut);
      for (const { key, range } of wanted) {
        signal.throwIfAborted();
        keys.push({ ...key, missing: await this.#listMissing(key, range) });
      }
    }
    const exchanges = offers.map(({ exchange }) => ({
      id: exchange.id,
      candleLimit: exchange.candleLimit,
      futuresFeeds: exchange.futuresFeeds,
      budgets: exchange.budgets(),
      costOf: (kind: RequestKind) => exchange.costOf(kind),
    }));
    const plan = planBackfill({ window, exchanges, keys, rowBytes: await stores.rowSizes.measure() });
    return { ...plan, left_out: leftOut };
  }

  async #listMarkets(id: string, signal: AbortSignal): Promise<OfferedMarkets> {
    const exchange = await this.#deps.openExchange(id);
    try {
      const block = (await this.#deps.findBlock?.(id)) ?? null;
      if (block) exchange.adoptBlock(block);
      return { exchange, instruments: await exchange.fetchInstruments(signal) };
    } finally {
      await exchange.close();
    }
  }

  #listWanted({ exchange, instruments }: OfferedMarkets, window: TimeRange, leftOut: string[]): WantedKey[] {
    const { collect } = this.#deps;
    const resolved = resolveMarkets(exchange.id, collect.markets, instruments);
    leftOut.push(...resolved.unknown.map(({ reason }) => reason), ...resolved.unmatched);
    const timeframes = collect.timeframes.filter((timeframe) => exchange.hasTimeframe(timeframe));
    for (const timeframe of collect.timeframes)
      if (!timeframes.includes(timeframe)) leftOut.push(`${exchange.id} has no timeframe ${timeframe}`);
    return resolved.instruments.flatMap(({ symbol, hasPerpetual }) => {
      const key = { exchange: exchange.id, symbol };
      const feeds = collect.futures && hasPerpetual ? [...exchange.futuresFeeds] : [];
      return [
        ...timeframes.flatMap((timeframe) => want({ ...key, timeframe, metric: 'ohlcv' }, window, timeframe)),
        ...feeds.flatMap(([metric, { depthMs }]) => {
          const since = depthMs === null ? window.since : Math.max(window.since, window.until - depthMs);
          return want({ ...key, timeframe: HOURLY, metric }, { since, until: window.until }, HOURLY);
        }),
      ];
    });
  }

  /** What the ledger calls missing, and of what it is silent on, what has no row. */
  async #listMissing(key: CoverageKey, range: TimeRange): Promise<TimeRange[]> {
    const { coverage } = this.#deps.stores;
    const known = await coverage.list(key, range);
    const settled = known.filter(({ state }) => state !== 'missing');
    const unsettled = subtractLists([range], settled);
    const silent = subtractLists([range], known);
    if (silent.length === 0) return unsettled;
    const [first, last] = [silent[0], silent.at(-1)];
    const gaps = first && last ? await this.#listGaps(key, { since: first.since, until: last.until }) : [];
    // Of the silent parts only those without rows; of the others all that is not settled.
    return subtractLists(unsettled, subtractLists(silent, intersectLists(silent, gaps)));
  }

  #listGaps(key: CoverageKey, range: TimeRange): Promise<readonly TimeRange[]> {
    const { ohlcv, futures } = this.#deps.stores;
    const { exchange, symbol, metric } = key;
    if (metric === 'ohlcv')
      return ohlcv.listGaps({ exchange, symbol, timeframe: parseTimeframe(key.timeframe) }, range);
    return futures.listGaps(exchange, symbol, metric, range, stepOf(key));
  }
}

interface WantedKey {
  readonly key: CoverageKey;
  readonly range: TimeRange;
}

/** The key with the whole slots of the range; nothing where there is none. */
function want(key: CoverageKey, { since, until }: TimeRange, timeframe: Timeframe): WantedKey[] {
  const range = createRange(ceilToTimeframe(since, timeframe), floorToTimeframe(until, timeframe));
  return range ? [{ key, range }] : [];
}
