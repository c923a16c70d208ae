import { PLAIN } from '../zoo-dialect.ts';
import { json, readNumber, readTimeframe, splitSymbol, type ZooWire } from '../zoo-wire.ts';

const TIMEFRAMES = {
  '1m': '1m',
  '5m': '5m',
  '15m': '15m',
  '30m': '30m',
  '1h': '1h',
  '3h': '3h',
  '4h': '4h',
  '6h': '6h',
  '12h': '12h',
  '1d': '1D',
  '1w': '7D',
};

/**
 * Bitfinex gives up to 10,000 candles, with `sort=1` the oldest first; a slot without a trade has no row. No call for the
 * time. Values are numbers: open, close, high, low. https://docs.bitfinex.com/reference/rest-public-candles
 */
export const bitfinex: ZooWire = {
  id: 'bitfinex',
  quote: 'USD',
  values: 'numbers',
  dialect: { ...PLAIN, pageLimit: 10_000, closingTime: false },
  toId: (symbol) => `t${symbol.replace('/', '')}`,
  // Bitfinex has errors with status 500 only; the shape is the one that ccxt reads.
  errorBody: { message: 'ERR_RATE_LIMIT_LATER', error: 'ERR_UNKNOWN' },
  refusal: json(['error', 10020, 'symbol: invalid'], 500),
  answer({ path, query }, { markets, find, value }) {
    if (path.startsWith('/v2/conf/')) return json(path.includes('pub:info:pair') ? listPairs() : listCurrencies());
    const [, timeframe, id] = /^\/v2\/candles\/trade:([^:]+):(.+)\/hist$/.exec(path) ?? [];
    if (timeframe === undefined || id === undefined) return undefined;
    return {
      kind: 'candles',
      market: find(id),
      timeframe: readTimeframe(TIMEFRAMES, timeframe),
      since: readNumber(query, 'start'),
      until: readNumber(query, 'end'),
      limit: readNumber(query, 'limit') ?? 100,
      write: (rows) =>
        rows.map(({ openMs, open, close, high, low, volume }) => [
          openMs,
          ...[open, close, high, low, volume].map(value),
        ]),
    };

    function listPairs() {
      const pairs = markets.map(({ symbol }) => [
        symbol.replace('/', ''),
        [null, null, null, '0.1', '100000.0', null, null, null, null, null, null, null],
      ]);
      return [pairs, [], [], []];
    }
    function listCurrencies() {
      const names = [...new Set(markets.flatMap(({ symbol }) => splitSymbol(symbol)))];
      return [names, [], names.map((name) => [name, name]), [], [], [], [], [], [], [], []];
    }
  },
};
