import { PLAIN } from '../zoo-dialect.ts';
import { lengthOf, THURSDAY_MS } from '../zoo-grid.ts';
import { endOfSecond, json, readNumber, readTimeframe, splitSymbol, type ZooWire } from '../zoo-wire.ts';

const TIMEFRAMES = {
  '1m': '1m',
  '5m': '5m',
  '15m': '15m',
  '30m': '30m',
  '1h': '1h',
  '2h': '2h',
  '4h': '4h',
  '8h': '8h',
  '1d': '1d',
  '1w': '7d',
};
const REACH = 10_000;
const BROADEST = 1000;
const refuse = (message: string) => json({ label: 'INVALID_PARAM_VALUE', message }, 400);

/**
 * Gate refuses a range of more than 1,000 candles, and one that begins more than 10,000 candles ago. Weeks are counted
 * from the epoch, so they begin on Thursdays. A slot without a trade repeats the last price. Times are seconds: quote
 * volume, close, high, low, open, base volume, closed. https://www.gate.com/docs/developers/apiv4/en/#market-candlesticks
 */
export const gate: ZooWire = {
  id: 'gate',
  quote: 'USDT',
  values: 'strings',
  dialect: {
    ...PLAIN,
    pageLimit: BROADEST,
    depths: { '*': { count: REACH, of: 'slots' } },
    emptyCandles: 'repeated',
    anchors: { dayMs: 0, weekMs: THURSDAY_MS },
    closingTime: false,
  },
  toId: (symbol) => symbol.replace('/', '_'),
  errorBody: { label: 'SERVER_ERROR', message: 'internal error' },
  refusal: json({ label: 'INVALID_CURRENCY_PAIR', message: 'Invalid currency pair' }, 400),
  answer({ path, query }, { nowMs, markets, find, value }) {
    const route = path.replace('/api/v4', '');
    if (route.startsWith('/futures/') || route.startsWith('/delivery/') || route === '/margin/currency_pairs')
      return json([]);
    switch (route) {
      case '/spot/time':
        return json({ server_time: nowMs });
      case '/spot/currencies':
        return json(
          [...new Set(markets.flatMap(({ symbol }) => splitSymbol(symbol)))].map((currency) => ({
            currency,
            name: currency,
            delisted: false,
            chains: [],
          })),
        );
      case '/spot/currency_pairs':
        return json(markets.map(({ symbol }) => describe(symbol)));
      case '/spot/candlesticks': {
        const timeframe = readTimeframe(TIMEFRAMES, query.get('interval'));
        const since = readNumber(query, 'from', 1000);
        const until = endOfSecond(readNumber(query, 'to', 1000));
        const lengthMs = lengthOf(timeframe ?? '1m');
        const isTooOld = since !== null && since < nowMs - REACH * lengthMs;
        const isTooBroad = since !== null && (until ?? nowMs) - since > BROADEST * lengthMs;
        return {
          kind: 'candles',
          market: find(query.get('currency_pair') ?? ''),
          timeframe,
          since,
          until,
          limit: readNumber(query, 'limit'),
          ...(isTooOld
            ? { refusal: refuse('Candlestick too long ago. Maximum 10000 points ago are allowed') }
            : isTooBroad
              ? { refusal: refuse('Candlestick range too broad. Maximum 1000 data points are allowed') }
              : {}),
          write: (rows) =>
            rows.map(({ openMs, endMs, open, high, low, close, volume }) => [
              String(openMs / 1000),
              ...[volume, close, high, low, open, volume].map(value),
              String(endMs <= nowMs),
            ]),
        };
      }
      default:
        return undefined;
    }
  },
};

function describe(symbol: string) {
  const [base, quote] = splitSymbol(symbol);
  return {
    id: gate.toId(symbol),
    base,
    quote,
    fee: '0.2',
    min_base_amount: '0.0001',
    min_quote_amount: '1',
    amount_precision: 4,
    precision: 2,
    trade_status: 'tradable',
    sell_start: 0,
    buy_start: 0,
  };
}
