import type { Clock } from '../../clock.ts';
import type { Exchange } from '../../exchanges/exchange.ts';
import type { Logger } from '../../logger.ts';
import type { CoverageKey } from '../../market/coverage.ts';
import type { FuturesFeed } from '../../market/futures-snapshot.ts';
import type { Instrument, MarketPattern } from '../../market/instrument.ts';
import { MINUTE_MS } from '../../market/moments.ts';
import type { ExchangeState, SeriesState } from '../../market/service-state.ts';
import type { TimeRange } from '../../market/time-range.ts';
import type { Timeframe } from '../../market/timeframe.ts';
import { CandleSource } from '../collector/candle-source.ts';
import type { Task } from './periodic-tasks.ts';
import { Collector } from '../collector/collector.ts';
import type { DatabaseGate } from '../collector/database-gate.ts';
import { ExchangeWorker } from './exchange-worker.ts';
import { FuturesSource } from '../collector/futures-source.ts';
import { LiveIngest } from './live-ingest.ts';
import { describeAbsent, MarketWatch } from './market-watch.ts';
import type { IngestStores } from '../collector/ports.ts';
import { SharedBlocks, type BlockStore } from './shared-blocks.ts';
import type { AnswerTally } from '../collector/answer-tally.ts';
import type { Source } from '../collector/source.ts';
import { UnansweredTails } from './unanswered-tails.ts';
import { WantedWindows, type WindowStore } from './wanted-windows.ts';
import type { MarketShares } from '../../replicas/market-shares.ts';

export interface ExchangeIngestDeps {
  readonly exchange: Exchange;
  readonly patterns: readonly MarketPattern[];
  readonly timeframes: readonly Timeframe[];
  readonly collectsFutures: boolean;
  readonly confirmEmptyAfterMs: number;
  /** The oldest moment to keep, by the exchange's clock. */
  readonly windowSince: (exchangeNowMs: number) => number;
  readonly stores: IngestStores;
  readonly shares: MarketShares;
  readonly database: DatabaseGate;
  readonly blocks: BlockStore;
  readonly windows: WindowStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  readonly onAnswer: (tally: AnswerTally) => void;
  readonly onStreamed: (tally: AnswerTally) => void;
  readonly onStep: (isAnswered: boolean) => void;
}

const CLOCK_EVERY_MS = 5 * MINUTE_MS;

/** Everything that is collected from one exchange: its clock, its markets, and a collector for each series and feed. */
export class ExchangeIngest {
  readonly worker: ExchangeWorker;
  readonly #deps: ExchangeIngestDeps;
  readonly #live: LiveIngest | null;
  readonly #blocks: SharedBlocks;
  readonly #unanswered: UnansweredTails;
  readonly #windows: WantedWindows;
  readonly #series = new Map<string, Collector>();
  readonly #feeds = new Map<string, Collector>();
  #collectors: readonly Collector[] = [];
  readonly #markets: MarketWatch;
  #uncollected: readonly SeriesState[];

  constructor(deps: ExchangeIngestDeps) {
    const { exchange, logger, clock, database, onStep } = deps;
    this.#deps = deps;
    this.#markets = new MarketWatch(deps);
    this.#uncollected = this.#markets.expected;
    this.worker = new ExchangeWorker({
      exchange,
      database,
      clock,
      logger,
      tasks: this.#createTasks(),
      collectors: () => this.#collectors,
      isInformed: () => this.#blocks.isFresh(),
      onStep: (isAnswered) => {
        onStep(isAnswered);
        if (!isAnswered) this.#blocks.noteFailure();
      },
    });
    this.#blocks = new SharedBlocks({
      ...deps,
      store: deps.blocks,
      isAsking: () => this.worker.isAsking,
      onLooked: () => this.worker.wake(),
    });
    this.#windows = new WantedWindows({ ...deps, store: deps.windows });
    this.#live = this.#createLive();
    this.#unanswered = new UnansweredTails({
      clock,
      logger,
      isAway: () => {
        const { state, block } = exchange.access();
        return state !== 'up' || block !== null;
      },
      collectors: () => this.#collectors,
    });
  }

  /** The collectors of candles. */
  get series(): Iterable<Collector> {
    return this.#series.values();
  }

  /** The collectors of futures data. */
  get feeds(): Iterable<Collector> {
    return this.#feeds.values();
  }

  /** The series of MARKETS and TIMEFRAMES that have no collector: not known yet, or refused with the reason. */
  get uncollected(): readonly SeriesState[] {
    return this.#uncollected;
  }

  /** Why the exchange may not be asked, or its clock or markets cannot be read, or null. */
  get exchangeError(): string | null {
    return this.#deps.exchange.access().lastError ?? this.worker.lastError;
  }

  /** Why nothing is collected for a wildcard of MARKETS, or null. */
  get lastError(): string | null {
    return this.#markets.unmatched[0] ?? null;
  }

  /** Has the collector of a key, if it is ours, ask for what the ledger calls missing now. */
  async noteMissing({ symbol, timeframe, metric }: CoverageKey, ranges: readonly TimeRange[]): Promise<void> {
    const collector =
      metric === 'ohlcv' ? this.#series.get(`${symbol} ${timeframe}`) : this.#feeds.get(`${symbol} ${metric}`);
    if (!collector) return;
    await collector.noteMissing(ranges);
    this.worker.wake();
  }

  describe(): ExchangeState {
    const { exchange } = this.#deps;
    const { state, block } = exchange.access();
    return {
      exchange: exchange.id,
      state,
      block: block && { ...block, until: new Date(block.until).toISOString() },
      budgets: exchange
        .budgets()
        .map(({ name, limit, windowMs, used }) => ({ name, limit, window_seconds: windowMs / 1000, used })),
      stream: exchange.candleStream?.state() ?? null,
      candle_limit: exchange.candleLimit,
      series: this.#series.size,
      last_error: this.exchangeError ?? this.lastError,
    };
  }

  /**
   * Collects until the signal aborts.
   *
   * @throws what no exchange and no database can cause: a programming error.
   */
  async run(signal: AbortSignal): Promise<void> {
    const failing = new AbortController();
    const inner = AbortSignal.any([signal, failing.signal]);
    const unsubscribe = this.#deps.shares.onChange(() => this.#align());
    const loops: Promise<void>[] = [];
    try {
      // What is named is wanted before the exchange has said whether it lists it.
      this.#windows.expect(this.#markets.expected, this.#deps.windowSince(this.#now()));
      loops.push(this.#windows.run(inner));
      // A ban outlives the process that was told of it: no request before we know.
      await this.#blocks.exchangeNews(inner);
      loops.push(this.#blocks.run(inner), this.worker.run(inner), this.#unanswered.run(inner));
      if (this.#live) loops.push(this.#live.run(inner));
      await Promise.all(loops);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      unsubscribe();
      failing.abort();
      await Promise.allSettled(loops);
    }
  }

  #createLive(): LiveIngest | null {
    const { exchange, stores, database, clock, logger, onStreamed } = this.#deps;
    if (!exchange.candleStream) return null;
    return new LiveIngest({
      exchangeId: exchange.id,
      stream: exchange.candleStream,
      stores,
      database,
      clock,
      now: () => this.#now(),
      logger,
      findCollector: (symbol, timeframe) => this.#series.get(`${symbol} ${timeframe}`) ?? null,
      onBatch: (tally) => {
        onStreamed(tally);
        this.worker.wake();
      },
      onGap: () => this.worker.wake(),
      onLive: () => {
        if (!exchange.noteSign()) return;
        for (const collector of this.#collectors) collector.retryNow();
        this.worker.wake();
      },
    });
  }

  #createTasks(): Task[] {
    const { exchange } = this.#deps;
    return [
      {
        name: 'clock',
        everyMs: () => CLOCK_EVERY_MS,
        run: async (signal) => {
          await exchange.fetchTime(signal);
        },
      },
      {
        name: 'markets',
        everyMs: () => this.#markets.nextLookMs(),
        run: async (signal) => this.#take(await exchange.fetchInstruments(signal)),
      },
    ];
  }

  /** Takes over what the exchange lists now: new markets join, others end. */
  #take(instruments: readonly Instrument[]): void {
    const { exchange, shares } = this.#deps;
    this.#markets.take(instruments);
    shares.want(
      exchange.id,
      this.#markets.listed.map(({ symbol }) => symbol),
    );
    this.#align();
  }

  /** Brings the collectors in line with what is listed and ours. */
  #align(): void {
    const { exchange, collectsFutures, shares } = this.#deps;
    const held = shares.held(exchange.id);
    const { offered } = this.#markets;
    const [series, feeds] = [new Set<string>(), new Set<string>()];
    const streamed: { symbol: string; timeframe: Timeframe }[] = [];
    for (const { symbol, hasPerpetual } of this.#markets.listed) {
      if (!held?.has(symbol)) continue;
      for (const timeframe of offered) {
        this.#ensureSeries(symbol, timeframe, series);
        streamed.push({ symbol, timeframe });
      }
      if (collectsFutures && hasPerpetual)
        for (const feed of exchange.futuresFeeds.keys()) this.#ensureFeed(symbol, feed, feeds);
    }
    this.#end(this.#series, series);
    this.#end(this.#feeds, feeds);
    this.#collectors = [...this.#series.values(), ...this.#feeds.values()];
    this.#windows.want(this.#collectors);
    const waiting = held
      ? []
      : this.#markets.listed.flatMap(({ symbol }) =>
          offered.map((timeframe) => describeAbsent(exchange.id, symbol, timeframe, null)),
        );
    this.#uncollected = [...this.#markets.refusals, ...waiting];
    exchange.candleStream?.subscribe(streamed);
    this.worker.wake();
  }

  #end(collectors: Map<string, Collector>, kept: ReadonlySet<string>): void {
    for (const [key, collector] of collectors) {
      if (kept.has(key)) continue;
      collectors.delete(key);
      collector.ledger.end();
      this.#deps.logger.debug(
        collector.source.fields,
        'a market is not listed or not ours any more; its collection ends',
      );
    }
  }

  #ensureSeries(symbol: string, timeframe: Timeframe, kept: Set<string>): void {
    const { exchange, logger, random } = this.#deps;
    const key = `${symbol} ${timeframe}`;
    kept.add(key);
    if (this.#series.has(key)) return;
    const series = { exchange: exchange.id, symbol, timeframe };
    this.#series.set(key, this.#createCollector(new CandleSource({ series, exchange, logger, jitter: random() })));
  }

  #ensureFeed(symbol: string, feed: FuturesFeed, kept: Set<string>): void {
    const { exchange, random } = this.#deps;
    const key = `${symbol} ${feed}`;
    kept.add(key);
    if (this.#feeds.has(key)) return;
    this.#feeds.set(key, this.#createCollector(new FuturesSource({ symbol, feed, exchange, jitter: random() })));
  }

  #createCollector(source: Source): Collector {
    const { database, stores, logger, windowSince, confirmEmptyAfterMs, onAnswer } = this.#deps;
    const now = () => this.#now();
    const since = windowSince(now());
    const deps = { source, stores, database, logger, now, windowSince: since, confirmEmptyAfterMs, onAnswer };
    const collector = new Collector(deps);
    this.#windows.begin(collector, since);
    return collector;
  }

  #now(): number {
    return this.#deps.exchange.now() ?? this.#deps.clock.now();
  }
}
