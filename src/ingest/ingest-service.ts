import { SYSTEM_CLOCK, type Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Exchange } from '../exchanges/exchange.ts';
import type { Service, ServiceContext } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import type { CoverageKey } from '../market/coverage.ts';
import type { MarketPattern } from '../market/instrument.ts';
import { DAY_MS } from '../market/moments.ts';
import type { ExchangeState, IngestCounters, IngestHealth, IngestLag, SeriesState } from '../market/service-state.ts';
import type { TimeRange } from '../market/time-range.ts';
import type { Timeframe } from '../market/timeframe.ts';
import type { Collector } from './collector/collector.ts';
import { DatabaseGate } from './collector/database-gate.ts';
import { ExchangeIngest } from './exchange/exchange-ingest.ts';
import type { IngestProgress } from './ingest-state.ts';
import type { IngestStores } from './collector/ports.ts';
import { ProgressMeter } from './progress-meter.ts';
import { NO_BLOCKS, type BlockStore } from './exchange/shared-blocks.ts';
import type { AnswerTally } from './collector/answer-tally.ts';
import type { LastWrite } from '../replicas/last-write.ts';
import { NO_WINDOWS, type WindowStore } from './exchange/wanted-windows.ts';
import { AllShares, type MarketShares } from '../replicas/market-shares.ts';
import type { SeriesCandles } from '../market/commit-entry.ts';

export interface CollectConfig {
  readonly markets: readonly MarketPattern[];
  readonly timeframes: readonly Timeframe[];
  readonly backfill: { readonly days: number } | { readonly fromMs: number };
  readonly futures: boolean;
  /** How far apart two empty answers must lie before a hole counts as one without trades. */
  readonly confirmEmptyAfterMs: number;
}

export interface IngestServiceDeps {
  /** Opens an exchange by its ccxt id, without a request. Called once for each; the service closes what it opened. */
  readonly openExchange: (id: string) => Promise<Exchange>;
  readonly stores: IngestStores;
  /** Which markets are ours where several processes share them. Default: all. */
  readonly shares?: MarketShares;
  /** Where it is kept what an exchange told us to wait for. Default: nowhere but in memory. */
  readonly blocks?: BlockStore;
  /** Where it is kept since when what is collected here is wanted. Default: nowhere. */
  readonly windows?: WindowStore;
  readonly collect: CollectConfig;
  /** Told of each write that changed a row. */
  readonly lastWrite?: LastWrite;
  readonly logger: Logger;
  /** Told each second while something is missing, and once when nothing is any more. */
  readonly onProgress?: (progress: IngestProgress) => void;
  /** Told of candles once they are committed; some of them may have been stored before. Must not throw. */
  readonly onStored?: (stored: readonly SeriesCandles[]) => void;
  readonly clock?: Clock;
  readonly random?: () => number;
}

/**
 * Brings every series of MARKETS × TIMEFRAMES, and the futures data of their perpetuals, to completeness and keeps them
 * there. `start` waits for no exchange: one that is away is told in `health` and comes back by itself.
 */
export class IngestService implements Service {
  readonly name = 'ingest';
  readonly #deps: IngestServiceDeps;
  readonly #clock: Clock;
  readonly #database: DatabaseGate;
  readonly #meter: ProgressMeter;
  readonly #ingests = new Map<string, ExchangeIngest>();
  readonly #opened: Exchange[] = [];
  readonly #shares: MarketShares;
  readonly #counters = { requests: 0, failures: 0, read: 0, stored: 0, revised: 0, quarantined: 0, streamed: 0 };
  #stopping = new AbortController();
  #running: Promise<void> | null = null;
  #crash: string | null = null;

  constructor(deps: IngestServiceDeps) {
    this.#deps = deps;
    this.#clock = deps.clock ?? SYSTEM_CLOCK;
    this.#shares = deps.shares ?? new AllShares();
    this.#meter = new ProgressMeter({ logger: deps.logger, clock: this.#clock });
    this.#database = new DatabaseGate({
      logger: deps.logger,
      clock: this.#clock,
      onUp: () => {
        for (const { worker } of this.#ingests.values()) worker.wake();
      },
    });
  }

  /** Begins to collect in the background. A second start without a stop does nothing. */
  start(context: ServiceContext): Promise<void> {
    if (this.#running) return Promise.resolve();
    const stopping = new AbortController();
    this.#stopping = stopping;
    this.#crash = null;
    const signal = AbortSignal.any([context.signal, stopping.signal]);
    this.#running = this.#run(signal).catch((error: unknown) => {
      stopping.abort();
      this.#crash = messageOf(error);
      this.#deps.logger.error({ err: error }, 'ingest ended with an error of its own');
      context.fail(error);
    });
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    this.#running = null;
    await Promise.all(this.#opened.splice(0).map((exchange) => exchange.close()));
    this.#ingests.clear();
  }

  /**
   * Has the collector of this key ask for what the ledger calls missing now, as after an audit. Where another process
   * collects it, that one sees it in the ledger within an hour. Never waits and never throws.
   */
  noteMissing(key: CoverageKey, ranges: readonly TimeRange[]): void {
    void this.#ingests.get(key.exchange)?.noteMissing(key, ranges);
    this.#meter.noteChange();
  }

  /** What was done since this process began, for metrics. */
  counters(): IngestCounters {
    return { ...this.#counters };
  }

  /** By exchange, timeframe and metric; a group of which nothing is known yet is left out. */
  lags(): IngestLag[] {
    const collectors = [...this.#ingests.values()].flatMap(({ series, feeds }) => [...series, ...feeds]);
    const groups = new Map<string, IngestLag>();
    for (const collector of collectors) {
      const lagMs = collector.lagMs();
      if (lagMs === null) continue;
      const { exchange, timeframe, metric } = collector.source.key;
      const group = `${exchange} ${timeframe} ${metric}`;
      const worst = Math.max(groups.get(group)?.lag_seconds ?? 0, Math.round(lagMs / 1000));
      groups.set(group, { exchange, timeframe, metric, lag_seconds: worst });
    }
    return [...groups.values()];
  }

  /** Each exchange that was opened: whether it answers, its allowances, its live stream. */
  exchanges(): ExchangeState[] {
    return [...this.#ingests.values()].map((ingest) => ingest.describe());
  }

  /** Each series that is, or should be, collected; empty before an exchange listed its markets. */
  series(): SeriesState[] {
    return [...this.#ingests.values()].flatMap((ingest) => [
      ...[...ingest.series].map(describeSeries),
      ...ingest.uncollected,
    ]);
  }

  health(): IngestHealth {
    const states = this.series();
    const count = (state: SeriesState['state']): number => states.filter((series) => series.state === state).length;
    const collectors = [...this.#ingests.values()].flatMap(({ series }) => [...series]);
    const feeds = [...this.#ingests.values()].flatMap((ingest) => [...ingest.feeds]);
    const lags = collectors.map((collector) => collector.lagMs()).filter((lag) => lag !== null);
    const lastError = this.#findError(states, feeds);
    const isRunning = this.#running !== null && !this.#stopping.signal.aborted;
    return {
      state: !isRunning
        ? 'stopped'
        : lastError !== null || count('behind') + count('refused') > 0
          ? 'degraded'
          : 'running',
      series: states.length,
      complete: count('complete'),
      behind: count('behind'),
      refused: count('refused'),
      max_lag_seconds: lags.length === 0 ? null : Math.round(Math.max(...lags) / 1000),
      futures: { feeds: feeds.length, complete: feeds.filter((feed) => feed.state() === 'complete').length },
      last_error: lastError,
    };
  }

  /** The error that matters most: ours, the database's, an exchange's, a series', a feed's. */
  #findError(states: readonly SeriesState[], feeds: readonly Collector[]): string | null {
    const exchanges = [...this.#ingests.values()].map((ingest) => ingest.exchangeError);
    const wildcards = [...this.#ingests.values()].map((ingest) => ingest.lastError);
    const errors = [
      this.#crash,
      this.#database.lastError,
      ...exchanges,
      ...wildcards,
      ...states.map((state) => state.last_error),
      ...feeds.map((feed) => feed.lastError),
    ];
    return errors.find((error) => error !== null) ?? null;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const failing = new AbortController();
    const inner = AbortSignal.any([signal, failing.signal]);
    const exchanges = [...new Set(this.#deps.collect.markets.map(({ exchange }) => exchange))];
    const loops = [...exchanges.map((id) => this.#runExchange(id, inner)), this.#runMeter(inner)];
    try {
      await Promise.all(loops);
    } finally {
      failing.abort();
      await Promise.allSettled(loops);
    }
  }

  async #runExchange(id: string, signal: AbortSignal): Promise<void> {
    const { collect, openExchange, stores, logger, random = Math.random } = this.#deps;
    const { blocks = NO_BLOCKS, windows = NO_WINDOWS } = this.#deps;
    const exchange = await openExchange(id);
    this.#opened.push(exchange);
    const { backfill, confirmEmptyAfterMs } = collect;
    const ingest = new ExchangeIngest({
      exchange,
      patterns: collect.markets,
      timeframes: collect.timeframes,
      collectsFutures: collect.futures,
      confirmEmptyAfterMs,
      windowSince: (nowMs) => ('days' in backfill ? nowMs - backfill.days * DAY_MS : backfill.fromMs),
      stores,
      shares: this.#shares,
      database: this.#database,
      blocks,
      windows,
      clock: this.#clock,
      logger,
      random,
      onAnswer: (tally) => {
        this.#meter.note(tally.read, tally.stored + tally.revised);
        this.#note(tally);
      },
      onStreamed: (tally) => {
        this.#counters.streamed += tally.read;
        this.#note(tally);
        this.#meter.noteChange();
      },
      onStep: (isAnswered) => {
        this.#counters[isAnswered ? 'requests' : 'failures']++;
        this.#meter.noteChange();
      },
    });
    this.#ingests.set(id, ingest);
    await ingest.run(signal);
  }

  #note({ read, stored, revised, quarantined, candles }: AnswerTally): void {
    this.#counters.read += read;
    this.#counters.stored += stored;
    this.#counters.revised += revised;
    this.#counters.quarantined += quarantined;
    if (stored + revised === 0) return;
    this.#deps.lastWrite?.note(this.#clock.now());
    this.#deps.onStored?.(candles);
  }

  async #runMeter(signal: AbortSignal): Promise<void> {
    const states = () => this.series().filter(({ state }) => state !== 'refused');
    await this.#meter.run({ states, onNews: (progress) => this.#deps.onProgress?.(progress) }, signal);
  }
}

function describeSeries(collector: Collector): SeriesState {
  const { exchange = '', symbol = '', timeframe = '' } = collector.source.fields;
  const { latestSlot } = collector.ledger;
  return {
    exchange,
    symbol,
    timeframe,
    state: collector.state(),
    missing: collector.countMissing(),
    rejected: collector.rejected,
    last_error: collector.lastError,
    last_candle_at: latestSlot === null ? null : new Date(latestSlot).toISOString(),
  };
}
