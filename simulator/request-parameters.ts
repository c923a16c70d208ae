import { findInterval, type BinanceInterval } from './binance-interval.ts';
import { refuse } from './wire-error.ts';

/** The parameters of one request, read as Binance reads them: each method refuses in its words. */
export class RequestParameters {
  readonly #query: URLSearchParams;

  constructor(query: URLSearchParams) {
    this.#query = query;
  }

  find(name: string): string | null {
    const value = this.#query.get(name);
    return value === '' ? null : value;
  }

  require(name: string): string {
    const value = this.find(name);
    if (value === null) {
      throw refuse(-1102, `Mandatory parameter '${name}' was not sent, was empty/null, or malformed.`);
    }
    return value;
  }

  /** A whole number, or null where it was not sent. */
  findInteger(name: string): number | null {
    const text = this.find(name);
    if (text === null) return null;
    const value = Number(text);
    if (!/^[0-9]{1,20}$/.test(text)) {
      throw refuse(-1100, `Illegal characters found in parameter '${name}'; legal range is '^[0-9]{1,20}$'.`);
    }
    if (!Number.isSafeInteger(value) || value > MAX_TIME_MS) throw invalid(name);
    return value;
  }

  /** How many rows are asked for; what is over `most` counts as `most`. */
  limit({ ordinary, most }: { ordinary: number; most: number }): number {
    const value = this.findInteger('limit') ?? ordinary;
    if (value < 1) throw invalid('limit');
    return Math.min(value, most);
  }

  /** The candle length; must be one of `served` where that is given. */
  interval(name: string, served?: readonly BinanceInterval[]): BinanceInterval {
    const interval = findInterval(this.require(name));
    if (interval === null || served?.includes(interval) === false) throw refuse(-1120, 'Invalid interval.');
    return interval;
  }

  /** The listing that the parameter `symbol` names. */
  listing<T>(listings: ReadonlyMap<string, T>): T {
    return findListing(listings, this.require('symbol'));
  }
}

/** Milliseconds beyond this are no date (ECMAScript's own bound). */
const MAX_TIME_MS = 8.64e15;

/** The listing of that id; refuses as Binance does where there is none. */
export function findListing<T>(listings: ReadonlyMap<string, T>, id: string): T {
  const listing = listings.get(id);
  if (listing === undefined) throw refuse(-1121, 'Invalid symbol.');
  return listing;
}

/** Binance's refusal of a value that it can read but not use. */
export function invalid(name: string): Error {
  return refuse(-1130, `parameter '${name}' is invalid.`);
}
