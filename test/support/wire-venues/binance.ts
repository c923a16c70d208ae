import { findInterval } from '../../../simulator/binance-interval.ts';
import type { Fault } from '../../../simulator/fault.ts';
import { SimulatedExchange } from '../../../simulator/simulated-exchange.ts';
import { DEFAULT_MARKETS } from '../../../simulator/symbol-catalogue.ts';
import { FUTURES_FEEDS } from '../../../src/market/futures-snapshot.ts';
import type { Answer } from '../answering-server.ts';
import type { Distortion, RunningVenue, TrueCandle, WireRow, WireVenue } from '../wire-venue.ts';
import { changeListRow } from './list-row.ts';

const isListing = (path: string) => path.endsWith('exchangeInfo');
const isRows = (path: string) => !isListing(path) && !path.endsWith('/time');

/** Binance as the bundled simulator speaks it. */
export const BINANCE: WireVenue = {
  id: 'binance',
  symbol: 'BTC/USDT',
  feeds: FUTURES_FEEDS,
  costOf: (kind) => {
    if (kind === 'candles') return [{ counter: 'spot', weight: 2 }];
    if (kind === 'mark_price') return [{ counter: 'futures', weight: 2 }];
    if (kind === 'funding_rate') return [{ counter: 'funding', weight: 1 }];
    if (kind !== 'listing') return [{ counter: 'statistics', weight: 1 }];
    return [
      { counter: 'spot', weight: 20 },
      { counter: 'futures', weight: 1 },
    ];
  },
  tellsTime: true,
  start: startSimulator,
  editRows: (json, edit) => edit(json as WireRow[]),
  changeRow: changeListRow,
  withoutRows: { code: 0 },
  tooMany: { json: { code: -1003, msg: 'Too many requests.' }, status: 400 },
};

async function startSimulator(now: () => number): Promise<RunningVenue> {
  const distort: RunningVenue['distort'] = { rows: null, listing: null };
  const exchange = new SimulatedExchange({
    seed: 'conformance',
    now,
    symbols: DEFAULT_MARKETS.filter(({ symbol }) => ['BTC/USDT', 'XMR/USDT'].includes(symbol)),
    intercept: ({ path }) => toFault(isListing(path) ? distort.listing : isRows(path) ? distort.rows : null),
  });
  const { origin } = await exchange.listen();
  return {
    origin,
    distort,
    count: (kind) => exchange.requests.filter(({ path }) => (kind === 'listing' ? isListing : isRows)(path)).length,
    total: () => exchange.requestCount,
    listCandles: (since, until) => Promise.resolve(listKlines(exchange, since, until, now())),
    [Symbol.asyncDispose]: () => exchange.close(),
  };
}

function listKlines(exchange: SimulatedExchange, since: number, until: number, nowMs: number): TrueCandle[] {
  const [interval, source] = [findInterval('1h'), exchange.venue.spot.get('BTCUSDT')?.klines];
  if (!interval || !source) throw new Error('the simulator has no hours of BTCUSDT');
  const rows = source.listKlines({ interval, startMs: since, endMs: until - 1, limit: 10_000, nowMs }) ?? [];
  return rows.map((row) => row.slice(0, 6) as unknown as TrueCandle);
}

function toFault(distortion: Distortion): Fault | undefined {
  if (distortion === null) return undefined;
  if (typeof distortion === 'function') {
    return { rewrite: distortion, headers: { 'content-type': 'application/json' } };
  }
  return toWholeFault(distortion);
}

function toWholeFault(answer: Answer): Fault {
  if ('stall' in answer) return answer.stall === 'cut' ? { cutAfterBytes: 20 } : { stall: answer.stall };
  const [body, type] =
    'json' in answer ? [answer.json, 'application/json'] : [answer.text, answer.type ?? 'application/json'];
  return { status: answer.status ?? 200, headers: { 'content-type': type, ...answer.headers }, body };
}
