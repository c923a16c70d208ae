import { PLAIN } from '../zoo-dialect.ts';
import { json, readTimeframe, splitSymbol, type ZooWire } from '../zoo-wire.ts';

const TIMEFRAMES = {
  '1m': '1min',
  '5m': '5min',
  '15m': '15min',
  '30m': '30min',
  '1h': '1hour',
  '4h': '4hour',
  '8h': '8hour',
  '12h': '12hour',
  '1d': '1day',
  '1w': '1week',
};
/** For these it wants a year, and ccxt sends a day. */
const BY_YEAR = ['4h', '8h', '12h', '1d', '1w'];

/**
 * bitbank gives one UTC day per request, whatever ccxt's `since` and `limit` were: it stands in the path. From four hours
 * on it wants a year there, which ccxt does not send. No call for the time.
 * https://github.com/bitbankinc/bitbank-api-docs/blob/master/public-api.md#candlestick
 */
export const bitbank: ZooWire = {
  id: 'bitbank',
  quote: 'JPY',
  values: 'strings',
  dialect: { ...PLAIN, pageLimit: 1440, pageBy: 'utc-day', until: 'ignored', closingTime: false },
  toId: (symbol) => symbol.replace('/', '_').toLowerCase(),
  errorBody: { success: 0, data: { code: 10003 } },
  refusal: json({ success: 0, data: { code: 10000 } }, 404),
  answer({ path }, { nowMs, markets, find, value }) {
    if (path === '/spot/pairs')
      return json({ success: 1, data: { pairs: markets.map(({ symbol }) => describe(symbol)) } });
    const [, id, type, day] = /^\/([^/]+)\/candlestick\/([^/]+)\/(\d+)$/.exec(path) ?? [];
    if (id === undefined || type === undefined || day === undefined) return undefined;
    const timeframe = readTimeframe(TIMEFRAMES, type);
    const isByYear = BY_YEAR.includes(timeframe ?? '');
    return {
      kind: 'candles',
      market: find(id),
      timeframe: isByYear === (day.length === 4) ? timeframe : undefined,
      since: Date.parse(`${day.slice(0, 4)}-${day.slice(4, 6) || '01'}-${day.slice(6, 8) || '01'}T00:00:00Z`),
      until: null,
      limit: null,
      write: (rows) => ({
        success: 1,
        data: {
          candlestick: [
            {
              type,
              ohlcv: rows.map(({ openMs, open, high, low, close, volume }) => [
                ...[open, high, low, close, volume].map(value),
                openMs,
              ]),
            },
          ],
          timestamp: nowMs,
        },
      }),
    };
  },
};

function describe(symbol: string) {
  const [base, quote] = splitSymbol(symbol.toLowerCase());
  return {
    name: bitbank.toId(symbol),
    base_asset: base,
    quote_asset: quote,
    maker_fee_rate_quote: '-0.0002',
    taker_fee_rate_quote: '0.0012',
    unit_amount: '0.0001',
    limit_max_amount: '1000',
    price_digits: 2,
    amount_digits: 4,
    is_enabled: true,
  };
}
