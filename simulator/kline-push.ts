import type { Decimal } from '../src/market/decimal.ts';
import { findInterval, type BinanceInterval } from './binance-interval.ts';
import type { KlineRow } from './klines.ts';

/**
 * The message of a kline stream: the candle so far, or at its end with `x: true`. `f` and `L` are the first and the
 * last trade's number, -1 where nothing was traded.
 * https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams#klinecandlestick-streams-for-utc
 */
export interface KlinePush {
  readonly e: 'kline';
  readonly E: number;
  readonly s: string;
  readonly k: {
    readonly t: number;
    readonly T: number;
    readonly s: string;
    readonly i: BinanceInterval;
    readonly f: number;
    readonly L: number;
    readonly o: Decimal;
    readonly c: Decimal;
    readonly h: Decimal;
    readonly l: Decimal;
    readonly v: Decimal;
    readonly n: number;
    readonly x: boolean;
    readonly q: Decimal;
    readonly V: Decimal;
    readonly Q: Decimal;
    readonly B: '0';
  };
}

/** What a kline stream's name means; `id` is the market's, such as `BTCUSDT`. */
export interface KlineTopic {
  readonly id: string;
  readonly interval: BinanceInterval;
}

/** The topic of `btcusdt@kline_1m`, or null for any other name: symbols are in small letters here. */
export function findKlineTopic(stream: string): KlineTopic | null {
  const match = /^([a-z0-9]+)@kline_(\w+)$/.exec(stream);
  const interval = findInterval(match?.[2] ?? '');
  return match?.[1] === undefined || interval === null ? null : { id: match[1].toUpperCase(), interval };
}

/** The message about a row. Trade numbers are invented: they start at the opening time, so that none comes twice. */
export function toKlinePush(row: KlineRow, { id, interval }: KlineTopic, sentMs: number, isClosed: boolean): KlinePush {
  const [t, o, h, l, c, v, T, q, n, V, Q] = row;
  const [f, L] = n === 0 ? [-1, -1] : [t, t + n - 1];
  return {
    e: 'kline',
    E: sentMs,
    s: id,
    k: { t, T, s: id, i: interval, f, L, o, c, h, l, v, n, x: isClosed, q, V, Q, B: '0' },
  };
}
