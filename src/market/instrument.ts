import type { Timeframe } from './timeframe.ts';

/** A market as an exchange lists it. `symbol` is ccxt's unified spot symbol, such as `BTC/USDT`. */
export interface Instrument {
  readonly exchange: string;
  readonly symbol: string;
  readonly base: string;
  readonly quote: string;
  /** False where trading is halted or the market is delisted. */
  readonly active: boolean;
  /** Whether the exchange has a linear perpetual on it (`BTC/USDT:USDT`), whose futures data is stored under `symbol`. */
  readonly hasPerpetual: boolean;
}

/** One line of candles: what the rows of ohlcv_data with the same three values are. */
export interface Series {
  readonly exchange: string;
  readonly symbol: string;
  readonly timeframe: Timeframe;
}

/** A series as far as somebody names it. */
export type SeriesFilter = { readonly [K in keyof Series]?: Series[K] };

/** What to collect: one entry of MARKETS. `symbol` may hold one `*` for any base or quote, such as `*\/USDT`. */
export interface MarketPattern {
  readonly exchange: string;
  readonly symbol: string;
}

/** `binance BTC/USDT 1h`, for logs and keys. */
export function seriesKey({ exchange, symbol, timeframe }: Series): string {
  return `${exchange} ${symbol} ${timeframe}`;
}

/** Whether the pattern has a `*`. */
export function isWildcard(pattern: MarketPattern): boolean {
  return pattern.symbol.includes('*');
}

/** Whether the pattern means this symbol of this exchange; a `*` stands for one whole currency. */
export function matchesPattern(pattern: MarketPattern, instrument: { exchange: string; symbol: string }): boolean {
  if (pattern.exchange !== instrument.exchange) return false;
  const wanted = pattern.symbol.split('/');
  const given = instrument.symbol.split('/');
  return wanted.length === given.length && wanted.every((part, index) => part === '*' || part === given[index]);
}

/** Whether the text has the form of ccxt's exchange ids. */
export function isExchangeId(text: string): boolean {
  return /^[a-z0-9_]{1,40}$/.test(text);
}

/** Whether the text has the form of a unified spot symbol. Currencies have odd names too, such as A-B or 币安. */
export function isSymbol(text: string): boolean {
  return text.length <= 60 && /^[^\s/:,"]+\/[^\s/:,"]+$/.test(text);
}

/** The exchange's id as people write it, in lower case; null where the text has not the form of one. */
export function readExchangeId(text: string): string | null {
  const id = text.toLowerCase();
  return isExchangeId(id) ? id : null;
}

/**
 * The unified spot symbol (or a pattern of them) as people write it, in upper case; null where it has not the form of
 * one.
 */
export function readSymbol(text: string): string | null {
  const symbol = text.toUpperCase();
  return isSymbol(symbol) ? symbol : null;
}
