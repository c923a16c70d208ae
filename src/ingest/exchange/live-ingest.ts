import type { Clock } from '../../clock.ts';
import type { CandleStream, CandleStreamListener, RejectedRow, StreamedCandle } from '../../exchanges/exchange.ts';
import type { Logger } from '../../logger.ts';
import type { Candle } from '../../market/candle.ts';
import { candleEntry, type CommitEntry, type SeriesCandles } from '../../market/commit-entry.ts';
import { candleKey } from '../../market/coverage.ts';
import { seriesKey, type Series } from '../../market/instrument.ts';
import { timeframeMs, type Timeframe } from '../../market/timeframe.ts';
import { isAborted } from '../../retry.ts';
import { Wakeup } from '../../wakeup.ts';
import { logChanges, type AnswerTally } from '../collector/answer-tally.ts';
import type { Collector } from '../collector/collector.ts';
import { RowsRefusedError, type DatabaseGate } from '../collector/database-gate.ts';
import type { IngestStores } from '../collector/ports.ts';
import { toQuarantine } from '../collector/rejected-rows.ts';

export interface LiveIngestDeps {
  readonly exchangeId: string;
  readonly stream: CandleStream;
  readonly stores: IngestStores;
  readonly database: DatabaseGate;
  readonly clock: Clock;
  /** The exchange's clock. */
  readonly now: () => number;
  readonly logger: Logger;
  /** The collector of a series, or null where it is not collected here. */
  readonly findCollector: (symbol: string, timeframe: Timeframe) => Collector | null;
  readonly onBatch: (tally: AnswerTally) => void;
  /** Called when the collectors have something new to want: a gap in the stream. */
  readonly onGap: () => void;
  /** Called when the stream became live. */
  readonly onLive: () => void;
}

interface Arrival {
  readonly collector: Collector;
  readonly symbol: string;
  readonly timeframe: Timeframe;
  readonly candle: Candle;
}

interface Rejection {
  readonly series: Series;
  readonly row: RejectedRow;
}

/** Candles of many series close together: one transaction takes them all. */
const BATCH_MS = 50;
const BATCH_ROWS = 200;
/** While the database is away no more than this waits for it; REST fetches what is let go. */
const MAX_WAITING = 5_000;
/** A candle that the exchange calls closed may be ahead of its clock, as we know it, by this. */
const CLOCK_TOLERANCE_MS = 5_000;

/** Stores what the live stream of one exchange brings, in small batches over all series. */
export class LiveIngest implements CandleStreamListener {
  readonly #deps: LiveIngestDeps;
  readonly #wakeup: Wakeup;
  #arrivals: Arrival[] = [];
  #rejected: Rejection[] = [];
  #dropped = 0;

  constructor(deps: LiveIngestDeps) {
    this.#deps = deps;
    this.#wakeup = new Wakeup({ clock: deps.clock });
  }

  onCandle({ symbol, timeframe, candle }: StreamedCandle): void {
    const { findCollector, now } = this.#deps;
    const collector = findCollector(symbol, timeframe);
    if (!collector) return;
    // Our idea of its clock is wrong, or its word is: REST tells.
    if (candle.timestamp + timeframeMs(timeframe) > now() + CLOCK_TOLERANCE_MS) return;
    if (candle.timestamp < collector.ledger.since) return;
    if (this.#arrivals.length >= MAX_WAITING) {
      this.#dropped++;
      return;
    }
    this.#arrivals.push({ collector, symbol, timeframe, candle });
    this.#wakeup.wake();
  }

  onRejected(symbol: string, timeframe: Timeframe, row: RejectedRow): void {
    const series = { exchange: this.#deps.exchangeId, symbol, timeframe };
    if (this.#rejected.length < MAX_WAITING) this.#rejected.push({ series, row });
    this.#wakeup.wake();
  }

  onGap(series: readonly { readonly symbol: string; readonly timeframe: Timeframe }[]): void {
    for (const { symbol, timeframe } of series) this.#deps.findCollector(symbol, timeframe)?.reconsider();
    this.#deps.onGap();
  }

  onLive(): void {
    this.#deps.onLive();
  }

  /**
   * Keeps the stream, and stores what it brings, until the signal aborts.
   *
   * @throws what no exchange and no database can cause: a programming error.
   */
  async run(signal: AbortSignal): Promise<void> {
    const failing = new AbortController();
    const inner = AbortSignal.any([signal, failing.signal]);
    const loops = [this.#deps.stream.run(this, inner), this.#store(inner)];
    try {
      await Promise.all(loops);
    } catch (error) {
      if (!isAborted(inner)) throw error;
    } finally {
      failing.abort();
      await Promise.allSettled(loops);
    }
  }

  async #store(signal: AbortSignal): Promise<void> {
    while (!isAborted(signal)) {
      if (this.#arrivals.length + this.#rejected.length === 0) await this.#wakeup.wait(Infinity, signal);
      if (this.#arrivals.length < BATCH_ROWS) await this.#deps.clock.sleep(BATCH_MS, signal);
      try {
        await this.#flush(signal);
      } catch (error) {
        if (!(error instanceof RowsRefusedError)) throw error;
        this.#deps.logger.error({ err: error }, 'the database refused candles of the live stream; REST asks for them');
      }
    }
  }

  async #flush(signal: AbortSignal): Promise<void> {
    const { stores, database, onBatch, logger, exchangeId } = this.#deps;
    const arrivals = this.#arrivals.splice(0, MAX_WAITING);
    const rejected = this.#rejected.splice(0, MAX_WAITING);
    if (arrivals.length + rejected.length === 0) return;
    this.#tellDropped();
    const groups = groupByCollector(arrivals, exchangeId);
    const releases = await Promise.all(groups.map(({ collector }) => collector.ledger.lock.acquire()));
    try {
      const outcome = await database.run(() => stores.commit(toEntries(groups, rejected)), signal);
      logChanges(logger, outcome.changes);
      for (const { collector, candles } of groups) {
        for (const { timestamp } of candles) collector.ledger.noteStreamed(timestamp);
        collector.reconsider();
      }
      onBatch({
        read: arrivals.length,
        stored: outcome.inserted,
        revised: outcome.updated,
        quarantined: rejected.length,
        candles: groups,
      });
    } finally {
      for (const release of releases) release();
    }
  }

  #tellDropped(): void {
    if (this.#dropped === 0) return;
    const { logger, exchangeId } = this.#deps;
    logger.warn(
      { exchange: exchangeId, dropped: this.#dropped },
      'candles of the live stream were let go; REST fetches them',
    );
    this.#dropped = 0;
  }
}

interface Group extends SeriesCandles {
  readonly collector: Collector;
}

/** One group for each series, its candles oldest first; of two with one opening time the later one counts. */
function groupByCollector(arrivals: readonly Arrival[], exchange: string): Group[] {
  const groups = new Map<Collector, { readonly arrival: Arrival; readonly candles: Map<number, Candle> }>();
  for (const arrival of arrivals) {
    const group = groups.get(arrival.collector) ?? { arrival, candles: new Map<number, Candle>() };
    group.candles.set(arrival.candle.timestamp, arrival.candle);
    groups.set(arrival.collector, group);
  }
  return [...groups.values()].map(({ arrival: { collector, symbol, timeframe }, candles: byTime }) => ({
    collector,
    series: { exchange, symbol, timeframe },
    candles: [...byTime.values()].sort((a, b) => a.timestamp - b.timestamp),
  }));
}

/** What is to be committed: the candles of each series, the slots before them that nobody asked for, and refused rows. */
function toEntries(groups: readonly Group[], rejected: readonly Rejection[]): CommitEntry[] {
  const entries = new Map<string, CommitEntry>();
  for (const { collector, series, candles } of groups) {
    const entry = candleEntry(series, candles);
    const unrecorded = collector.ledger.listUnrecorded(candles[0]?.timestamp ?? 0);
    entries.set(seriesKey(series), { ...entry, changes: [...unrecorded, ...entry.changes] });
  }
  for (const { series, row } of rejected) {
    const key = candleKey(series);
    const entry = entries.get(seriesKey(series)) ?? { key, rows: [], changes: [], quarantine: [] };
    const quarantine = [...entry.quarantine, ...toQuarantine(key, [row], 'stream')];
    entries.set(seriesKey(series), { ...entry, quarantine });
  }
  return [...entries.values()];
}
