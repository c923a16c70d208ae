import type { Timeframe } from '../../market/timeframe.ts';

/** Binance's own host for market data. @see https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams */
const BINANCE_STREAM_URL = 'wss://stream.binance.com:9443/stream';

/** The candle lengths that are streamed and have a fixed length of a minute or more. */
const STREAMED: ReadonlySet<string> = new Set([
  '1m',
  '3m',
  '5m',
  '15m',
  '30m',
  '1h',
  '2h',
  '4h',
  '6h',
  '8h',
  '12h',
  '1d',
  '3d',
  '1w',
]);

/** The name of a market's candles, such as `btcusdt@kline_1m` for `BTCUSDT`; null where they are not streamed. */
export function toStreamName(marketId: string, timeframe: Timeframe): string | null {
  return STREAMED.has(timeframe) ? `${marketId.toLowerCase()}@kline_${timeframe}` : null;
}

/**
 * Where combined streams are served: at Binance itself, or, where every request goes to another origin
 * (`http://127.0.0.1:9001`), at the same host.
 */
export function toStreamUrl(origin: string | null): string {
  return origin === null ? BINANCE_STREAM_URL : `${origin.replace(/^http/, 'ws')}/stream`;
}
