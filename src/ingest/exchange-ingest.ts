import type { Exchange } from '../exchanges/exchange.ts';
import type { Logger } from '../logger.ts';
import type { FuturesFeed } from '../market/futures-snapshot.ts';
import { isWildcard, type Instrument, type MarketPattern } from '../market/instrument.ts';
import type { Timeframe } from '../market/timeframe.ts';
import { CandleSource } from './candle-source.ts';
import type { Clock } from '../clock.ts';
import { Collector } from './collector.ts';
import type { DatabaseGate } from './database-gate.ts';
import { ExchangeGate } from './exchange-gate.ts';
import { ExchangeWorker, type Chore } from './exchange-worker.ts';
import { FuturesSource } from './futures-source.ts';
import type { SeriesState } from './ingest-state.ts';
import type { IngestStores } from './ports.ts';
import { resolveMarkets } from './resolve-markets.ts';
import type { Source } from './source.ts';

export interface ExchangeIngestDeps {
  readonly exchange: Exchange;
  readonly patterns: readonly MarketPattern[];
  readonly timeframes: readonly Timeframe[];
  readonly collectsFutures: boolean;
  /** The oldest moment to keep, by the exchange's clock. */
  readonly windowSince: (exchangeNowMs: number) => number;
  readonly stores: IngestStores;
  readonly database: DatabaseGate;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  readonly onAnswer: (answer: { readonly rows: number; readonly written: number }) => void;
}

const CLOCK_EVERY_MS = 5 * 60_000;
const MARKETS_EVERY_MS = 3_600_000;

/** Everything that is collected from one exchange: its clock, its markets, and a collector for each series and feed. */
export class ExchangeIngest {
  readonly gate: ExchangeGate;
  readonly worker: ExchangeWorker;
  readonly #deps: ExchangeIngestDeps;
  readonly #series = new Map<string, Collector>();
  readonly #feeds = new Map<string, Collector>();
  #uncollected: readonly SeriesState[];
  #unmatched: readonly string[] = [];

  constructor(deps: ExchangeIngestDeps) {
    const { exchange, logger, clock, database } = deps;
    this.#deps = deps;
    // Until the exchange has said what it lists, the series that were named count as being on their way.
    this.#uncollected = deps.patterns
      .filter((pattern) => pattern.exchange === exchange.id && !isWildcard(pattern))
      .flatMap(({ symbol }) =>
        deps.timeframes.map((timeframe) => describeAbsent(exchange.id, symbol, timeframe, null)),
      );
    this.gate = new ExchangeGate({ exchange: exchange.id, logger, clock });
    this.worker = new ExchangeWorker({
      exchange,
      gate: this.gate,
      database,
      clock,
      logger,
      chores: this.#createChores(),
      collectors: () => [...this.#series.values(), ...this.#feeds.values()],
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

  /** Why nothing is collected for a wildcard of MARKETS, or null. */
  get lastError(): string | null {
    return this.#unmatched[0] ?? null;
  }

  #createChores(): Chore[] {
    const { exchange } = this.#deps;
    return [
      {
        name: 'clock',
        everyMs: CLOCK_EVERY_MS,
        run: async (signal) => {
          await exchange.fetchTime(signal);
        },
      },
      {
        name: 'markets',
        everyMs: MARKETS_EVERY_MS,
        run: async (signal) => this.#take(await exchange.fetchInstruments(signal)),
      },
    ];
  }

  /** Brings the collectors in line with what the exchange lists now: new markets join, others end. */
  #take(instruments: readonly Instrument[]): void {
    const { exchange, patterns, timeframes, collectsFutures, logger } = this.#deps;
    const { instruments: wanted, unknown, unmatched } = resolveMarkets(exchange.id, patterns, instruments);
    const refusals = unknown.flatMap(({ symbol, reason }) =>
      timeframes.map((timeframe) => describeAbsent(exchange.id, symbol, timeframe, reason)),
    );
    const [series, feeds] = [new Set<string>(), new Set<string>()];
    for (const { symbol, hasPerpetual } of wanted) {
      for (const timeframe of timeframes) {
        if (exchange.hasTimeframe(timeframe)) this.#ensureSeries(symbol, timeframe, series);
        else
          refusals.push(describeAbsent(exchange.id, symbol, timeframe, `${exchange.id} has no timeframe ${timeframe}`));
      }
      if (collectsFutures && hasPerpetual)
        for (const feed of exchange.futuresFeeds.keys()) this.#ensureFeed(symbol, feed, feeds);
    }
    for (const [collectors, kept] of [
      [this.#series, series],
      [this.#feeds, feeds],
    ] as const) {
      for (const [key, collector] of collectors) {
        if (kept.has(key)) continue;
        collectors.delete(key);
        logger.debug(collector.source.fields, 'a market is no longer listed; its collection ends');
      }
    }
    const known = new Set(this.#uncollected.map(({ last_error }) => last_error));
    for (const reason of new Set(refusals.map(({ last_error }) => last_error)))
      if (!known.has(reason))
        logger.warn({ exchange: exchange.id, reason }, 'a market or timeframe cannot be collected');
    this.#uncollected = refusals;
    for (const reason of unmatched)
      if (!this.#unmatched.includes(reason))
        logger.warn({ exchange: exchange.id, reason }, 'a wildcard takes no market');
    this.#unmatched = unmatched;
  }

  #ensureSeries(symbol: string, timeframe: Timeframe, kept: Set<string>): void {
    const { exchange, stores, logger, random } = this.#deps;
    const key = `${symbol} ${timeframe}`;
    kept.add(key);
    if (this.#series.has(key)) return;
    const series = { exchange: exchange.id, symbol, timeframe };
    const source = new CandleSource({ series, exchange, store: stores.ohlcv, logger, jitter: random() });
    this.#series.set(key, this.#createCollector(source));
  }

  #ensureFeed(symbol: string, feed: FuturesFeed, kept: Set<string>): void {
    const { exchange, stores, random } = this.#deps;
    const key = `${symbol} ${feed}`;
    kept.add(key);
    if (this.#feeds.has(key)) return;
    const source = new FuturesSource({ symbol, feed, exchange, store: stores.futures, jitter: random() });
    this.#feeds.set(key, this.#createCollector(source));
  }

  #createCollector(source: Source): Collector {
    const { exchange, database, logger, clock, windowSince, onAnswer } = this.#deps;
    const now = (): number => exchange.now() ?? clock.now();
    return new Collector({ source, database, logger, now, windowSince: windowSince(now()), onAnswer });
  }
}

function describeAbsent(exchange: string, symbol: string, timeframe: Timeframe, refusal: string | null): SeriesState {
  return {
    exchange,
    symbol,
    timeframe,
    state: refusal === null ? 'backfilling' : 'refused',
    missing: null,
    rejected: 0,
    last_error: refusal,
    last_candle_at: null,
  };
}
