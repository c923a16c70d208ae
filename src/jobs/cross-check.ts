import type { CandleSumDeviation } from '../db/repositories/audit-candle-sums.ts';
import type { RepeatedCandles } from '../db/repositories/audit-repeated-candles.ts';
import type { AuditedKey } from '../db/repositories/audit-repository.ts';
import { findOpenInterestDeviation } from '../market/futures-cross-check.ts';
import type { FuturesSnapshot } from '../market/futures-snapshot.ts';
import { HOUR_MS, toIso } from '../market/moments.ts';
import { createRange, type TimeRange } from '../market/time-range.ts';
import { parseTimeframe, timeframeMs, type Timeframe } from '../market/timeframe.ts';

export interface CrossCheckStores {
  readonly audit: {
    /** Hours whose candle differs from its minutes, and how many hours were compared. */
    checkCandleSums(
      market: { readonly exchange: string; readonly symbol: string },
      range: TimeRange,
    ): Promise<{ readonly compared: number; readonly deviations: readonly CandleSumDeviation[] }>;
    /** Runs of longer candles that a shorter series repeats, and how many longer candles were compared. */
    findRepeatedCandles(
      market: { readonly exchange: string; readonly symbol: string },
      timeframes: { readonly shorter: Timeframe; readonly longer: Timeframe },
      range: TimeRange,
    ): Promise<{ readonly compared: number; readonly repeated: readonly RepeatedCandles[] }>;
  };
  readonly futures: {
    list(exchange: string, symbol: string, range: TimeRange, limit: number): Promise<readonly FuturesSnapshot[]>;
  };
}

interface CheckCounts {
  readonly compared: number;
  readonly deviations: number;
}

/** Values that contradict each other; ready for JSON. */
export interface CrossCheckReport {
  /** 1h candles against the 1m candles of their hour. */
  readonly candle_sums: CheckCounts;
  /** open_interest_value against open_interest × mark_price. */
  readonly open_interest_value: CheckCounts;
  /** Longer candles of which a shorter series has a copy instead of its own; each counts, where twenty lie in a row. */
  readonly repeated_candles: CheckCounts;
  /** The first hundred. */
  readonly examples: readonly CrossCheckExample[];
}

interface CrossCheckExample {
  readonly exchange: string;
  readonly symbol: string;
  readonly check: keyof Omit<CrossCheckReport, 'examples'>;
  readonly timestamp: string;
  readonly detail: string;
}

interface Market {
  readonly exchange: string;
  readonly symbol: string;
  readonly keys: readonly AuditedKey[];
}

const MAX_EXAMPLES = 100;
/** Ten thousand minutes to a look. */
const SUMS_RANGE_MS = 168 * HOUR_MS;
const SNAPSHOT_PAGE = 5000;

/** Holds stored values against each other where two of them must agree. Writes nothing. */
export class CrossCheck {
  readonly #stores: CrossCheckStores;
  readonly #examples: CrossCheckExample[] = [];
  readonly #counts = {
    candle_sums: { compared: 0, deviations: 0 },
    open_interest_value: { compared: 0, deviations: 0 },
    repeated_candles: { compared: 0, deviations: 0 },
  };

  constructor({ stores }: { readonly stores: CrossCheckStores }) {
    this.#stores = stores;
  }

  /** Checks what the keys have from `since` (epoch ms) on. Once for each instance. */
  async run(keys: readonly AuditedKey[], since: number, signal: AbortSignal): Promise<CrossCheckReport> {
    const markets = Map.groupBy(keys, ({ key }) => `${key.exchange}\t${key.symbol}`);
    for (const group of markets.values()) {
      const [first] = group;
      if (!first) continue;
      const market = { exchange: first.key.exchange, symbol: first.key.symbol, keys: group };
      await this.#checkSums(market, since, signal);
      await this.#checkOpenInterest(market, since, signal);
      await this.#checkTimeframes(market, since, signal);
    }
    return { ...this.#counts, examples: this.#examples };
  }

  async #checkSums({ exchange, symbol, keys }: Market, since: number, signal: AbortSignal): Promise<void> {
    const find = (timeframe: string) => keys.find(({ key }) => key.metric === 'ohlcv' && key.timeframe === timeframe);
    const range = findCommon([find('1m'), find('1h')], since);
    if (!range) return;
    for (let start = range.since; start < range.until; start += SUMS_RANGE_MS) {
      signal.throwIfAborted();
      const part = { since: start, until: Math.min(start + SUMS_RANGE_MS, range.until) };
      const { compared, deviations } = await this.#stores.audit.checkCandleSums({ exchange, symbol }, part);
      this.#counts.candle_sums.compared += compared;
      for (const { timestamp, values, hourVolume, minutesVolume } of deviations) {
        const detail = `${values}: the hour has a volume of ${hourVolume}, its minutes ${minutesVolume}`;
        this.#note({ exchange, symbol, check: 'candle_sums', timestamp, detail });
      }
    }
  }

  async #checkOpenInterest({ exchange, symbol, keys }: Market, since: number, signal: AbortSignal): Promise<void> {
    const find = (metric: string) => keys.find(({ key }) => key.metric === metric);
    const range = findCommon([find('open_interest'), find('mark_price')], since);
    if (!range) return;
    for (let start = range.since; ;) {
      signal.throwIfAborted();
      const page = await this.#stores.futures.list(
        exchange,
        symbol,
        { since: start, until: range.until },
        SNAPSHOT_PAGE,
      );
      for (const snapshot of page) {
        const { timestamp, open_interest, open_interest_value, mark_price } = snapshot;
        if (open_interest === undefined || open_interest_value === undefined || mark_price === undefined) continue;
        this.#counts.open_interest_value.compared++;
        const found = findOpenInterestDeviation(snapshot);
        if (!found) continue;
        const detail = `open_interest_value is ${found.value}, open_interest × mark_price is ${found.expected}`;
        this.#note({ exchange, symbol, check: 'open_interest_value', timestamp, detail });
      }
      const last = page.at(-1);
      if (!last || page.length < SNAPSHOT_PAGE) return;
      start = last.timestamp + 1;
    }
  }

  async #checkTimeframes({ exchange, symbol, keys }: Market, since: number, signal: AbortSignal): Promise<void> {
    const candles = keys
      .filter(({ key }) => key.metric === 'ohlcv')
      .map((audited) => ({ audited, timeframe: parseTimeframe(audited.key.timeframe) }));
    for (const { audited: one, timeframe: shorter } of candles) {
      for (const { audited: other, timeframe: longer } of candles) {
        const range = findCommon([one, other], since);
        if (range === null || timeframeMs(longer) <= timeframeMs(shorter)) continue;
        signal.throwIfAborted();
        const market = { exchange, symbol };
        const { compared, repeated } = await this.#stores.audit.findRepeatedCandles(market, { shorter, longer }, range);
        this.#counts.repeated_candles.compared += compared;
        for (const { since: timestamp, until, candles: count, deletion } of repeated) {
          const detail =
            `the rows of ${shorter} are ${count} candles of ${longer}, until ${toIso(until)}. To have the true ones ` +
            `fetched: ${deletion}; then make audit REPAIR=1 and ` +
            `npm run audit -- --recheck-empty --exchange ${exchange} --symbol ${symbol} --timeframe ${shorter}`;
          this.#note({ ...market, check: 'repeated_candles', timestamp, detail }, count);
        }
      }
    }
  }

  #note(
    { timestamp, ...example }: Omit<CrossCheckExample, 'timestamp'> & { readonly timestamp: number },
    deviations = 1,
  ): void {
    this.#counts[example.check].deviations += deviations;
    if (this.#examples.length < MAX_EXAMPLES) this.#examples.push({ ...example, timestamp: toIso(timestamp) });
  }
}

/** The whole hours from `since` on in which all of them have something; null where one is not there. */
function findCommon(keys: readonly (AuditedKey | undefined)[], since: number): TimeRange | null {
  const known = keys.filter((key) => key !== undefined);
  if (known.length < keys.length) return null;
  const start = Math.max(since, ...known.map((key) => key.since));
  return createRange(Math.ceil(start / HOUR_MS) * HOUR_MS, Math.min(...known.map((key) => key.until)));
}
