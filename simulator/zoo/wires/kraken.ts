import { PLAIN } from '../zoo-dialect.ts';
import { THURSDAY_MS } from '../zoo-grid.ts';
import { json, readNumber, readTimeframe, splitSymbol, type ZooWire } from '../zoo-wire.ts';

const TIMEFRAMES = {
  '1m': '1',
  '5m': '5',
  '15m': '15',
  '30m': '30',
  '1h': '60',
  '4h': '240',
  '1d': '1440',
  '1w': '10080',
};
const result = (value: unknown) => json({ error: [], result: value });

/**
 * Kraken keeps the newest 720 slots of each timeframe, knows no end of a range, and takes `since` as exclusive; a slot
 * without a trade has no row. Times are seconds. https://docs.kraken.com/api/docs/rest-api/get-ohlc-data
 */
export const kraken: ZooWire = {
  id: 'kraken',
  quote: 'USD',
  values: 'strings',
  dialect: {
    ...PLAIN,
    pageLimit: 720,
    cutKeeps: 'newest',
    depths: { '*': { count: 720, of: 'slots' } },
    since: 'exclusive',
    until: 'ignored',
    anchors: { dayMs: 0, weekMs: THURSDAY_MS },
    closingTime: false,
  },
  toId: (symbol) => symbol.replace('/', ''),
  errorBody: { error: ['EService:Unavailable'] },
  refusal: json({ error: ['EGeneral:Invalid arguments'] }),
  answer({ path, query }, { nowMs, markets, find, value }) {
    switch (path) {
      case '/0/public/Time':
        return result({ unixtime: Math.floor(nowMs / 1000), rfc1123: new Date(nowMs).toUTCString() });
      case '/0/public/Assets': {
        const assets = markets.flatMap(({ symbol }) => splitSymbol(symbol));
        const asset = (altname: string) => ({ aclass: 'currency', altname, decimals: 10, status: 'enabled' });
        return result(Object.fromEntries(assets.map((name) => [name, asset(name)])));
      }
      case '/0/public/AssetPairs':
        return result(Object.fromEntries(markets.map(({ symbol }) => [kraken.toId(symbol), describe(symbol)])));
      case '/0/public/OHLC': {
        const id = query.get('pair') ?? '';
        return {
          kind: 'candles',
          market: find(id),
          timeframe: readTimeframe(TIMEFRAMES, query.get('interval')),
          since: readNumber(query, 'since', 1000),
          until: null,
          limit: null,
          write: (rows) => ({
            error: [],
            result: {
              [id]: rows.map(({ openMs, open, high, low, close, volume }) => [
                openMs / 1000,
                ...[open, high, low, close, close, volume].map(value),
                1,
              ]),
              last: (rows.at(-2)?.openMs ?? nowMs) / 1000,
            },
          }),
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
    altname: kraken.toId(symbol),
    wsname: symbol,
    aclass_base: 'currency',
    base,
    aclass_quote: 'currency',
    quote,
    pair_decimals: 2,
    lot_decimals: 4,
    leverage_buy: [],
    leverage_sell: [],
    fees: [[0, 0.4]],
    fees_maker: [[0, 0.25]],
    ordermin: '1',
    costmin: '0.5',
    tick_size: '0.01',
    status: 'online',
  };
}
