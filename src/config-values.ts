import { isIP } from 'node:net';
import { z } from 'zod';
import { messageOf } from './errors.ts';
import { EARLIEST_MS } from './market/candle.ts';
import { isWildcard, readExchangeId, readSymbol, type MarketPattern } from './market/instrument.ts';
import { parseMoment } from './market/moments.ts';
import { parsed } from './parsed.ts';

/** A variable that ends in `parse`: what it throws becomes the variable's problem. */
export function variable<T>(parse: (value: string) => T) {
  return parsed(z.string(), parse);
}

/** A whole number from `min` to `max`. */
export function wholeNumber(min: number, max: number) {
  return variable((value) => {
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < min || number > max)
      throw new RangeError(`must be a whole number from ${min} to ${max}`);
    return number;
  });
}

/** true or false, in the words that people use. */
export const boolean = variable((value) => {
  const word = value.toLowerCase();
  if (['true', '1', 'yes', 'on'].includes(word)) return true;
  if (['false', '0', 'no', 'off'].includes(word)) return false;
  throw new RangeError('must be true or false');
});

/** A libpq URL, kept as it is. */
export const databaseUrl = variable((value) => {
  let url: URL;
  try {
    url = new URL(value);
  } catch {
    throw new RangeError('must be a URL such as postgresql://user:password@host:5432/database');
  }
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:')
    throw new RangeError('must begin with postgresql:// (or postgres://)');
  return value;
});

/** An http(s) origin and nothing behind it. Throws RangeError. */
export function parseOrigin(value: string): string {
  let url: URL;
  try {
    url = new URL(value);
  } catch {
    throw new RangeError('is not a URL');
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new RangeError('must begin with http:// or https://');
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '')
    throw new RangeError('must be an origin only, such as http://127.0.0.1:9001');
  return url.origin;
}

/** A comma list, each item once. Throws RangeError for an empty one. */
export function parseList<T>(value: string, parse: (item: string) => T): T[] {
  const items = value.split(',').map((item) => item.trim());
  if (items.includes('')) throw new RangeError('has an empty item: separate items by single commas');
  return [...new Set(items)].map(parse);
}

export function parseCorsOrigin(item: string): string {
  if (item === '*') return item;
  try {
    return parseOrigin(item);
  } catch (error) {
    throw new RangeError(`"${item}" ${messageOf(error)}`, { cause: error });
  }
}

/** An address, or a network in CIDR notation. */
export function parseNetwork(item: string): string {
  const [address = '', length] = item.split('/', 2);
  const family = isIP(address);
  const isLength = length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= (family === 4 ? 32 : 128));
  if (family === 0 || !isLength || item.split('/').length > 2)
    throw new RangeError(`"${item}" is neither an address nor a network, such as 10.0.0.0/8`);
  return item;
}

/** `exchange:BASE/QUOTE`, where a * stands for a whole currency. Throws RangeError. */
export function parseMarket(item: string): MarketPattern {
  const colon = item.indexOf(':');
  const [exchange, symbol] = [readExchangeId(item.slice(0, colon)), readSymbol(item.slice(colon + 1))];
  if (colon < 0 || exchange === null || symbol === null)
    throw new RangeError(`"${item}" is not a market: write exchange:BASE/QUOTE, such as binance:BTC/USDT`);
  const pattern = { exchange, symbol };
  if (isWildcard(pattern) && !/^(\*|[^*]+)\/(\*|[^*]+)$/.test(symbol))
    throw new RangeError(`"${item}": a * stands for one whole currency, such as binance:*/USDT`);
  return pattern;
}

/** An ISO date or moment of the past, as epoch milliseconds. Throws RangeError. */
export function parsePastMoment(value: string): number {
  const ms = parseMoment(value);
  if (ms < EARLIEST_MS) throw new RangeError('lies before 2009-01-03, when there was nothing to trade');
  if (ms > Date.now()) throw new RangeError('lies in the future');
  return ms;
}
