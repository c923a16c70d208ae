import type { Answer, Request } from '../answering-server.ts';
import { listTrueCandles } from '../small-exchange.ts';
import { startWireServer, type WireRow, type WireVenue } from '../wire-venue.ts';

interface BitstampBody {
  readonly data: { readonly pair: string; readonly ohlc: WireRow[] };
}
interface BitstampRow extends Record<string, unknown> {
  readonly timestamp: string;
}

const describeMarket = (base: string, trading: string) => ({
  name: `${base}/USD`,
  market_symbol: `${base.toLowerCase()}usd`,
  base_currency: base,
  base_decimals: 8,
  counter_currency: 'USD',
  counter_decimals: 0,
  minimum_order_value: '10',
  trading,
  instant_order_counter_decimals: 2,
  instant_and_market_orders: 'Enabled',
  description: `${base} / U.S. dollar`,
  market_type: 'SPOT',
});

/**
 * Bitstamp's v2: an exchange of which nothing is declared. Times in seconds, rows as objects, oldest first, and no call
 * for its time.
 */
export const BITSTAMP: WireVenue = {
  id: 'bitstamp',
  symbol: 'BTC/USD',
  feeds: [],
  costOf: () => [],
  tellsTime: false,
  start: (now) =>
    startWireServer({
      now,
      isListing: (path) => path.endsWith('/markets/'),
      isTime: () => false,
      answer: (request) => answer(request, now()),
      listCandles: (since, until) => Promise.resolve(listTrueCandles(since, until, now())),
    }),
  editRows: (json, edit) => {
    const { data } = json as BitstampBody;
    return { data: { ...data, ohlc: edit(data.ohlc) } };
  },
  changeRow: (row, { time, ...values }) => {
    const { timestamp } = row as BitstampRow;
    return {
      ...(row as BitstampRow),
      ...values,
      ...(time && { timestamp: String(time(Number(timestamp) * 1_000) / 1_000) }),
    };
  },
  withoutRows: { data: { pair: 'BTC/USD' } },
  tooMany: { json: { status: 'error', reason: 'Too many requests', code: '400.002' }, status: 429 },
};

function answer({ path, query }: Request, nowMs: number): Answer {
  if (path.endsWith('/markets/'))
    return { json: [describeMarket('BTC', 'Enabled'), describeMarket('LUNA', 'Disabled')] };
  if (!path.endsWith('/ohlc/btcusd/')) return { json: { status: 'error', reason: 'Not found' }, status: 404 };
  const candles = listTrueCandles(Number(query.get('start')) * 1_000, Number(query.get('end')) * 1_000 + 1, nowMs);
  const ohlc = candles.slice(0, Number(query.get('limit'))).map(([time, open, high, low, close, volume]) => ({
    timestamp: String(time / 1_000),
    open,
    high,
    low,
    close,
    volume,
  }));
  return { json: { data: { pair: 'BTC/USD', ohlc } } };
}
