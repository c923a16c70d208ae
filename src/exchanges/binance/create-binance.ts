import { BinanceCandleStream } from './binance-candle-stream.ts';
import { BinanceExchange, type BinanceExchangeDeps } from './binance-exchange.ts';
import { toStreamUrl } from './stream-names.ts';

/**
 * Binance with its live stream, which goes to the same origin (null: to Binance itself) and knows the markets and the time
 * by REST.
 */
export function createBinance(deps: Omit<BinanceExchangeDeps, 'candleStream'>, origin: string | null): BinanceExchange {
  const candleStream = new BinanceCandleStream({
    url: toStreamUrl(origin),
    clock: deps.clock,
    logger: deps.logger,
    findMarketId: async (symbol, signal) => await exchange.findMarketId(symbol, signal),
    exchangeNow: () => exchange.now(),
  });
  const exchange: BinanceExchange = new BinanceExchange({ ...deps, candleStream });
  return exchange;
}
