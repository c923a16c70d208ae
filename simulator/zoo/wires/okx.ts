import { PLAIN } from '../zoo-dialect.ts';
import { json, readNumber, readTimeframe, splitSymbol, type ZooWire } from '../zoo-wire.ts';

const TIMEFRAMES = {
  '1m': '1m',
  '3m': '3m',
  '5m': '5m',
  '15m': '15m',
  '30m': '30m',
  '1h': '1H',
  '2h': '2H',
  '4h': '4H',
  '6h': '6Hutc',
  '12h': '12Hutc',
  '1d': '1Dutc',
  '1w': '1Wutc',
};

/**
 * OKX gives up to 300 candles, newest first, and takes both ends as exclusive: `before` is the older one. The last column
 * says whether the candle is complete. A slot without a trade repeats the last price. Days in UTC where the bar says so.
 * https://www.okx.com/docs-v5/en/#order-book-trading-market-data-get-candlesticks-history
 */
export const okx: ZooWire = {
  id: 'okx',
  quote: 'USDT',
  values: 'strings',
  dialect: {
    ...PLAIN,
    pageLimit: 300,
    cutKeeps: 'newest',
    since: 'exclusive',
    until: 'exclusive',
    order: 'newest-first',
    emptyCandles: 'repeated',
    closingTime: false,
  },
  toId: (symbol) => symbol.replace('/', '-'),
  errorBody: { code: '50001', msg: 'Service temporarily unavailable. Please try again later', data: [] },
  refusal: json({ code: '51000', msg: 'Parameter bar error', data: [] }),
  answer({ path, query }, { nowMs, markets, find, value }) {
    const envelope = (data: unknown) => ({ code: '0', msg: '', data });
    switch (path) {
      case '/api/v5/public/time':
        return json(envelope([{ ts: String(nowMs) }]));
      case '/api/v5/public/instruments':
        return json(envelope(query.get('instType') === 'SPOT' ? markets.map(({ symbol }) => describe(symbol)) : []));
      case '/api/v5/market/candles':
      case '/api/v5/market/history-candles':
        return {
          kind: 'candles',
          market: find(query.get('instId') ?? ''),
          timeframe: readTimeframe(TIMEFRAMES, query.get('bar')),
          since: readNumber(query, 'before'),
          until: readNumber(query, 'after'),
          limit: readNumber(query, 'limit') ?? 100,
          write: (rows) =>
            envelope(
              rows.map(({ openMs, endMs, open, high, low, close, volume }) => [
                String(openMs),
                ...[open, high, low, close, volume, volume, volume].map(value),
                endMs <= nowMs ? '1' : '0',
              ]),
            ),
        };
      default:
        return undefined;
    }
  },
};

function describe(symbol: string) {
  const [baseCcy, quoteCcy] = splitSymbol(symbol);
  return {
    instId: okx.toId(symbol),
    instType: 'SPOT',
    baseCcy,
    quoteCcy,
    settleCcy: '',
    uly: '',
    lever: '',
    listTime: '1548133413000',
    lotSz: '0.0001',
    minSz: '0.0001',
    tickSz: '0.01',
    state: 'live',
  };
}
