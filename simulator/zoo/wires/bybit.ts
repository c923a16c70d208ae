import { PLAIN } from '../zoo-dialect.ts';
import { json, readNumber, readTimeframe, splitSymbol, type ZooWire } from '../zoo-wire.ts';

const TIMEFRAMES = {
  '1m': '1',
  '3m': '3',
  '5m': '5',
  '15m': '15',
  '30m': '30',
  '1h': '60',
  '2h': '120',
  '4h': '240',
  '6h': '360',
  '12h': '720',
  '1d': 'D',
  '1w': 'W',
};

/**
 * Bybit gives up to 1,000 candles, the newest ones of the range, newest first; a slot without a trade repeats the last
 * price. ccxt rounds `since` up to a multiple of the timeframe since the epoch, for weeks to a Thursday.
 * https://bybit-exchange.github.io/docs/v5/market/kline
 */
export const bybit: ZooWire = {
  id: 'bybit',
  quote: 'USDT',
  values: 'strings',
  dialect: {
    ...PLAIN,
    pageLimit: 1000,
    cutKeeps: 'newest',
    order: 'newest-first',
    emptyCandles: 'repeated',
    closingTime: false,
  },
  toId: (symbol) => symbol.replace('/', ''),
  errorBody: { retCode: 10016, retMsg: 'Server error.', result: {}, retExtInfo: {}, time: 0 },
  refusal: json({ retCode: 10001, retMsg: 'Not supported symbols', result: {}, retExtInfo: {}, time: 0 }),
  answer({ path, query }, { nowMs, markets, find, value }) {
    const result = (body: unknown) => ({ retCode: 0, retMsg: 'OK', result: body, retExtInfo: {}, time: nowMs });
    const category = query.get('category');
    switch (path) {
      case '/v5/market/time':
        return json(result({ timeSecond: String(Math.floor(nowMs / 1000)), timeNano: `${nowMs}000000` }));
      case '/v5/market/instruments-info': {
        const list = category === 'spot' ? markets.map(({ symbol }) => describe(symbol)) : [];
        return json(result({ category, list, nextPageCursor: '' }));
      }
      case '/v5/market/kline': {
        const id = query.get('symbol') ?? '';
        return {
          kind: 'candles',
          market: find(id),
          timeframe: readTimeframe(TIMEFRAMES, query.get('interval')),
          since: readNumber(query, 'start'),
          until: readNumber(query, 'end'),
          limit: readNumber(query, 'limit') ?? 200,
          write: (rows) =>
            result({
              category,
              symbol: id,
              list: rows.map(({ openMs, open, high, low, close, volume }) => [
                String(openMs),
                ...[open, high, low, close, volume, volume].map(value),
              ]),
            }),
        };
      }
      default:
        return undefined;
    }
  },
};

function describe(symbol: string) {
  const [baseCoin, quoteCoin] = splitSymbol(symbol);
  return {
    symbol: bybit.toId(symbol),
    baseCoin,
    quoteCoin,
    innovation: '0',
    status: 'Trading',
    marginTrading: 'none',
    lotSizeFilter: { basePrecision: '0.0001', quotePrecision: '0.01', minOrderQty: '0.0001', maxOrderQty: '100000' },
    priceFilter: { tickSize: '0.01' },
  };
}
