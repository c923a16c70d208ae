import type { ZooDialect } from './zoo-dialect.ts';
import type { ZooMarket, ZooRow } from './zoo-market.ts';

/** A request as it came over HTTP. */
export interface WireRequest {
  readonly method: string;
  /** Decoded, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** The parsed JSON body; null where there is none. */
  readonly body: unknown;
}

/** What a wire may know of the exchange behind it. */
export interface ZooVenue {
  /** The exchange's clock, epoch milliseconds. */
  readonly nowMs: number;
  /** Those that are listed now. */
  readonly markets: readonly ZooMarket[];
  /** Also one that is no longer listed; by the wire's own id. */
  readonly find: (id: string) => ZooMarket | undefined;
  /** A price or amount as the dialect sends it: a JSON string, or a JSON number with the same digits. */
  readonly value: (digits: string) => unknown;
  /** Whether rows tell when their candle ends, where the wire may leave that out. */
  readonly hasClosingTime: boolean;
}

/** A request for candles, and how to write the answer. */
export interface WireCandles {
  readonly kind: 'candles';
  readonly market: ZooMarket | undefined;
  /** In ccxt's spelling; undefined: the wire does not have what was asked for. */
  readonly timeframe: string | undefined;
  readonly since: number | null;
  /** The last moment that is meant, epoch milliseconds. */
  readonly until: number | null;
  readonly limit: number | null;
  /** The wire's own reason to refuse the request, as a whole answer. */
  readonly refusal?: WireBody;
  /** The body for these rows, in the order in which they are sent. */
  readonly write: (rows: readonly ZooRow[], venue: ZooVenue) => unknown;
}

export interface WireBody {
  readonly kind: 'body';
  readonly status?: number;
  readonly body: unknown;
  /** Sent as it is, with this type, instead of JSON. */
  readonly type?: string;
}

/** The true shape of one exchange's API, as ccxt's class asks for it and reads it. */
export interface ZooWire {
  /** ccxt's id. */
  readonly id: string;
  /** The quote currency in which a test finds the exchange's markets. */
  readonly quote: string;
  /** How the real exchange answers. */
  readonly dialect: ZooDialect;
  /** Whether values are strings in the exchange's own rows. */
  readonly values: 'strings' | 'numbers';
  /** The exchange's id of a market, from ccxt's unified symbol. */
  toId(symbol: string): string;
  /** The answer; undefined: there is no such path. */
  answer(request: WireRequest, venue: ZooVenue): WireCandles | WireBody | undefined;
  /** What it says, with status 200 where it can, when something is wrong with it. */
  readonly errorBody: unknown;
  /** What it says to a timeframe or a symbol that it does not have. */
  readonly refusal: WireBody;
}

/** An answer without more ado. */
export function json(body: unknown, status = 200): WireBody {
  return { kind: 'body', body, status };
}

/** A whole number of a query; null where it is absent. */
export function readNumber(query: URLSearchParams, name: string, factor = 1): number | null {
  const text = query.get(name);
  return text === null || text === '' ? null : Number(text) * factor;
}

/** The last millisecond of a second that is meant as the last one. */
export function endOfSecond(timeMs: number | null): number | null {
  return timeMs === null ? null : timeMs + 999;
}

/** Base and quote of a unified symbol. */
export function splitSymbol(symbol: string): readonly [base: string, quote: string] {
  const [base = '', quote = ''] = symbol.split('/');
  return [base, quote];
}

/** Finds ccxt's spelling of a timeframe in a table from it to the exchange's own. */
export function readTimeframe(table: Readonly<Record<string, string>>, own: string | null): string | undefined {
  return Object.keys(table).find((timeframe) => table[timeframe] === own);
}
