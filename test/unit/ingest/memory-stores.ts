import { assertEntries } from '../../../src/db/commit/assert-entries.ts';
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
import { candleKey, type CoverageKey, type CoverageRange } from '../../../src/market/coverage.ts';
import { findFundingHoles } from '../../../src/market/funding-slots.ts';
import type { FuturesMetric, FuturesSnapshot } from '../../../src/market/futures-snapshot.ts';
import { seriesKey, type Series } from '../../../src/market/instrument.ts';
import { findUncovered, subtractLists } from '../../../src/market/range-lists.ts';
import { mergeRanges, type TimeRange } from '../../../src/market/time-range.ts';
import { parseTimeframe, timeframeMs } from '../../../src/market/timeframe.ts';

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
      const found = silent
        .flatMap((part) => this.#judgeRows(key, part))
        .map((part) => (part.state === 'missing' ? { ...part, until: Math.min(part.until, missingUntil) } : part));
      this.record(
        key,
        found.filter(({ since, until }) => since < until),
      );
      return this.listCoverage(key, range);
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
    let [inserted, updated, given] = [0, 0, 0];
    const changes: SeriesChange[] = [];
    for (const { key, rows, changes: told, quarantine } of entries) {
      const candles = toSeriesCandles({ key, rows });
      const written = candles
        ? this.storeCandles(candles.series, candles.candles)
        : { ...this.#storeSnapshots(key, rows), changes: [] };
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
      if (!before) inserted++;
      else if (JSON.stringify(before) !== JSON.stringify(candle)) changes.push({ series, before, after: candle });
      stored.set(candle.timestamp, candle);
    }
    return { inserted, updated: changes.length, changes };
  }

  #storeSnapshots({ exchange, symbol }: CoverageKey, snapshots: readonly FuturesSnapshot[]) {
    const stored = this.#futuresOf(exchange, symbol);
    let [inserted, updated] = [0, 0];
    for (const snapshot of snapshots) {
      const before = stored.get(snapshot.timestamp);
      const after = { ...before, ...snapshot };
      if (!before) inserted++;
      else if (JSON.stringify(before) !== JSON.stringify(after)) updated++;
      stored.set(snapshot.timestamp, after);
    }
    return { inserted, updated };
  }

  /** Writes into the ledger alone, as an audit or a hand does. */
  record(key: CoverageKey, changes: readonly CoverageRange[]): void {
    const name = JSON.stringify(Object.values(sortKey(key)));
    const before = this.#ledger.get(name)?.ranges ?? [];
    this.#ledger.set(name, { key, ranges: overlayCoverage(before, changes) });
  }

  #judgeRows({ exchange, symbol, timeframe, metric }: CoverageKey, range: TimeRange): CoverageRange[] {
    const slots =
      metric === 'ohlcv'
        ? this.list({ exchange, symbol, timeframe: parseTimeframe(timeframe) }).map(({ timestamp }) => timestamp)
        : this.listFutures(exchange, symbol, metric).map(({ timestamp }) => timestamp);
    const holes =
      metric === 'funding_rate'
        ? findFundingHoles(slots, range)
        : findUncovered(range, slots, timeframeMs(parseTimeframe(timeframe)));
    return [
      ...subtractLists([range], holes).map((part) => toCoverage(part, 'have')),
      ...holes.map((part) => toCoverage(part, 'missing')),
    ];
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

function toCoverage({ since, until }: TimeRange, state: 'have' | 'missing'): CoverageRange {
  return { since, until, state, asks: 0, firstAskedAt: null, lastAskedAt: null, reason: null };
}

function sortKey({ exchange, symbol, timeframe, metric }: CoverageKey): CoverageKey {
  return { exchange, symbol, timeframe, metric };
}

function getOrCreate<V>(maps: Map<string, Map<number, V>>, key: string): Map<number, V> {
  const map = maps.get(key) ?? new Map<number, V>();
  maps.set(key, map);
  return map;
}
