import type { Candle } from '../market/candle.ts';
import type { FuturesFeed, FuturesSnapshot } from '../market/futures-snapshot.ts';
import type { Instrument } from '../market/instrument.ts';
import type { TimeRange } from '../market/time-range.ts';
import type { Timeframe } from '../market/timeframe.ts';

/** A row of an answer that cannot be a candle: kept aside with the reason, never stored, never silently dropped. */
export interface RejectedRow {
  readonly raw: unknown;
  readonly reason: string;
  /** The opening time (or hour) that the row claims, where it has one: something is there, so it is not empty. */
  readonly timestamp?: number;
}

/** One answered request for candles. */
export interface CandlePage {
  /**
   * Oldest first, each opening time once, inside the range asked for, each passing `findCandleFault`. The candle in
   * progress may be the last one: who stores must judge by the exchange's clock.
   */
  readonly candles: readonly Candle[];
  readonly rejected: readonly RejectedRow[];
  /**
   * What this answer speaks of: inside it, an opening time without a candle is one that the exchange says it has
   * none for. Never beyond what the exchange can know by now, and shorter than what was asked, at either end, where
   * the answer may have been cut: ask again for what is left. Null where it speaks of nothing that was asked. Where an
   * exchange whose answers speak for the whole range would say nothing at all yet (a candle that has only just ended),
   * the call throws ExchangeDataError.
   */
  readonly answered: TimeRange | null;
  /**
   * Whether an opening time without a candle means something at all. Not where the rows may as well be the candles of a
   * longer timeframe: then they are stored, and the rest is as if it had not been answered.
   */
  readonly tellsGaps: boolean;
}

export interface CandleRequest {
  readonly symbol: string;
  readonly timeframe: Timeframe;
  readonly range: TimeRange;
}

export interface FuturesRequest {
  readonly feed: FuturesFeed;
  /** The spot symbol, such as `BTC/USDT`; the adapter knows its perpetual. */
  readonly symbol: string;
  readonly range: TimeRange;
}

/** One answered request for futures data: snapshots oldest first, on full hours, each with this feed's metrics only. */
export interface FuturesPage {
  readonly snapshots: readonly FuturesSnapshot[];
  readonly rejected: readonly RejectedRow[];
  readonly answered: TimeRange;
}

/** What an exchange has of one futures feed. */
export interface FuturesOffer {
  /** The most rows of one answer. */
  readonly limit: number;
  /** How far back it reaches; null: all of history. */
  readonly depthMs: number | null;
  /**
   * How long the period lasts that a row sums up, from its time on: it is given when that has ended. 0 for a value of a
   * moment. Where it is not told, as the feed is by its nature.
   */
  readonly periodMs?: number;
}

/** Which of an exchange's allowances a request falls on. */
export type RequestKind = 'candles' | 'listing' | FuturesFeed;

/** One allowance of an exchange for our address, as it stands now. */
export interface BudgetState {
  /** The exchange's own counter, such as `spot`, `futures`, `statistics` or `funding`. */
  readonly name: string;
  /** Weight (or requests) allowed in `windowMs`. */
  readonly limit: number;
  readonly windowMs: number;
  /** Spent in the current window, by the exchange's own count where it tells one. */
  readonly used: number;
}

/** What one request is charged, and on which of the exchange's counters (`BudgetState.name`). */
export interface RequestCost {
  readonly counter: string;
  readonly weight: number;
}

/** Why an exchange wants no request from our address, and until when (epoch ms, our clock). */
export interface RequestBlock {
  readonly reason: 'throttled' | 'banned' | 'refused';
  readonly until: number;
  /** What it said. */
  readonly message: string;
}

/** Whether an exchange as a whole may be asked, and why not. */
export interface AccessState {
  /**
   * `down`: it did not answer when it was asked last, or asked us to wait; `refused`: it refuses us as a whole (a
   * firewall, a blocked region). Then one request goes ahead and tells whether that is over.
   */
  readonly state: 'up' | 'down' | 'refused';
  /** Nothing is to be asked before this moment (epoch ms, our clock); 0, or past: it may be asked. */
  readonly until: number;
  /** What the exchange itself told us, or others at our address: no request leaves while it lasts. Null: nothing. */
  readonly block: RequestBlock | null;
  /** Why the state is not `up`, or null. */
  readonly lastError: string | null;
}

/** A candle that the exchange itself called closed, as its live stream sent it. */
export interface StreamedCandle {
  readonly symbol: string;
  readonly timeframe: Timeframe;
  /** Passes `findCandleFault`. */
  readonly candle: Candle;
}

/** How a live stream is; ready for JSON. */
export interface StreamState {
  /** `live`: all that is not refused is pushed, and something is; `down`: nothing is, for the reason in `last_error`. */
  readonly state: 'connecting' | 'live' | 'down';
  /** Series that the exchange has confirmed to push. */
  readonly subscribed: number;
  readonly connections: number;
  readonly reconnects: number;
  /** Closed candles that it gave to its listener, whatever became of them. */
  readonly received: number;
  /** ISO 8601; null before the first message. */
  readonly last_message_at: string | null;
  /** Which series the exchange refuses too, while the others are live. */
  readonly last_error: string | null;
}

export interface CandleStreamListener {
  /** A closed candle. Called synchronously, in the order of arrival; must not throw. */
  onCandle(candle: StreamedCandle): void;
  /** A message about a series that is subscribed to and cannot be a candle. */
  onRejected(symbol: string, timeframe: Timeframe, row: RejectedRow): void;
  /** The connection that carried these series ended (or began anew): what closed meanwhile did not come. */
  onGap(series: readonly { readonly symbol: string; readonly timeframe: Timeframe }[]): void;
  /** A connection carries series now that none carried before: the exchange can be reached. */
  onLive(): void;
}

/** The live stream of candles of one exchange. Reconnects by itself; REST fills what it misses. */
export interface CandleStream {
  /** Replaces what is subscribed to; kept across reconnections. Symbols that the exchange does not list are left out. */
  subscribe(series: readonly { readonly symbol: string; readonly timeframe: Timeframe }[]): void;
  /** Whether a connection that is alive carries this series now. */
  isLive(symbol: string, timeframe: Timeframe): boolean;
  state(): StreamState;
  /**
   * Keeps the connections until the signal aborts; resolves when all are closed. Never rejects for the exchange's
   * faults.
   */
  run(listener: CandleStreamListener, signal: AbortSignal): Promise<void>;
}

/**
 * The port to one exchange, in our own terms. Every call may throw ExchangeUnavailableError (ask again),
 * ExchangeRejectedError (do not) or ExchangeDataError (the answer made no sense; ask again, but say so), or the
 * signal's reason.
 */
export interface Exchange {
  /** ccxt's id, such as `binance`. */
  readonly id: string;
  /** The most candles that one answer holds. */
  readonly candleLimit: number;
  /**
   * What an answer with candles speaks for: the whole range that was asked for, as its adapter knows and its conformance
   * suite proves, or only the time between its first and its last row, since it may have been cut at either end.
   */
  readonly speaksFor: 'range' | 'rows';
  /** The futures feeds that it has. Empty: no futures data. */
  readonly futuresFeeds: ReadonlyMap<FuturesFeed, FuturesOffer>;
  /** Its live stream of candles, or null where we speak none. */
  readonly candleStream: CandleStream | null;
  /** Every allowance that is counted, for people to see. */
  budgets(): readonly BudgetState[];
  /** Whether it may be asked at all. It learns that itself, from every request that it sends. */
  access(): AccessState;
  /**
   * Takes over what another process was told, or this one before a restart: nothing is sent before `until`. One that
   * ends sooner than what is known changes nothing.
   */
  adoptBlock(block: RequestBlock): void;
  /**
   * Notes a sign that it may be back, such as a live stream: a wait of our own choice ends, for one try, one that the
   * exchange asked for does not. Answers whether it ended one.
   */
  noteSign(): boolean;
  /** What a request of this kind costs, with as many rows as it is asked for. Empty: nothing of it is counted by us. */
  costOf(kind: RequestKind): readonly RequestCost[];
  /**
   * When (our clock, epoch ms) a request of this kind may leave: not before `access` permits it and its allowances have
   * room; now or earlier: at once. `isUrgent`: the live tail, for which a part of each allowance is kept back.
   */
  readyAt(kind: RequestKind, isUrgent: boolean): number;
  /** Whether it has this timeframe. Known without a request. */
  hasTimeframe(timeframe: Timeframe): boolean;
  /** The exchange's clock in epoch milliseconds, from the last time it was asked (null before the first answer). */
  now(): number | null;
  /** Asks for the exchange's clock. */
  fetchTime(signal: AbortSignal): Promise<number>;
  /** All spot markets, each symbol once. Asks anew at every call: a failure does not stick. */
  fetchInstruments(signal: AbortSignal): Promise<Instrument[]>;
  /**
   * The candles of `range`, at most `candleLimit` of them from its start: a longer range is answered in part
   * (see `CandlePage.answered`).
   */
  fetchCandles(request: CandleRequest, signal: AbortSignal): Promise<CandlePage>;
  fetchFutures(request: FuturesRequest, signal: AbortSignal): Promise<FuturesPage>;
  close(): Promise<void>;
}
