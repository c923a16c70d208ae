import { HOUR_MS } from '../../../src/market/moments.ts';
import { PLAIN } from '../zoo-dialect.ts';
import { MONDAY_MS } from '../zoo-grid.ts';
import { endOfSecond, json, readNumber, readTimeframe, splitSymbol, type ZooWire } from '../zoo-wire.ts';

const TIMEFRAMES = {
  '1m': '1min',
  '5m': '5min',
  '15m': '15min',
  '30m': '30min',
  '1h': '60min',
  '4h': '4hour',
  '1d': '1day',
  '1w': '1week',
};
const ok = (data: unknown) => json({ status: 'ok', data });

/**
 * HTX gives up to 1,000 candles, newest first, of days in Beijing's time: they begin at 16:00 UTC. Values are numbers.
 * ccxt takes no list of contracts that is empty. https://huobiapi.github.io/docs/spot/v1/en/#get-klines-candles
 */
export const htx: ZooWire = {
  id: 'htx',
  quote: 'USDT',
  values: 'numbers',
  dialect: {
    ...PLAIN,
    pageLimit: 1000,
    cutKeeps: 'newest',
    order: 'newest-first',
    emptyCandles: 'repeated',
    anchors: { dayMs: 16 * HOUR_MS, weekMs: MONDAY_MS - 8 * HOUR_MS },
    closingTime: false,
  },
  toId: (symbol) => symbol.replace('/', '').toLowerCase(),
  errorBody: {
    status: 'error',
    'err-code': 'gateway-internal-error',
    'err-msg': 'Failed to load data. Try again later.',
  },
  refusal: json({ status: 'error', 'err-code': 'invalid-parameter', 'err-msg': 'invalid period' }),
  answer({ path, query }, { nowMs, markets, find, value }) {
    switch (path) {
      case '/v1/common/timestamp':
        return ok(nowMs);
      case '/v2/reference/currencies':
        return json({ code: 200, data: [] });
      case '/v1/common/symbols':
        return ok(markets.map(({ symbol }) => describe(symbol)));
      case '/linear-swap-api/v1/swap_contract_info':
        return ok([{ ...contract('BTC-USDT'), business_type: 'swap', pair: 'BTC-USDT' }]);
      case '/swap-api/v1/swap_contract_info':
        return ok([contract('BTC-USD')]);
      case '/api/v1/contract_contract_info':
        return ok([{ ...contract('BTC991231'), delivery_date: '20991231', delivery_time: '4102358400000' }]);
      case '/market/history/candles':
        return {
          kind: 'candles',
          market: find(query.get('symbol') ?? ''),
          timeframe: readTimeframe(TIMEFRAMES, query.get('period')),
          since: readNumber(query, 'from', 1000),
          until: endOfSecond(readNumber(query, 'to', 1000)),
          limit: readNumber(query, 'size') ?? 150,
          write: (rows) => ({
            status: 'ok',
            ch: `market.${query.get('symbol') ?? ''}.kline.${query.get('period') ?? ''}`,
            ts: nowMs,
            data: rows.map(({ openMs, open, close, high, low, volume }) => ({
              id: openMs / 1000,
              open: value(open),
              close: value(close),
              low: value(low),
              high: value(high),
              amount: value(volume),
              vol: value(volume),
              count: 1,
            })),
          }),
        };
      default:
        return undefined;
    }
  },
};

function describe(symbol: string) {
  const [base, quote] = splitSymbol(symbol.toLowerCase());
  return {
    'base-currency': base,
    'quote-currency': quote,
    'price-precision': 2,
    'amount-precision': 4,
    'value-precision': 8,
    symbol: htx.toId(symbol),
    state: 'online',
    'min-order-amt': 0.0001,
    'max-order-amt': 100000,
    'min-order-value': 5,
    'api-trading': 'enabled',
  };
}

function contract(code: string) {
  return {
    symbol: 'BTC',
    contract_code: code,
    contract_size: 0.001,
    price_tick: 0.1,
    create_date: '20201021',
    contract_status: 1,
  };
}
