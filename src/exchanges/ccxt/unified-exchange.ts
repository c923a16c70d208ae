import { ExchangeRejectedError } from '../../errors.ts';
import type { CandlePage, CandleRequest, Exchange, FuturesPage, FuturesRequest } from '../exchange.ts';
import { findAnsweredRangeOfUnknown } from './answered-range.ts';
import { clampCandleRange, parseCandles } from './candle-page.ts';
import { CcxtExchange, type CcxtExchangeDeps } from './ccxt-exchange.ts';
import { keepUndatedRows } from './keep-undated-rows.ts';

/** The most that is asked for at once, whatever ccxt says that the exchange allows: a page should not take seconds. */
const LARGEST_PAGE = 1000;
/** For exchanges of which ccxt does not know the limit: no smaller one is known. */
const UNKNOWN_LIMIT = 100;

/**
 * Any other exchange that has candles, by ccxt's unified call: no futures data.
 *
 * Prices keep their digits: as strings, and JSON numbers are turned into strings before ccxt reads them. Where ccxt
 * itself computes a column (a few exchanges send no base volume), its arithmetic is what counts.
 */
export class UnifiedExchange extends CcxtExchange implements Exchange {
  readonly candleLimit: number;
  readonly futuresFeeds: Exchange['futuresFeeds'] = new Map();

  constructor(deps: CcxtExchangeDeps) {
    const { client } = deps;
    const askTime = async (signal: AbortSignal) =>
      await client.call(async (instance) => (await instance.fetchTime()) as unknown, { subject: 'its time', signal });
    super(deps, client.instance.has['fetchTime'] === true ? askTime : null);
    this.candleLimit = readCandleLimit(client.instance.features);
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
    const { candles, rejected, openings } = parseCandles({
      ...facts,
      keepsToRange: false,
      limit: this.candleLimit,
      fieldCount: 6,
      rows,
    });
    return { candles, rejected, answered: findAnsweredRangeOfUnknown({ ...facts, openings }, this.candleLimit) };
  }

  fetchFutures({ feed }: FuturesRequest): Promise<FuturesPage> {
    const message = `futures data (${feed}) is not collected from ${this.id}, only from binance`;
    return Promise.reject(new ExchangeRejectedError(this.id, message, { reason: 'request' }));
  }
}

/** What ccxt's feature table says of spot candles: `features.spot.fetchOHLCV.limit`. */
function readCandleLimit(features: unknown): number {
  const { spot } = (features ?? {}) as { spot?: { fetchOHLCV?: { limit?: unknown } } };
  const limit = spot?.fetchOHLCV?.limit;
  return typeof limit === 'number' && limit > 0 ? Math.min(limit, LARGEST_PAGE) : UNKNOWN_LIMIT;
}
