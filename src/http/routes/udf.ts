import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Candle } from '../../market/candle.ts';
import type { Series } from '../../market/instrument.ts';
import { SECOND_MS } from '../../market/moments.ts';
import type { HttpApp } from '../protocol/http-app.ts';
import type { Problem } from '../protocol/problems.ts';
import type { OpenReaders } from '../protocol/request-signal.ts';
import { describeRoute, TEXT_BODY } from '../protocol/route-schema.ts';
import { type BoundsReader, type CollectionProbe, nameSome } from '../query/series-lookup.ts';
import { UdfMarkets } from '../udf/markets.ts';
import { answerHistory, refuse, type HistoryReader } from '../udf/history.ts';
import { findShortest, listOffered, listResolutions } from '../udf/resolutions.ts';
import { describeSymbol, tickerOf } from '../udf/symbol-info.ts';
import {
  configAnswer,
  historyAnswer,
  historyQuery,
  searchAnswer,
  searchQuery,
  symbolAnswer,
  symbolQuery,
} from '../udf/udf-schema.ts';

/** What the routes need of ohlcv_data; rows come oldest first. */
export interface BarReader extends HistoryReader {
  /** The last `limit` candles. */
  listNewest(series: Series, limit: number): Promise<readonly Candle[]>;
}

export interface UdfRoutesDeps {
  readonly open: OpenReaders<{ readonly ohlcv: BarReader }>;
  /** The list of markets is read for all requests, and so cancelled by none. */
  readonly shared: { readonly ohlcv: BoundsReader };
  readonly probes: CollectionProbe;
  /** Epoch milliseconds. */
  readonly now?: () => number;
}

const CRYPTO = 'crypto';
/** Candles whose digits are counted. */
const SAMPLE = 200;

/**
 * TradingView's Universal Data Feed, for its charting library and whatever else speaks it. Refusals are answered as the
 * protocol says, with 200 and `{s: "error", errmsg}`: its clients look at nothing else.
 *
 * @see https://www.tradingview.com/charting-library-docs/latest/connecting_data/UDF
 */
export function registerUdfRoutes(app: HttpApp, { open, shared, probes, now = Date.now }: UdfRoutesDeps): void {
  const markets = new UdfMarkets(shared);
  app.register((udf: HttpApp, _options, done) => {
    udf.addHook('onSend', answerInProtocol);

    udf.get(
      '/udf/config',
      { schema: describeRoute({ ...OF_UDF, id: 'udfConfig', summary: 'What this feed can do' }, {}, configAnswer) },
      async () => {
        const stored = await markets.list();
        const exchanges = [...new Set(stored.map(({ exchange }) => exchange))];
        return {
          supports_search: true as const,
          supports_group_request: false as const,
          supports_marks: false as const,
          supports_timescale_marks: false as const,
          supports_time: true as const,
          supported_resolutions: listResolutions(stored.flatMap(({ timeframes }) => listOffered(timeframes))),
          exchanges: [
            { value: '', name: 'All exchanges', desc: '' },
            ...exchanges.map((exchange) => ({ value: exchange, name: exchange, desc: exchange })),
          ],
          symbols_types: [{ value: CRYPTO, name: 'Crypto' }],
        };
      },
    );

    udf.get(
      '/udf/time',
      {
        schema: describeRoute(
          {
            ...OF_UDF,
            id: 'udfTime',
            // It asks no database.
            leaveOut: ['DATABASE_UNAVAILABLE', 'QUERY_TIMEOUT'],
            summary: 'The time in epoch seconds',
            answers: { 200: { description: 'Epoch seconds', content: { 'text/plain': TEXT_BODY } } },
          },
          {},
        ),
      },
      (_request, reply) => reply.type('text/plain; charset=utf-8').send(String(Math.floor(now() / SECOND_MS))),
    );

    udf.get(
      '/udf/search',
      {
        schema: describeRoute(
          { ...OF_UDF, id: 'udfSearch', summary: 'Symbols by a part of their name' },
          { querystring: searchQuery },
          searchAnswer,
        ),
      },
      async ({ query }) => {
        if (query.type !== '' && query.type !== CRYPTO) return [];
        const found = await markets.search(query.query, query.exchange, query.limit);
        return found.map((market) => ({
          symbol: market.symbol,
          full_name: tickerOf(market),
          ticker: tickerOf(market),
          description: `${market.symbol} on ${market.exchange}`,
          exchange: market.exchange,
          type: CRYPTO,
        }));
      },
    );

    udf.get(
      '/udf/symbols',
      {
        schema: describeRoute(
          { ...OF_UDF, id: 'udfSymbol', summary: 'One symbol' },
          { querystring: symbolQuery },
          symbolAnswer,
        ),
      },
      async ({ query }, reply) => {
        const market = await markets.find(query.symbol);
        if (!market) return await refuseSymbol(markets, query.symbol);
        const { exchange, symbol, timeframes } = market;
        const series = { exchange, symbol, timeframe: findShortest(timeframes) };
        return describeSymbol(market, await open(reply).ohlcv.listNewest(series, SAMPLE));
      },
    );

    udf.get(
      '/udf/history',
      {
        schema: describeRoute(
          { ...OF_UDF, id: 'udfHistory', summary: 'Bars' },
          { querystring: historyQuery },
          historyAnswer,
        ),
      },
      async ({ query }, reply) => {
        const market = await markets.find(query.symbol);
        if (!market) return await refuseSymbol(markets, query.symbol);
        return await answerHistory(market, query, { ohlcv: open(reply).ohlcv, probes, now: now() });
      },
    );
    done();
  });
}

/** What is wrong with a request is told with 200. */
const OF_UDF = { chapter: 'TradingView', access: 'data', leaveOut: ['REQUEST_INVALID'] } as const;

async function refuseSymbol(markets: UdfMarkets, name: string) {
  const named = nameSome((await markets.list()).map(tickerOf));
  return refuse(
    `There is no symbol ${name}. ${named === '' ? 'No candle is stored at all yet.' : `There is ${named}.`}`,
  );
}

/**
 * Adds the protocol's two fields to a problem document; one of the client's making is answered with 200. (Such answers
 * are short: the compressor, whose turn comes first, leaves them as text.)
 */
function answerInProtocol(
  _request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
  done: (error: null, payload?: unknown) => void,
): void {
  const isProblem = String(reply.getHeader('content-type')).startsWith('application/problem+json');
  if (!isProblem || typeof payload !== 'string') {
    done(null, payload);
    return;
  }
  const problem = JSON.parse(payload) as Problem;
  if (problem.status === 400) reply.code(200).type('application/json; charset=utf-8');
  reply.removeHeader('content-length');
  done(null, JSON.stringify({ s: 'error', errmsg: problem.detail, ...problem }));
}
