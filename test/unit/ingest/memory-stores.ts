import { assertEntries } from '../../../src/db/commit/assert-entries.ts';
import { normalizeCandles } from '../../../src/db/commit/upsert-candles.ts';
import { mergeSnapshots } from '../../../src/db/commit/upsert-snapshots.ts';
import { clipCoverage, overlayCoverage } from '../../../src/db/repositories/overlay-coverage.ts';
import type { IngestStores } from '../../../src/ingest/collector/ports.ts';
import type { Candle } from '../../../src/market/candle.ts';
import {
  toSeriesCandles,
  type CommitEntry,
  type CommitOutcome,
  type QuarantineEntry,
  type SeriesChange,
} from '../../../src/market/commit-entry.ts';
import {
  candleKey,
  haveRange,
  missingRange,
  type CoverageKey,
  type CoverageRange,
} from '../../../src/market/coverage.ts';
import { compareDecimals, type Decimal } from '../../../src/market/decimal.ts';
import {
  FUTURES_METRICS,
  FUTURES_SLOT_MS,
  type FuturesMetric,
  type FuturesSnapshot,
} from '../../../src/market/futures-snapshot.ts';
import { seriesKey, type Series } from '../../../src/market/instrument.ts';
import { findUncovered, subtractLists } from '../../../src/market/range-lists.ts';
import { createRange, mergeRanges, type TimeRange } from '../../../src/market/time-range.ts';
import { ceilToTimeframe, isOnGrid, parseTimeframe, timeframeMs } from '../../../src/market/timeframe.ts';

/** Rows, ledger and quarantine in memory; a commit that fails leaves nothing. `failure` is asked before each one. */
export class MemoryStores implements IngestStores {
  failure: (entries: readonly CommitEntry[]) => Error | null = () => null;
  readonly revisions: SeriesChange[] = [];
  /** How many commits there were. */
  commits = 0;
  /** Those of them that wrote no row. */
  ledgerCommits = 0;
  readonly quarantined: QuarantineEntry[] = [];
  readonly #candles = new Map<string, Map<number, Candle>>();
  readonly #futures = new Map<string, Map<number, FuturesSnapshot>>();
  readonly #ledger = new Map<string, { readonly key: CoverageKey; readonly ranges: CoverageRange[] }>();

  readonly coverage: IngestStores['coverage'] = {
    survey: async (key, range, missingUntil = Infinity) => {
      await this.#answer();
      const known = this.listCoverage(key, range);
      const silent = subtractLists([range], mergeRanges(known));
      const silentFrom = Number.isFinite(missingUntil)
        ? ceilToTimeframe(missingUntil, parseTimeframe(key.timeframe))
        : missingUntil;
      const found = silent
        .flatMap((part) => this.#judgeRows(key, part))
        .map((part) => (part.state === 'missing' ? { ...part, until: Math.min(part.until, silentFrom) } : part));
      this.record(
        key,
        found.filter(({ since, until }) => since < until),
      );
      return this.listCoverage(key, range);
    },
    findFrame: async (key, { since, until }) => {
      await this.#answer();
      const stepMs = timeframeMs(parseTimeframe(key.timeframe));
      const have = this.listCoverage(key).filter(({ state }) => state === 'have');
      const before = have.findLast((range) => range.since < since);
      const after = have.find((range) => range.since >= until);
      return {
        before: before ? Math.min(before.until, since) - stepMs : null,
        after: after?.since ?? null,
      };
    },
    list: async (key, range) => {
      await this.#answer();
      return this.listCoverage(key, range);
    },
    listMissing: async (key, range) => {
      await this.#answer();
      return this.listCoverage(key, range).filter(({ state }) => state === 'missing');
    },
  };

  /** One after the other: what several do at once in PostgreSQL is not shown here. */
  async commit(entries: readonly CommitEntry[]): Promise<CommitOutcome> {
    assertEntries(entries);
    await this.#answer(entries);
    this.commits++;
    if (entries.every(({ rows }) => rows.length === 0)) this.ledgerCommits++;
    // Everything is read before anything is written: what contradicts itself leaves nothing.
    const read = entries.toSorted(compareKeys).map((entry) => ({ ...entry, ...readRows(entry) }));
    let [inserted, updated, given] = [0, 0, 0];
    const changes: SeriesChange[] = [];
    for (const { key, rows, series, candles, snapshots, changes: told, quarantine } of read) {
      const written = series
        ? this.storeCandles(series, candles)
        : { ...this.#storeSnapshots(key, snapshots), changes: [] };
      given += rows.length;
      inserted += written.inserted;
      updated += written.updated;
      changes.push(...written.changes);
      this.record(key, told);
      this.quarantined.push(...quarantine);
    }
    this.revisions.push(...changes);
    return { inserted, updated, unchanged: given - inserted - updated, changes };
  }

  /** What is stored, oldest first. */
  list(series: Series): Candle[] {
    return [...this.#of(series).values()].toSorted((a, b) => a.timestamp - b.timestamp);
  }

  listFutures(exchange: string, symbol: string, metric: FuturesMetric): FuturesSnapshot[] {
    return [...this.#futuresOf(exchange, symbol).values()]
      .filter((snapshot) => snapshot[metric] !== undefined)
      .toSorted((a, b) => a.timestamp - b.timestamp);
  }

  /** What the ledger says, oldest first, clipped to `range`. */
  listCoverage(key: CoverageKey, range: TimeRange = { since: -Infinity, until: Infinity }): CoverageRange[] {
    return (this.#ledger.get(JSON.stringify(Object.values(sortKey(key))))?.ranges ?? [])
      .map((stored) => clipCoverage(stored, range))
      .filter((part) => part !== null);
  }

  /** Where ledger and rows of a candle series contradict each other: opening times, oldest first. */
  audit(series: Series): number[] {
    const stepMs = timeframeMs(series.timeframe);
    const rows = new Set(this.list(series).map(({ timestamp }) => timestamp));
    const wrong = new Set(rows);
    for (const { since, until, state } of this.listCoverage(candleKey(series)))
      for (let slot = since; slot < until; slot += stepMs)
        if (rows.has(slot) === (state === 'have')) wrong.delete(slot);
        else wrong.add(slot);
    return [...wrong].toSorted((a, b) => a - b);
  }

  /** Writes rows without a word for the ledger, as a hand does. */
  storeCandles(series: Series, candles: readonly Candle[]) {
    const stored = this.#of(series);
    const changes: SeriesChange[] = [];
    let inserted = 0;
    for (const candle of candles) {
      const before = stored.get(candle.timestamp);
      if (before && CANDLE_VALUES.every((name) => compareDecimals(before[name], candle[name]) === 0)) continue;
      if (before) changes.push({ series, before, after: candle });
      else inserted++;
      stored.set(candle.timestamp, candle);
    }
    return { inserted, updated: changes.length, changes };
  }

  /** The same of futures data. */
  storeFutures(exchange: string, symbol: string, snapshots: readonly FuturesSnapshot[]): void {
    this.#storeSnapshots({ exchange, symbol }, snapshots);
  }

  #storeSnapshots(
    { exchange, symbol }: Pick<CoverageKey, 'exchange' | 'symbol'>,
    snapshots: readonly FuturesSnapshot[],
  ) {
    const stored = this.#futuresOf(exchange, symbol);
    let [inserted, updated] = [0, 0];
    for (const snapshot of snapshots) {
      const before = stored.get(snapshot.timestamp);
      if (before && FUTURES_METRICS.every((metric) => isSameValue(before[metric], snapshot[metric]))) continue;
      if (before) updated++;
      else inserted++;
      stored.set(snapshot.timestamp, { ...before, ...snapshot });
    }
    return { inserted, updated };
  }

  /** Writes into the ledger alone, as an audit or a hand does. */
  record(key: CoverageKey, changes: readonly CoverageRange[]): void {
    const name = JSON.stringify(Object.values(sortKey(key)));
    const before = this.#ledger.get(name)?.ranges ?? [];
    this.#ledger.set(name, { key, ranges: overlayCoverage(before, changes) });
  }

  #judgeRows({ exchange, symbol, timeframe: name, metric }: CoverageKey, part: TimeRange): CoverageRange[] {
    const timeframe = parseTimeframe(name);
    const onGrid = ({ since, until }: TimeRange) =>
      createRange(ceilToTimeframe(since, timeframe), ceilToTimeframe(until, timeframe));
    const range = onGrid(part);
    if (!range) return [];
    const rows =
      metric === 'ohlcv' ? this.list({ exchange, symbol, timeframe }) : this.listFutures(exchange, symbol, metric);
    const times = rows.map(({ timestamp }) => timestamp);
    const slots = times.filter((timestamp) => isOnGrid(timestamp, timeframe));
    const holes =
      metric === 'funding_rate'
        ? findSettlementGaps(times, range)
            .map(onGrid)
            .filter((gap) => gap !== null)
        : findUncovered(range, slots, timeframeMs(timeframe));
    return [...subtractLists([range], holes).map(haveRange), ...holes.map(missingRange)];
  }

  #of(series: Series): Map<number, Candle> {
    return getOrCreate(this.#candles, seriesKey(series));
  }

  #futuresOf(exchange: string, symbol: string): Map<number, FuturesSnapshot> {
    return getOrCreate(this.#futures, `${exchange} ${symbol}`);
  }

  async #answer(entries: readonly CommitEntry[] = []): Promise<void> {
    await Promise.resolve();
    const error = this.failure(entries);
    if (error) throw error;
  }
}

const CANDLE_VALUES = ['open', 'high', 'low', 'close', 'volume'] as const;
/** For so long a settlement speaks, where nothing is known of the contract. */
const SETTLEMENT_MS = 8 * FUTURES_SLOT_MS;

/** What an entry brings, each time once, oldest first. */
function readRows({ key, rows }: CommitEntry) {
  const given = toSeriesCandles({ key, rows });
  return {
    series: given?.series ?? null,
    candles: given ? normalizeCandles(given.series, given.candles) : [],
    snapshots: given ? [] : mergeSnapshots(rows),
  };
}

/**
 * Of the parts of the range that lie longer than eight hours after the settlement before and end with one, or at its
 * end.
 */
function findSettlementGaps(times: readonly number[], { since, until }: TimeRange): TimeRange[] {
  const gaps: (TimeRange | null)[] = [];
  let previous = times.findLast((time) => time <= since) ?? null;
  for (const next of [...times.filter((time) => time > since && time < until), until]) {
    if (previous !== null) gaps.push(createRange(Math.max(previous + SETTLEMENT_MS, since), next));
    // Before the oldest one a shorter time need not hold another.
    else if (next === until || next - since >= SETTLEMENT_MS) gaps.push({ since, until: next });
    previous = next;
  }
  return gaps.filter((gap) => gap !== null);
}

/** A metric that is not given keeps what is stored. */
function isSameValue(stored: Decimal | undefined, given: Decimal | undefined): boolean {
  return given === undefined || (stored !== undefined && compareDecimals(stored, given) === 0);
}

function compareKeys({ key: a }: CommitEntry, { key: b }: CommitEntry): number {
  const [x, y] = [a, b].map((key) => Object.values(sortKey(key)).join('\t')) as [string, string];
  return x < y ? -1 : 1;
}

function sortKey({ exchange, symbol, timeframe, metric }: CoverageKey): CoverageKey {
  return { exchange, symbol, timeframe, metric };
}

function getOrCreate<V>(maps: Map<string, Map<number, V>>, key: string): Map<number, V> {
  const map = maps.get(key) ?? new Map<number, V>();
  maps.set(key, map);
  return map;
}
