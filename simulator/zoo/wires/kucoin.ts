import { PLAIN } from '../zoo-dialect.ts';
import { THURSDAY_MS } from '../zoo-grid.ts';
import { json, readNumber, readTimeframe, splitSymbol, type ZooWire } from '../zoo-wire.ts';

const TIMEFRAMES = {
  '1m': '1min',
  '3m': '3min',
  '5m': '5min',
  '15m': '15min',
  '30m': '30min',
  '1h': '1hour',
  '2h': '2hour',
  '4h': '4hour',
  '6h': '6hour',
  '8h': '8hour',
  '12h': '12hour',
  '1d': '1day',
  '1w': '1week',
};
const data = (value: unknown) => json({ code: '200000', data: value });

/**
 * KuCoin gives up to 1,500 candles, newest first; the end is exclusive, and ccxt always sends `since` and `limit` slots.
 * A slot without a trade has no row; weeks begin on Thursdays. Times are seconds: open, close, high, low.
 * https://www.kucoin.com/docs/rest/spot-trading/market-data/get-klines
 */
export const kucoin: ZooWire = {
  id: 'kucoin',
  quote: 'USDT',
  values: 'strings',
  dialect: {
    ...PLAIN,
    pageLimit: 1500,
    cutKeeps: 'newest',
    until: 'exclusive',
    order: 'newest-first',
    anchors: { dayMs: 0, weekMs: THURSDAY_MS },
    closingTime: false,
  },
  toId: (symbol) => symbol.replace('/', '-'),
  errorBody: { code: '500000', msg: 'Internal Server Error' },
  refusal: json({ code: '400100', msg: 'This pair is not provided at present' }),
  answer({ path, query }, { nowMs, markets, find, value }) {
    switch (path) {
      case '/api/v1/timestamp':
        return data(nowMs);
      case '/api/v3/currencies':
        return data(
          [...new Set(markets.flatMap(({ symbol }) => splitSymbol(symbol)))].map((currency) => ({
            currency,
            name: currency,
            fullName: currency,
            precision: 8,
            chains: [],
          })),
        );
      case '/api/v2/symbols':
        return data(markets.map(({ symbol }) => describe(symbol)));
      case '/api/v1/market/allTickers':
        return data({ time: nowMs, ticker: [] });
      case '/api/v1/contracts/active':
        return data([]);
      case '/api/v1/market/candles':
        return {
          kind: 'candles',
          market: find(query.get('symbol') ?? ''),
          timeframe: readTimeframe(TIMEFRAMES, query.get('type')),
          since: readNumber(query, 'startAt', 1000),
          until: readNumber(query, 'endAt', 1000),
          limit: null,
          write: (rows) => ({
            code: '200000',
            data: rows.map(({ openMs, open, close, high, low, volume }) => [
              String(openMs / 1000),
              ...[open, close, high, low, volume, volume].map(value),
            ]),
          }),
        };
      default:
        return undefined;
    }
  },
};

function describe(symbol: string) {
  const [baseCurrency, quoteCurrency] = splitSymbol(symbol);
  return {
    symbol: kucoin.toId(symbol),
    name: kucoin.toId(symbol),
    baseCurrency,
    quoteCurrency,
    baseMinSize: '0.0001',
    quoteMinSize: '0.1',
    baseMaxSize: '10000000',
    quoteMaxSize: '99999999',
    baseIncrement: '0.0001',
    priceIncrement: '0.01',
    isMarginEnabled: false,
    enableTrading: true,
  };
}
