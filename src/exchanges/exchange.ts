import type { Candle } from '../market/candle.ts';
import type { FuturesSnapshot } from '../market/futures-snapshot.ts';
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
   * the answer may have been cut: ask again for what is left. Where it would say nothing at all yet (a candle
   * that has only just ended), the call throws ExchangeDataError.
   */
  readonly answered: TimeRange;
}

export interface CandleRequest {
  readonly symbol: string;
  readonly timeframe: Timeframe;
  readonly range: TimeRange;
}

/** The calls that futures data takes; one call may fill two metrics. */
export const FUTURES_FEEDS = [
  'open_interest',
  'top_trader_ratio',
  'taker_buy_sell_ratio',
  'funding_rate',
  'mark_price',
] as const;
export type FuturesFeed = (typeof FUTURES_FEEDS)[number];

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
  /** The futures feeds that it has, with how far back each reaches (null: all of history). Empty: no futures data. */
  readonly futuresFeeds: ReadonlyMap<FuturesFeed, { readonly limit: number; readonly depthMs: number | null }>;
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
