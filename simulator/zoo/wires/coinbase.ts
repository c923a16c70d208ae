import { PLAIN } from '../zoo-dialect.ts';
import { lengthOf } from '../zoo-grid.ts';
import { json, readNumber, readTimeframe, splitSymbol, type ZooWire } from '../zoo-wire.ts';

const TIMEFRAMES = {
  '1m': 'ONE_MINUTE',
  '5m': 'FIVE_MINUTE',
  '15m': 'FIFTEEN_MINUTE',
  '30m': 'THIRTY_MINUTE',
  '1h': 'ONE_HOUR',
  '2h': 'TWO_HOUR',
  '6h': 'SIX_HOUR',
  '1d': 'ONE_DAY',
};
const PRODUCTS = '/api/v3/brokerage/market/products';
const LONGEST = 350;
const TOO_BROAD = json(
  { error: 'INVALID_ARGUMENT', error_details: 'number of candles requested should be less than 350', message: '' },
  400,
);

/**
 * Coinbase refuses a range of more than 350 candles; a slot without a trade has no row. Times are seconds as text.
 * https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/public/get-public-product-candles
 */
export const coinbase: ZooWire = {
  id: 'coinbase',
  quote: 'USD',
  values: 'strings',
  dialect: { ...PLAIN, pageLimit: LONGEST, cutKeeps: 'newest', order: 'newest-first', closingTime: false },
  toId: (symbol) => symbol.replace('/', '-'),
  errorBody: { error: 'INTERNAL', error_details: 'something broke', message: 'something broke' },
  refusal: json({ error: 'INVALID_ARGUMENT', error_details: '', message: 'valid argument required' }, 400),
  answer({ path, query }, { nowMs, markets, find, value }) {
    switch (path) {
      case '/v2/time':
        return json({ data: { iso: new Date(nowMs).toISOString(), epoch: Math.floor(nowMs / 1000) } });
      case '/v2/currencies':
        return json({ data: [{ id: 'USD', name: 'US Dollar', min_size: '0.01000000' }] });
      case '/v2/currencies/crypto':
        return json({
          data: markets.map(({ symbol }) => {
            const [code] = splitSymbol(symbol);
            return { asset_id: `asset-${code}`, code, name: code, type: 'crypto' };
          }),
        });
      case '/v2/exchange-rates':
        return json({ data: { currency: 'USD', rates: {} } });
      case PRODUCTS: {
        const products = query.has('product_type') ? [] : markets.map(({ symbol }) => describe(symbol));
        return json({ products, num_products: products.length });
      }
      default: {
        const id = path.startsWith(`${PRODUCTS}/`) && path.endsWith('/candles') ? path.split('/').at(-2) : undefined;
        if (id === undefined) return undefined;
        const timeframe = readTimeframe(TIMEFRAMES, query.get('granularity'));
        const [since, until] = [readNumber(query, 'start', 1000), readNumber(query, 'end', 1000)];
        return {
          kind: 'candles',
          market: find(id),
          timeframe,
          since,
          until,
          limit: readNumber(query, 'limit'),
          ...(isTooBroad(timeframe, since, until) ? { refusal: TOO_BROAD } : {}),
          write: (rows) => ({
            candles: rows.map(({ openMs, low, high, open, close, volume }) => ({
              start: String(openMs / 1000),
              low: value(low),
              high: value(high),
              open: value(open),
              close: value(close),
              volume: value(volume),
            })),
          }),
        };
      }
    }
  },
};

function isTooBroad(timeframe: string | undefined, since: number | null, until: number | null): boolean {
  if (timeframe === undefined || since === null || until === null) return false;
  return until - since >= LONGEST * lengthOf(timeframe);
}

function describe(symbol: string) {
  const [base, quote] = splitSymbol(symbol);
  return {
    product_id: coinbase.toId(symbol),
    base_increment: '0.0001',
    quote_increment: '0.01',
    price_increment: '0.01',
    base_min_size: '0.0001',
    base_max_size: '100000',
    quote_min_size: '1',
    quote_max_size: '10000000',
    base_currency_id: base,
    quote_currency_id: quote,
    product_type: 'SPOT',
    status: 'online',
    trading_disabled: false,
    alias: '',
    alias_to: [],
  };
}
