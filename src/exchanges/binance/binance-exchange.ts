import { ExchangeRejectedError } from '../../errors.ts';
import { FUTURES_FEEDS, FUTURES_SLOT_MS, type FuturesFeed } from '../../market/futures-snapshot.ts';
import type { TimeRange } from '../../market/time-range.ts';
import {
  type CandlePage,
  type CandleRequest,
  type CandleStream,
  type Exchange,
  type FuturesPage,
  type FuturesRequest,
} from '../exchange.ts';
import { findAnsweredRange } from '../kit/answered-range.ts';
import { BinanceBudgets } from './binance-budgets.ts';
import { BINANCE_FEEDS } from './binance-futures-feeds.ts';
import { clampCandleRange, parseCandles } from '../kit/candle-page.ts';
import { CcxtExchange, type CcxtExchangeDeps } from '../ccxt/ccxt-exchange.ts';
import type { BinanceInstance } from './binance-instance.ts';
import { parseFuturesPage } from '../kit/futures-page.ts';

/** Opening time, open, high, low, close, volume, closing time, quote volume, trades, taker base, taker quote, unused. */
const KLINE_FIELDS = 12;
const CLOSING_COLUMN = 6;

export interface BinanceExchangeDeps extends CcxtExchangeDeps {
  /** Null: candles come by REST only. */
  readonly candleStream: CandleStream | null;
  /** How many processes of this service may share the address, this one included. */
  readonly sharedBy: () => number;
}

/**
 * Binance: spot candles and the futures data of USDT-margined perpetuals, by raw calls, which keep every digit.
 *
 * @see https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints
 */
export class BinanceExchange extends CcxtExchange implements Exchange {
  readonly candleLimit = 1000;
  /** It answers with each candle of the range that is asked for, as the conformance suite holds against its simulator. */
  readonly speaksFor = 'range';
  readonly futuresFeeds: Exchange['futuresFeeds'] = new Map(
    FUTURES_FEEDS.map((feed) => [feed, { limit: BINANCE_FEEDS[feed].limit, depthMs: BINANCE_FEEDS[feed].depthMs }]),
  );
  readonly #budgets: BinanceBudgets;
  readonly #candleStream: CandleStream | null;

  constructor(deps: BinanceExchangeDeps) {
    const { client, clock, sharedBy } = deps;
    const budgets = new BinanceBudgets({ clock, sharedBy, exchangeNow: () => client.exchangeNow() });
    const askTime = async (signal: AbortSignal, onSent: () => void) => {
      const answer = await client.call(
        async (instance) => (await (instance as BinanceInstance).publicGetTime()) as unknown,
        { subject: 'its time', signal, cost: budgets.costOf('time'), onSent },
      );
      return (answer as { serverTime?: unknown }).serverTime;
    };
    super(deps, askTime, budgets);
    this.#budgets = budgets;
    this.#candleStream = deps.candleStream;
  }

  override get candleStream(): CandleStream | null {
    return this.#candleStream;
  }

  /** Its own id of a spot market, such as `BTCUSDT`; null where it lists none. Throws what loading the markets throws. */
  async findMarketId(symbol: string, signal: AbortSignal): Promise<string | null> {
    try {
      return await this.markets.findSpotId(symbol, signal);
    } catch (error) {
      if (error instanceof ExchangeRejectedError && error.reason === 'symbol') return null;
      throw error;
    }
  }

  async fetchCandles({ symbol, timeframe, range }: CandleRequest, signal: AbortSignal): Promise<CandlePage> {
    this.requireTimeframe(timeframe);
    const asked = clampCandleRange(range, timeframe, this.candleLimit);
    if (asked === null) return { candles: [], rejected: [], answered: range, tellsGaps: true };
    const id = await this.markets.findSpotId(symbol, signal);
    await this.clock.current(signal);
    const subject = `the ${timeframe} candles of ${symbol}`;
    const query = {
      symbol: id,
      interval: timeframe,
      startTime: asked.since,
      endTime: asked.until - 1,
      limit: this.candleLimit,
    };
    const rows = await this.client.call(
      async (instance) => (await (instance as BinanceInstance).publicGetKlines(query)) as unknown,
      { subject, signal, cost: this.#budgets.costOf('candles') },
    );
    const nowMs = await this.clock.current(signal);
    const facts = { exchange: this.id, subject, timeframe, asked, nowMs };
    const { candles, rejected, openings } = parseCandles({
      ...facts,
      keepsToRange: true,
      limit: this.candleLimit,
      fieldCount: KLINE_FIELDS,
      closingColumn: CLOSING_COLUMN,
      rows,
    });
    const answered = findAnsweredRange({ ...facts, openings });
    const spoken = { since: Math.min(range.since, answered.since), until: answered.until };
    return { candles, rejected, answered: spoken, tellsGaps: true };
  }

  async fetchFutures({ feed, symbol, range }: FuturesRequest, signal: AbortSignal): Promise<FuturesPage> {
    const { limit, periodMs, ask, readRow } = BINANCE_FEEDS[feed];
    const id = await this.markets.findPerpetualId(symbol, signal);
    const subject = `the ${feed} of ${symbol}`;
    const asked = this.#clampFuturesRange(feed, range, subject, await this.clock.current(signal));
    if (asked === null) return { snapshots: [], rejected: [], answered: range };
    const query = { symbol: id, startTime: asked.since, endTime: asked.until - 1, limit };
    const rows = await this.client.call(async (instance) => await ask(instance as BinanceInstance, query), {
      subject,
      signal,
      cost: this.#budgets.costOf(feed),
    });
    const nowMs = await this.clock.current(signal);
    return parseFuturesPage({ exchange: this.id, feed, subject, asked, limit, nowMs, rows, readRow, periodMs });
  }

  /** The hours of the range that one request can answer. Null: there is no full hour in it. */
  #clampFuturesRange(feed: FuturesFeed, range: TimeRange, subject: string, nowMs: number): TimeRange | null {
    const { limit, depthMs, isSparse } = BINANCE_FEEDS[feed];
    const ceilToSlot = (timeMs: number) => Math.ceil(timeMs / FUTURES_SLOT_MS) * FUTURES_SLOT_MS;
    const kept = depthMs === null ? Number.NEGATIVE_INFINITY : ceilToSlot(nowMs - depthMs);
    if (range.until <= kept) {
      const message = `${this.id} refused ${subject}: it keeps them from ${new Date(kept).toISOString()} on, about 30 days`;
      throw new ExchangeRejectedError(this.id, message, { reason: 'request' });
    }
    const since = Math.max(kept, ceilToSlot(range.since));
    const until = isSparse ? range.until : Math.min(range.until, since + limit * FUTURES_SLOT_MS);
    return since < until ? { since, until } : null;
  }
}
