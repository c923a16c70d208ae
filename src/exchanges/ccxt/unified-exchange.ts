import { ExchangeRejectedError } from '../../errors.ts';
import { createRange } from '../../market/time-range.ts';
import type { CandlePage, CandleRequest, Exchange, FuturesPage, FuturesRequest } from '../exchange.ts';
import { findAnsweredBetweenRows } from '../kit/answered-range.ts';
import { clampCandleRange, parseCandles } from '../kit/candle-page.ts';
import { CcxtExchange, type CcxtExchangeDeps } from './ccxt-exchange.ts';
import { parseFuturesPage } from '../kit/futures-page.ts';
import { clampFuturesRange } from './futures-range.ts';
import { keepUndatedRows } from './keep-undated-rows.ts';
import type { UnifiedFeeds } from './dialects/dialect.ts';
import { findDialect } from './dialects/find-dialect.ts';
import { keepConfirmFlag } from './keep-confirm-flag.ts';

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
  readonly #confirmColumn: number | null;

  constructor(deps: CcxtExchangeDeps) {
    const { client } = deps;
    const askTime = async (signal: AbortSignal) =>
      await client.call(async (instance) => (await instance.fetchTime()) as unknown, { subject: 'its time', signal });
    super(deps, client.instance.has['fetchTime'] === true ? askTime : null);
    const { candleLimit, confirmColumn, futuresFeeds } = findDialect(client.instance);
    this.candleLimit = candleLimit;
    this.#feeds = futuresFeeds;
    this.futuresFeeds = new Map(
      [...this.#feeds].map(([feed, { limit, depthMs, periodMs }]) => [feed, { limit, depthMs, periodMs }]),
    );
    this.#confirmColumn = confirmColumn === null ? null : keepConfirmFlag(client.instance, confirmColumn);
    keepUndatedRows(client.instance);
  }

  async fetchCandles({ symbol, timeframe, range }: CandleRequest, signal: AbortSignal): Promise<CandlePage> {
    this.requireTimeframe(timeframe);
    const asked = clampCandleRange(range, timeframe, this.candleLimit);
    if (asked === null) return { candles: [], rejected: [], answered: range };
    await this.markets.findSpotId(symbol, signal);
    await this.clock.current(signal);
    const subject = `the ${timeframe} candles of ${symbol}`;
    const rows = await this.client.call(
      async (instance): Promise<unknown> =>
        await instance.fetchOHLCV(symbol, timeframe, asked.since, this.candleLimit, { until: asked.until - 1 }),
      { subject, signal },
    );
    const nowMs = await this.clock.current(signal);
    const facts = { exchange: this.id, subject, timeframe, asked, nowMs };
    const { candles, rejected, openings, unconfirmedSince } = parseCandles({
      ...facts,
      keepsToRange: false,
      limit: this.candleLimit,
      fieldCount: 6,
      confirmColumn: this.#confirmColumn,
      rows,
    });
    const spoken = findAnsweredBetweenRows(asked, openings, timeframe);
    const answered = spoken && createRange(spoken.since, Math.min(spoken.until, unconfirmedSince ?? spoken.until));
    return { candles, rejected, answered };
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
    const facts = { exchange: this.id, subject, asked, limit, nowMs, rows };
    return parseFuturesPage({ ...facts, readRow, periodMs, mayBeCutAtStart: true });
  }
}
