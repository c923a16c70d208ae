import { ExchangeRejectedError } from '../../errors.ts';
import { FUTURES_FEEDS, FUTURES_SLOT_MS, type FuturesFeed } from '../../market/futures-snapshot.ts';
import type { TimeRange } from '../../market/time-range.ts';
import {
  type CandlePage,
  type CandleRequest,
  type Exchange,
  type FuturesPage,
  type FuturesRequest,
} from '../exchange.ts';
import { findAnsweredRange } from './answered-range.ts';
import { BINANCE_FEEDS, type BinanceFeed } from './binance-futures-feeds.ts';
import { clampCandleRange, parseCandles } from './candle-page.ts';
import { CcxtExchange, type CcxtExchangeDeps } from './ccxt-exchange.ts';
import type { BinanceInstance } from './ccxt-library.ts';
import { parseFuturesPage } from './futures-page.ts';
import { RequestBudget } from './request-pacing.ts';

const FIVE_MINUTES_MS = 5 * 60_000;
/** Opening time, open, high, low, close, volume, closing time, quote volume, trades, taker base, taker quote, unused. */
const KLINE_FIELDS = 12;

/**
 * Binance: spot candles and the futures data of USDT-margined perpetuals, by raw calls, which keep every digit.
 *
 * @see https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints
 */
export class BinanceExchange extends CcxtExchange implements Exchange {
  readonly candleLimit = 1000;
  readonly futuresFeeds: Exchange['futuresFeeds'] = new Map(
    FUTURES_FEEDS.map((feed) => [feed, { limit: BINANCE_FEEDS[feed].limit, depthMs: BINANCE_FEEDS[feed].depthMs }]),
  );
  readonly #budgets: Readonly<Record<NonNullable<BinanceFeed['budget']>, RequestBudget>>;

  constructor(deps: CcxtExchangeDeps) {
    super(deps, async (signal) => {
      const answer = await deps.client.call(
        async (instance) => (await (instance as BinanceInstance).publicGetTime()) as unknown,
        { subject: 'its time', signal },
      );
      return (answer as { serverTime?: unknown }).serverTime;
    });
    // ccxt lets more than twice as many through as these calls are allowed, which are counted apart from the weight.
    this.#budgets = {
      statistics: new RequestBudget({ requests: 1000, windowMs: FIVE_MINUTES_MS, now: deps.now }),
      funding: new RequestBudget({ requests: 500, windowMs: FIVE_MINUTES_MS, now: deps.now }),
    };
  }

  async fetchCandles({ symbol, timeframe, range }: CandleRequest, signal: AbortSignal): Promise<CandlePage> {
    this.requireTimeframe(timeframe);
    const asked = clampCandleRange(range, timeframe, this.candleLimit);
    if (asked === null) return { candles: [], rejected: [], answered: range };
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
      { subject, signal },
    );
    const nowMs = await this.clock.current(signal);
    const facts = { exchange: this.id, subject, timeframe, asked, nowMs };
    const { candles, rejected, openings } = parseCandles({
      ...facts,
      keepsToRange: true,
      limit: this.candleLimit,
      fieldCount: KLINE_FIELDS,
      rows,
    });
    const answered = findAnsweredRange({ ...facts, openings });
    return { candles, rejected, answered: { since: Math.min(range.since, answered.since), until: answered.until } };
  }

  async fetchFutures({ feed, symbol, range }: FuturesRequest, signal: AbortSignal): Promise<FuturesPage> {
    const { limit, budget, periodMs, ask, readRow } = BINANCE_FEEDS[feed];
    const id = await this.markets.findPerpetualId(symbol, signal);
    const subject = `the ${feed} of ${symbol}`;
    const asked = this.#clampFuturesRange(feed, range, subject, await this.clock.current(signal));
    if (asked === null) return { snapshots: [], rejected: [], answered: range };
    this.client.assertMaySend();
    if (budget !== null) await this.#budgets[budget].take(signal);
    const query = { symbol: id, startTime: asked.since, endTime: asked.until - 1, limit };
    const rows = await this.client.call(async (instance) => await ask(instance as BinanceInstance, query), {
      subject,
      signal,
    });
    const nowMs = await this.clock.current(signal);
    return parseFuturesPage({ exchange: this.id, subject, asked, limit, nowMs, rows, readRow, periodMs });
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
