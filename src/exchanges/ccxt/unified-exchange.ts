import { ExchangeDataError, ExchangeRejectedError } from '../../errors.ts';
import { createRange, type TimeRange } from '../../market/time-range.ts';
import { isTimeframe, type Timeframe } from '../../market/timeframe.ts';
import type { CandlePage, CandleRequest, Exchange, FuturesPage, FuturesRequest } from '../exchange.ts';
import { findAnsweredBetweenRows } from '../kit/answered-range.ts';
import { clampCandleRange, parseCandles, type ParsedCandles } from '../kit/candle-page.ts';
import { LongerCandles } from '../kit/longer-candles.ts';
import { CcxtExchange, type CcxtExchangeDeps } from './ccxt-exchange.ts';
import { parseFuturesPage } from '../kit/futures-page.ts';
import { clampFuturesRange } from './futures-range.ts';
import { keepColumns } from './keep-columns.ts';
import { keepUndatedRows } from './keep-undated-rows.ts';
import type { UnifiedFeeds } from './dialects/dialect.ts';
import { findDialect } from './dialects/find-dialect.ts';

/**
 * Any other exchange that has candles, by ccxt's unified call. Futures data by raw calls, where they were looked into.
 *
 * Prices keep their digits: as strings, and JSON numbers are turned into strings before ccxt reads them. Where ccxt
 * itself computes a column (a few exchanges send no base volume), its arithmetic is what counts. Where the exchange marks
 * complete candles, one that is not marked is never given.
 */
export class UnifiedExchange extends CcxtExchange implements Exchange {
  readonly candleLimit: number;
  readonly speaksFor = 'rows';
  readonly futuresFeeds: Exchange['futuresFeeds'];
  readonly #feeds: UnifiedFeeds;
  readonly #columns: { readonly confirmColumn: number | null; readonly closingColumn: number | null };
  readonly #longer: LongerCandles;

  constructor(deps: CcxtExchangeDeps) {
    const { client } = deps;
    const askTime = async (signal: AbortSignal) =>
      await client.call(async (instance) => (await instance.fetchTime()) as unknown, { subject: 'its time', signal });
    super(deps, client.instance.has['fetchTime'] === true ? askTime : null);
    const { candleLimit, confirmColumn, closingTime, futuresFeeds } = findDialect(client.instance);
    this.candleLimit = candleLimit;
    this.#feeds = futuresFeeds;
    this.futuresFeeds = new Map(
      [...this.#feeds].map(([feed, { limit, depthMs, periodMs }]) => [feed, { limit, depthMs, periodMs }]),
    );
    this.#columns = keepColumns(client.instance, { confirmColumn, closingColumn: closingTime });
    this.#longer = new LongerCandles({
      timeframes: Object.keys(client.instance.timeframes).filter(isTimeframe),
      candleLimit,
      ask: async ({ symbol, timeframe, range }, signal) =>
        (await this.#ask({ symbol, timeframe, asked: range, subject: nameCandles(timeframe, symbol) }, signal)).candles,
    });
    keepUndatedRows(client.instance);
  }

  async fetchCandles({ symbol, timeframe, range }: CandleRequest, signal: AbortSignal): Promise<CandlePage> {
    this.requireTimeframe(timeframe);
    const asked = clampCandleRange(range, timeframe, this.candleLimit);
    if (asked === null) return { candles: [], rejected: [], answered: range, tellsGaps: true };
    await this.markets.findSpotId(symbol, signal);
    await this.clock.current(signal);
    const subject = nameCandles(timeframe, symbol);
    const { candles, rejected, openings, unconfirmedSince, isMeasured, nowMs } = await this.#ask(
      { symbol, timeframe, asked, subject },
      signal,
    );
    const { contradiction, isShown } = isMeasured
      ? { contradiction: null, isShown: true }
      : await this.#longer.judge({ symbol, timeframe, asked, nowMs, openings, candles }, signal);
    if (contradiction !== null) {
      const said = `its ${candles.length} rows ${contradiction}. Check EXCHANGE_URLS`;
      throw new ExchangeDataError(this.id, `${this.id} answered ${subject} with another timeframe: ${said}`);
    }
    const spoken = findAnsweredBetweenRows(asked, openings, timeframe);
    const answered = spoken && createRange(spoken.since, Math.min(spoken.until, unconfirmedSince ?? spoken.until));
    return { candles, rejected, answered, tellsGaps: isShown };
  }

  async fetchFutures({ feed, symbol, range }: FuturesRequest, signal: AbortSignal): Promise<FuturesPage> {
    const offer = this.#feeds.get(feed);
    if (offer === undefined) {
      const message = `futures data (${feed}) is not collected from ${this.id}`;
      throw new ExchangeRejectedError(this.id, message, { reason: 'request' });
    }
    const { limit, depthMs, reachMs, periodMs, ask, readRow } = offer;
    const id = await this.markets.findPerpetualId(symbol, signal);
    const subject = `the ${feed} of ${symbol}`;
    const askedAt = await this.clock.current(signal);
    const asked = clampFuturesRange({ exchange: this.id, subject, range, nowMs: askedAt, depthMs, reachMs });
    if (asked === null) return { snapshots: [], rejected: [], answered: range };
    const rows = await this.client.call(async (instance) => await ask(instance, { id, asked, limit, nowMs: askedAt }), {
      subject,
      signal,
    });
    const nowMs = await this.clock.current(signal);
    const facts = { exchange: this.id, feed, subject, asked, limit, nowMs, rows };
    return parseFuturesPage({ ...facts, readRow, periodMs, mayBeCutAtStart: true });
  }

  /** One request for candles, read. `asked` holds at most `candleLimit` of them. */
  async #ask(
    { symbol, timeframe, asked, subject }: CandlesAsked,
    signal: AbortSignal,
  ): Promise<ParsedCandles & { readonly nowMs: number }> {
    const limit = this.candleLimit;
    const rows = await this.client.call(
      async (instance): Promise<unknown> =>
        await instance.fetchOHLCV(symbol, timeframe, asked.since, limit, { until: asked.until - 1 }),
      { subject, signal },
    );
    const nowMs = await this.clock.current(signal);
    const facts = { exchange: this.id, subject, timeframe, asked, nowMs };
    const read = parseCandles({ ...facts, ...this.#columns, keepsToRange: false, limit, fieldCount: 6, rows });
    return { ...read, nowMs };
  }
}

interface CandlesAsked {
  readonly symbol: string;
  readonly timeframe: Timeframe;
  readonly asked: TimeRange;
  readonly subject: string;
}

function nameCandles(timeframe: Timeframe, symbol: string): string {
  return `the ${timeframe} candles of ${symbol}`;
}
