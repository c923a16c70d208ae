import type { BudgetState, Exchange, RequestCost, RequestKind } from '../exchanges/exchange.ts';
import type { BackfillPlan } from '../market/backfill-plan.ts';
import type { CoverageKey } from '../market/coverage.ts';
import { LONGEST_FUNDING_INTERVAL_MS } from '../market/funding-slots.ts';
import { FUTURES_FEEDS, FUTURES_SLOT_MS, type FuturesFeed } from '../market/futures-snapshot.ts';
import { MINUTE_MS, toIso } from '../market/moments.ts';
import { subtractLists } from '../market/range-lists.ts';
import { countSlots, mergeRanges, type TimeRange } from '../market/time-range.ts';
import { parseTimeframe, timeframeMs } from '../market/timeframe.ts';

/** One exchange as the plan needs it; an `Exchange` of the port fits with its budgets. */
export interface PlannedExchange extends Pick<Exchange, 'id' | 'candleLimit' | 'costOf'> {
  readonly futuresFeeds: ReadonlyMap<FuturesFeed, { readonly limit: number }>;
  readonly budgets: readonly Pick<BudgetState, 'name' | 'limit' | 'windowMs'>[];
}

/** One series or feed with what is to be fetched of it: on the key's grid, oldest first, without overlaps. */
export interface PlannedKey extends CoverageKey {
  readonly missing: readonly TimeRange[];
}

export interface PlanInput {
  readonly window: TimeRange;
  readonly exchanges: readonly PlannedExchange[];
  readonly keys: readonly PlannedKey[];
  /** Bytes that one more row takes, its part of the indexes included. */
  readonly rowBytes: { readonly candle: number; readonly futures: number };
}

type ExchangePlan = BackfillPlan['exchanges'][number];

/** History may use this part of an allowance; the rest is kept for the live tail and for others at our address. */
export const HISTORY_SHARE = 0.7;

/**
 * Counts what fetching `keys` costs. Exchanges are read side by side, and so are the counters of one exchange: the
 * slowest one tells the minutes.
 *
 * @throws RangeError where a key names an exchange, timeframe or feed that is not there.
 */
export function planBackfill({ window, exchanges, keys, rowBytes }: PlanInput): Omit<BackfillPlan, 'left_out'> {
  const plans = exchanges.map((exchange) =>
    planExchange(
      exchange,
      keys.filter((key) => key.exchange === exchange.id),
      rowBytes,
    ),
  );
  const stray = keys.find((key) => !exchanges.some(({ id }) => id === key.exchange));
  if (stray) throw new RangeError(`the plan has a series of ${stray.exchange} and no such exchange`);
  return {
    since: toIso(window.since),
    until: toIso(window.until),
    total: {
      series: sum(plans, (plan) => plan.series),
      slots: sum(plans, (plan) => plan.slots),
      requests: sum(plans, (plan) => plan.requests),
      minutes: findLongest(plans.map((plan) => plan.minutes)),
      rows: sum(plans, (plan) => plan.rows),
      bytes: sum(plans, (plan) => plan.bytes),
    },
    exchanges: plans,
  };
}

function planExchange(
  exchange: PlannedExchange,
  keys: readonly PlannedKey[],
  rowBytes: PlanInput['rowBytes'],
): ExchangePlan {
  const costs = keys.map((key) => costKey(exchange, key)).filter(({ slots }) => slots > 0);
  const candles = sum(costs, (cost) => (cost.key.metric === 'ohlcv' ? cost.slots : 0));
  const snapshots = countFuturesRows(keys);
  const allowances = exchange.budgets.flatMap(({ name, limit, windowMs }): ExchangePlan['allowances'][number][] => {
    const weight = sum(costs, ({ charges, requests }) =>
      sum(charges, (charge) => (charge.counter === name ? requests * charge.weight : 0)),
    );
    if (weight === 0) return [];
    const minutes = round((weight / (limit * HISTORY_SHARE)) * (windowMs / MINUTE_MS));
    return [{ name, limit, window_seconds: windowMs / 1000, weight, minutes }];
  });
  const isShown = ({ counter }: RequestCost) => allowances.some(({ name }) => name === counter);
  const isCounted = costs.every(({ charges }) => charges.length > 0 && charges.every(isShown));
  return {
    exchange: exchange.id,
    series: costs.length,
    slots: sum(costs, (cost) => cost.slots),
    requests: sum(costs, (cost) => cost.requests),
    minutes: isCounted ? Math.max(0, ...allowances.map(({ minutes }) => minutes)) : null,
    rows: candles + snapshots,
    bytes: Math.round(candles * rowBytes.candle + snapshots * rowBytes.futures),
    allowances,
    lines: groupLines(costs),
  };
}

interface KeyCost {
  readonly key: PlannedKey;
  readonly slots: number;
  readonly requests: number;
  /** What each of the requests costs. */
  readonly charges: readonly RequestCost[];
}

function costKey(exchange: PlannedExchange, key: PlannedKey): KeyCost {
  const { metric } = key;
  const kind: RequestKind = metric === 'ohlcv' ? 'candles' : metric;
  const limit = metric === 'ohlcv' ? exchange.candleLimit : exchange.futuresFeeds.get(metric)?.limit;
  if (limit === undefined) throw new RangeError(`${exchange.id} has no ${metric}`);
  const stepMs = stepOf(key);
  const counts = key.missing.map((range) => countSlots(range, stepMs));
  const requests = sum(counts, (count) => Math.ceil(count / limit));
  return { key, slots: sum(counts, (count) => count), requests, charges: exchange.costOf(kind) };
}

/** How far apart the rows of a key lie where none is missing, in milliseconds; of funding at the most. */
export function stepOf({ metric, timeframe }: CoverageKey): number {
  return metric === 'funding_rate' ? LONGEST_FUNDING_INTERVAL_MS : timeframeMs(parseTimeframe(timeframe));
}

/** The feeds of one perpetual share the row of an hour. Rows that another feed has made already are counted again. */
function countFuturesRows(keys: readonly PlannedKey[]): number {
  const bySymbol = Map.groupBy(
    keys.filter(({ metric }) => metric !== 'ohlcv'),
    ({ symbol }) => symbol,
  );
  return sum([...bySymbol.values()], (feeds) => {
    const ofKind = (isFunding: boolean) =>
      mergeRanges(
        feeds.filter(({ metric }) => (metric === 'funding_rate') === isFunding).flatMap((key) => key.missing),
      );
    const hourly = ofKind(false);
    const settled = subtractLists(ofKind(true), hourly);
    return (
      sum(hourly, (range) => countSlots(range, FUTURES_SLOT_MS)) +
      sum(settled, (range) => countSlots(range, LONGEST_FUNDING_INTERVAL_MS))
    );
  });
}

/** Candles by timeframe, finest first, then the feeds. */
function groupLines(costs: readonly KeyCost[]): ExchangePlan['lines'][number][] {
  const order = ({ metric, timeframe }: ExchangePlan['lines'][number]) =>
    metric === 'ohlcv' ? timeframeMs(parseTimeframe(timeframe)) : Number.MAX_SAFE_INTEGER;
  const feeds: readonly string[] = FUTURES_FEEDS;
  return [...Map.groupBy(costs, ({ key }) => `${key.metric} ${key.timeframe}`).values()]
    .map((group) => ({
      metric: group[0]?.key.metric ?? '',
      timeframe: group[0]?.key.timeframe ?? '',
      series: group.length,
      slots: sum(group, (cost) => cost.slots),
      requests: sum(group, (cost) => cost.requests),
    }))
    .toSorted((a, b) => order(a) - order(b) || feeds.indexOf(a.metric) - feeds.indexOf(b.metric));
}

function findLongest(minutes: readonly (number | null)[]): number | null {
  return minutes.reduce(
    (longest: number | null, next) => (longest === null || next === null ? null : Math.max(longest, next)),
    0,
  );
}

function sum<T>(items: readonly T[], valueOf: (item: T) => number): number {
  return items.reduce((total, item) => total + valueOf(item), 0);
}

/** To tenths, and never to nothing. */
function round(minutes: number): number {
  return minutes === 0 ? 0 : Math.max(0.1, Math.round(minutes * 10) / 10);
}
