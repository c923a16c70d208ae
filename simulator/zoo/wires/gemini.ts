import { PLAIN } from '../zoo-dialect.ts';
import { json, readTimeframe, type ZooWire } from '../zoo-wire.ts';

const TIMEFRAMES = { '1m': '1m', '5m': '5m', '15m': '15m', '30m': '30m', '1h': '1hr', '6h': '6hr', '1d': '1day' };

/**
 * Gemini takes no range at all and gives its newest candles: a day of minutes, 700 hours. Seen by the project's own
 * trials; the depth of the others is a guess. No call for the time; its list of currencies is a web page. Values are
 * numbers. https://docs.gemini.com/rest/market-data#list-candles
 */
export const gemini: ZooWire = {
  id: 'gemini',
  quote: 'USD',
  values: 'numbers',
  dialect: {
    ...PLAIN,
    pageLimit: 2016,
    cutKeeps: 'newest',
    depths: {
      '1m': { count: 1440, of: 'slots' },
      '1h': { count: 700, of: 'slots' },
      '1d': { count: 365, of: 'slots' },
      '*': { count: 1000, of: 'slots' },
    },
    since: 'ignored',
    until: 'ignored',
    order: 'newest-first',
    closingTime: false,
  },
  toId: (symbol) => symbol.replace('/', '').toLowerCase(),
  errorBody: { result: 'error', reason: 'System', message: 'We are experiencing technical issues' },
  refusal: json({ result: 'error', reason: 'BadRequest', message: 'Invalid candle time frame' }, 400),
  answer({ path }, { markets, find, value }) {
    if (path === '/')
      return { kind: 'body', type: 'text/html', body: '<!DOCTYPE html><html><title>Gemini</title></html>' };
    if (path === '/v1/symbols') return json(markets.map(({ symbol }) => gemini.toId(symbol)));
    const [, id, timeframe] = /^\/v2\/candles\/([^/]+)\/([^/]+)$/.exec(path) ?? [];
    if (id === undefined || timeframe === undefined) return undefined;
    return {
      kind: 'candles',
      market: find(id),
      timeframe: readTimeframe(TIMEFRAMES, timeframe),
      since: null,
      until: null,
      limit: null,
      write: (rows) =>
        rows.map(({ openMs, open, high, low, close, volume }) => [
          openMs,
          ...[open, high, low, close, volume].map(value),
        ]),
    };
  },
};
