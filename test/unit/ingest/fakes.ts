import type {
  AccessState,
  CandlePage,
  CandleRequest,
  CandleStream,
  CandleStreamListener,
  Exchange,
  FuturesPage,
  FuturesRequest,
  RejectedRow,
  RequestBlock,
  StreamState,
} from '../../../src/exchanges/exchange.ts';
import { pino, type Logger } from 'pino';
import type { Clock } from '../../../src/clock.ts';
import { ExchangeAccess } from '../../../src/exchanges/kit/exchange-access.ts';
import { findCandleFault, type Candle } from '../../../src/market/candle.ts';
import { parseDecimal } from '../../../src/market/decimal.ts';
import type { FuturesSnapshot } from '../../../src/market/futures-snapshot.ts';
import type { Instrument } from '../../../src/market/instrument.ts';
import type { TimeRange } from '../../../src/market/time-range.ts';
import { ceilToTimeframe, timeframeMs, type Timeframe } from '../../../src/market/timeframe.ts';

/**
 * Time that passes only when everybody waits: whenever the event loop has nothing left to do, the clock jumps to the
 * next moment that somebody sleeps for.
 */
export class VirtualClock implements Clock {
  #now: number;
  #sleepers: { at: number; wake: () => void }[] = [];

  constructor(startMs: number) {
    this.#now = startMs;
  }

  now(): number {
    return this.#now;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        reject(signal.reason as Error);
      };
      const sleeper = {
        at: this.#now + Math.max(1, ms),
        wake: () => {
          signal.removeEventListener('abort', abort);
          resolve();
        },
      };
      if (signal.aborted) {
        reject(signal.reason as Error);
        return;
      }
      signal.addEventListener('abort', abort, { once: true });
      this.#sleepers.push(sleeper);
    });
  }

  /** Lets time pass until `isDone`, at most `limitMs` of it. Answers whether `isDone` came true. */
  async runUntil(isDone: () => boolean, limitMs: number): Promise<boolean> {
    const end = this.#now + limitMs;
    for (;;) {
      for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
      if (isDone()) return true;
      const next = this.#sleepers.toSorted((a, b) => a.at - b.at)[0];
      if (!next || next.at > end) {
        this.#now = Math.max(this.#now, Math.min(end, next?.at ?? end));
        return isDone();
      }
      this.#now = Math.max(this.#now, next.at);
      this.#sleepers = this.#sleepers.filter((sleeper) => sleeper !== next);
      next.wake();
    }
  }

  async run(ms: number): Promise<void> {
    await this.runUntil(() => false, ms);
  }
}

/** A candle whose values are a function of its opening time, within one of truth. */
export function createCandle(timestamp: number, close = '1.50000000'): Candle {
  return {
    timestamp,
    open: parseDecimal('1.00000000'),
    high: parseDecimal('9.00000000'),
    low: parseDecimal('0.00002452'),
    close: parseDecimal(close),
    volume: parseDecimal(`${(timestamp / 60_000) % 1000}.00000000`),
  };
}

/** A live stream that brings what a test sends. */
export class MemoryStream implements CandleStream {
  isUp = true;
  subscribed: readonly { readonly symbol: string; readonly timeframe: string }[] = [];
  #listener: CandleStreamListener | null = null;

  subscribe(series: MemoryStream['subscribed']): void {
    this.subscribed = series;
  }

  isLive(symbol: string, timeframe: string): boolean {
    return this.isUp && this.subscribed.some((each) => each.symbol === symbol && each.timeframe === timeframe);
  }

  state(): StreamState {
    const subscribed = this.subscribed.length;
    const state = this.isUp ? 'live' : 'down';
    return { state, subscribed, connections: 1, reconnects: 0, received: 0, last_message_at: null, last_error: null };
  }

  async run(listener: CandleStreamListener, signal: AbortSignal): Promise<void> {
    this.#listener = listener;
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  }

  send(symbol: string, timeframe: Timeframe, candle: Candle): void {
    this.#listener?.onCandle({ symbol, timeframe, candle });
  }

  reject(symbol: string, timeframe: Timeframe, row: RejectedRow): void {
    this.#listener?.onRejected(symbol, timeframe, row);
  }

  revive(): void {
    this.isUp = true;
    this.#listener?.onLive();
  }

  drop(symbol: string, timeframe: Timeframe): void {
    this.isUp = false;
    this.#listener?.onGap([{ symbol, timeframe }]);
  }
}

type Failure = (request: CandleRequest | FuturesRequest) => Error | null;

/** An exchange in memory whose truth is known, with scripted failures. It answers as the port says. */
export class MemoryExchange implements Exchange {
  readonly id: string;
  readonly candleLimit: number;
  readonly speaksFor = 'range';
  readonly futuresFeeds: Exchange['futuresFeeds'];
  readonly requests: CandleRequest[] = [];
  readonly futuresRequests: FuturesRequest[] = [];
  readonly instruments: Instrument[] = [];
  /** Opening times that are answered with a row that cannot be a candle. */
  readonly brokenSlots = new Set<number>();
  /** Asked before each answer. */
  failure: Failure = () => null;
  /** Asked before the exchange tells its time or markets. */
  generalFailure: () => Error | null = () => null;
  /** Candles appear this long after they opened their first trade. */
  publishingDelayMs = 0;
  /** How long an answer with candles is on its way once it was made. */
  travelMs: (request: CandleRequest) => number = () => 0;
  candleStream: MemoryStream | null = null;
  maxInFlight = 0;
  isClosed = false;
  readonly #clock: Clock;
  readonly #skewMs: number;
  readonly #access: ExchangeAccess;
  readonly #timeframes: readonly string[];
  readonly #truth = new Map<string, (slot: number) => Candle | null>();
  #inFlight = 0;
  #isTimeKnown = false;

  constructor(deps: {
    clock: Clock;
    logger?: Logger;
    id?: string;
    candleLimit?: number;
    skewMs?: number;
    timeframes?: readonly string[];
    feeds?: Exchange['futuresFeeds'];
  }) {
    this.#clock = deps.clock;
    this.id = deps.id ?? 'binance';
    this.candleLimit = deps.candleLimit ?? 100;
    this.#skewMs = deps.skewMs ?? 0;
    this.#timeframes = deps.timeframes ?? ['1m', '1h', '1w'];
    this.futuresFeeds = deps.feeds ?? new Map();
    const logger = deps.logger ?? pino({ level: 'silent' });
    this.#access = new ExchangeAccess({ exchange: this.id, clock: this.#clock, logger });
  }

  budgets(): [] {
    return [];
  }

  costOf(): [] {
    return [];
  }

  access(): AccessState {
    return this.#access.state();
  }

  noteSign(): boolean {
    return this.#access.noteSign();
  }

  adopted: RequestBlock | null = null;
  adoptBlock(block: RequestBlock): void {
    this.adopted = block;
    this.#access.adoptBlock(block);
  }

  /** When a request of a kind may leave. */
  readyAt: Exchange['readyAt'] = () => 0;

  /** Lists a market; `truth` tells the candle of each opening time, in any timeframe but 1w, which is made of it. */
  list(
    symbol: string,
    truth: (slot: number) => Candle | null,
    options: { active?: boolean; hasPerpetual?: boolean } = {},
  ) {
    const [base = '', quote = ''] = symbol.split('/');
    const { active = true, hasPerpetual = false } = options;
    this.instruments.push({ exchange: this.id, symbol, base, quote, active, hasPerpetual });
    this.#truth.set(symbol, truth);
  }

  hasTimeframe(timeframe: string): boolean {
    return this.#timeframes.includes(timeframe);
  }

  now(): number | null {
    return this.#isTimeKnown ? this.time() : null;
  }

  time(): number {
    return this.#clock.now() + this.#skewMs;
  }

  async fetchTime(): Promise<number> {
    await this.#answer();
    this.#isTimeKnown = true;
    return this.time();
  }

  async fetchInstruments(): Promise<Instrument[]> {
    await this.#answer();
    return [...this.instruments];
  }

  async #answer(): Promise<void> {
    const sentAt = this.#clock.now();
    await Promise.resolve();
    this.#conclude(this.generalFailure(), sentAt);
  }

  /** Notes the outcome of a request, as the client does. */
  #conclude(error: Error | null, sentAt: number): void {
    if (!error) {
      this.#access.noteAnswer(sentAt);
      return;
    }
    this.#access.noteFailure(error, sentAt);
    throw error;
  }

  async fetchCandles(request: CandleRequest, signal: AbortSignal): Promise<CandlePage> {
    this.requests.push(request);
    this.maxInFlight = Math.max(this.maxInFlight, ++this.#inFlight);
    const sentAt = this.#clock.now();
    try {
      await new Promise((resolve) => setImmediate(resolve));
      signal.throwIfAborted();
      this.#conclude(this.failure(request), sentAt);
      const page = this.#page(request);
      const travelMs = this.travelMs(request);
      if (travelMs > 0) await this.#clock.sleep(travelMs, signal);
      return page;
    } finally {
      this.#inFlight--;
    }
  }

  #page({ symbol, timeframe, range }: CandleRequest): CandlePage {
    const stepMs = timeframeMs(timeframe);
    const since = ceilToTimeframe(range.since, timeframe);
    const until = Math.min(range.until, since + this.candleLimit * stepMs);
    const candles: Candle[] = [];
    const rejected: { raw: unknown; reason: string; timestamp: number }[] = [];
    for (let slot = since; slot < until && slot <= this.time(); slot += stepMs) {
      const candle = this.#find(symbol, timeframe, slot);
      if (!candle || slot + this.publishingDelayMs > this.time()) continue;
      const shown = this.brokenSlots.has(slot) ? { ...candle, high: parseDecimal('0') } : candle;
      const reason = findCandleFault(shown, timeframe, this.time());
      if (reason === null) candles.push(shown);
      else rejected.push({ raw: shown, reason, timestamp: slot });
    }
    return { candles, rejected, answered: { since: range.since, until }, tellsGaps: true };
  }

  #find(symbol: string, timeframe: string, slot: number): Candle | null {
    const truth = this.#truth.get(symbol);
    if (!truth) throw new Error(`no truth for ${symbol}`);
    if (timeframe !== '1w') return truth(slot);
    for (let at = slot; at < slot + 7 * 86_400_000 && at <= this.time(); at += 3_600_000)
      if (truth(at)) return createCandle(slot);
    return null;
  }

  async fetchFutures(request: FuturesRequest, signal: AbortSignal): Promise<FuturesPage> {
    this.futuresRequests.push(request);
    const sentAt = this.#clock.now();
    await new Promise((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
    this.#conclude(this.failure(request), sentAt);
    const { feed, range } = request;
    const stepMs = (feed === 'funding_rate' ? 8 : 1) * 3_600_000;
    const limit = this.futuresFeeds.get(feed)?.limit ?? 0;
    const since = Math.ceil(range.since / 3_600_000) * 3_600_000;
    const until = Math.min(range.until, since + limit * 3_600_000);
    const snapshots: FuturesSnapshot[] = [];
    for (let slot = Math.ceil(since / stepMs) * stepMs; slot < until && slot <= this.time(); slot += stepMs)
      snapshots.push({ timestamp: slot, [feed]: parseDecimal(`${slot / 3_600_000}`) });
    // An answer speaks for the running hour at most, as the port says.
    const known = Math.floor(this.time() / 3_600_000) * 3_600_000 + 3_600_000;
    return { snapshots, rejected: [], answered: { since: range.since, until: Math.min(until, known) } };
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}

/** The opening times of `stepMs` in a range for which truth has a candle. */
export function listTrue(range: TimeRange, stepMs: number, truth: (slot: number) => Candle | null): Candle[] {
  const candles: Candle[] = [];
  for (let slot = Math.ceil(range.since / stepMs) * stepMs; slot < range.until; slot += stepMs) {
    const candle = truth(slot);
    if (candle) candles.push(candle);
  }
  return candles;
}
