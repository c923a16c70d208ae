import type { Answer, Request } from './answering-server.ts';

const spot = (symbol: string, baseAsset: string, status = 'TRADING') => ({
  symbol,
  status,
  baseAsset,
  quoteAsset: 'USDT',
  baseAssetPrecision: 8,
  quotePrecision: 8,
  isSpotTradingAllowed: true,
  permissions: ['SPOT'],
  filters: [{ filterType: 'PRICE_FILTER', minPrice: '0.01', maxPrice: '1000000', tickSize: '0.01' }],
});

/** Two spot markets, one of which is halted, and a perpetual on the other, in the shape of Binance's exchangeInfo. */
export const EXCHANGE_INFO = {
  timezone: 'UTC',
  serverTime: 1706803708087,
  rateLimits: [],
  exchangeFilters: [],
  symbols: [spot('BTCUSDT', 'BTC'), spot('LUNAUSDT', 'LUNA', 'BREAK')],
};

const FUTURES_EXCHANGE_INFO = {
  ...EXCHANGE_INFO,
  symbols: [
    {
      symbol: 'BTCUSDT',
      pair: 'BTCUSDT',
      contractType: 'PERPETUAL',
      deliveryDate: 4133404800000,
      status: 'TRADING',
      baseAsset: 'BTC',
      quoteAsset: 'USDT',
      marginAsset: 'USDT',
      pricePrecision: 2,
      quantityPrecision: 3,
      filters: [],
    },
  ],
};

/** Markets and the clock as Binance answers them; everything else by `other`. */
export function answerAsBinance(
  other: (request: Request) => Answer,
  serverTime: () => number = Date.now,
): (request: Request) => Answer {
  return (request) => {
    if (request.path === '/api/v3/exchangeInfo') return { json: EXCHANGE_INFO };
    if (request.path === '/fapi/v1/exchangeInfo') return { json: FUTURES_EXCHANGE_INFO };
    if (request.path === '/api/v3/time') return { json: { serverTime: serverTime() } };
    return other(request);
  };
}
