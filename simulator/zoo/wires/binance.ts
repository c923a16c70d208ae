import { PLAIN } from '../zoo-dialect.ts';
import { json, readNumber, readTimeframe, splitSymbol, type ZooWire } from '../zoo-wire.ts';

const TIMEFRAMES = Object.fromEntries(
  ['1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '6h', '8h', '12h', '1d', '3d', '1w'].map((each) => [each, each]),
);

/**
 * Binance gives up to 1,000 candles, oldest first, each with its closing time as the seventh column; a slot without a
 * trade repeats the last price. https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints
 */
export const binance: ZooWire = {
  id: 'binance',
  quote: 'USDT',
  values: 'strings',
  dialect: { ...PLAIN, emptyCandles: 'repeated' },
  toId: (symbol) => symbol.replace('/', ''),
  errorBody: { code: -1000, msg: 'An unknown error occurred while processing the request.' },
  refusal: json({ code: -1120, msg: 'Invalid interval.' }, 400),
  answer({ path, query }, { nowMs, markets, find, value }) {
    switch (path) {
      case '/api/v3/time':
        return json({ serverTime: nowMs });
      case '/api/v3/exchangeInfo':
        return json({ ...BARE_INFO, serverTime: nowMs, symbols: markets.map(({ symbol }) => describe(symbol)) });
      case '/fapi/v1/exchangeInfo':
        return json({ ...BARE_INFO, serverTime: nowMs, symbols: [] });
      case '/api/v3/klines':
        return {
          kind: 'candles',
          market: find(query.get('symbol') ?? ''),
          timeframe: readTimeframe(TIMEFRAMES, query.get('interval')),
          since: readNumber(query, 'startTime'),
          until: readNumber(query, 'endTime'),
          limit: readNumber(query, 'limit') ?? 500,
          write: (rows) =>
            rows.map(({ openMs, endMs, open, high, low, close, volume }) => [
              openMs,
              ...[open, high, low, close, volume].map(value),
              endMs - 1,
              value(volume),
              1,
              ...[volume, volume].map(value),
              '0',
            ]),
        };
      default:
        return undefined;
    }
  },
};

const BARE_INFO = { timezone: 'UTC', rateLimits: [], exchangeFilters: [] };

function describe(symbol: string) {
  const [baseAsset, quoteAsset] = splitSymbol(symbol);
  return {
    symbol: binance.toId(symbol),
    status: 'TRADING',
    baseAsset,
    baseAssetPrecision: 8,
    quoteAsset,
    quotePrecision: 8,
    quoteAssetPrecision: 8,
    orderTypes: ['LIMIT'],
    isSpotTradingAllowed: true,
    isMarginTradingAllowed: false,
    filters: [
      { filterType: 'PRICE_FILTER', minPrice: '0.01', maxPrice: '1000000.00', tickSize: '0.01' },
      { filterType: 'LOT_SIZE', minQty: '0.0001', maxQty: '100000.0000', stepSize: '0.0001' },
    ],
    permissions: [],
    permissionSets: [['SPOT']],
  };
}
