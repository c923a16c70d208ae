import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import type { Candle } from '../../src/market/candle.ts';
import type { Decimal } from '../../src/market/decimal.ts';
import type { Series } from '../../src/market/instrument.ts';
import { parseTimeframe, timeframeMs } from '../../src/market/timeframe.ts';
import { toCandleText } from '../export/candle-text.ts';

const TIMEFRAME = parseTimeframe('1m');
export const MINUTE_MS = timeframeMs(TIMEFRAME);

/** Start price and decimals of prices and volumes, as they are on real markets of that size. */
const MARKETS = [
  { symbol: 'BTC/USDT', price: 67_000, decimals: 2, volume: 40, volumeDecimals: 5 },
  { symbol: 'ETH/USDT', price: 3400, decimals: 2, volume: 300, volumeDecimals: 4 },
  { symbol: 'SOL/USDT', price: 150, decimals: 2, volume: 5000, volumeDecimals: 3 },
  { symbol: 'XRP/ETH', price: 0.0014, decimals: 8, volume: 2000, volumeDecimals: 0 },
] as const;

export interface InventedSeries {
  readonly series: Series;
  readonly candles: Candle[];
}

/** `count` series of 1m candles with `rows` each, the first at `since`; the same at every run. */
export function inventSeries(count: number, rows: number, since: number): InventedSeries[] {
  return Array.from({ length: count }, (_, index) => {
    const market = MARKETS[index % MARKETS.length] ?? MARKETS[0];
    const symbol = index < MARKETS.length ? market.symbol : `C${index}/USDT`;
    const random = createRandom(index + 1);
    let price: number = market.price;
    const text = (value: number, decimals: number = market.decimals) => value.toFixed(decimals) as Decimal;
    const candles = Array.from({ length: rows }, (_unused, row) => {
      const open = price;
      price *= 1 + (random() - 0.5) * 0.002;
      const high = Math.max(open, price) * (1 + random() * 0.0005);
      const low = Math.min(open, price) * (1 - random() * 0.0005);
      return {
        timestamp: since + row * MINUTE_MS,
        open: text(open),
        high: text(high),
        low: text(low),
        close: text(price),
        volume: text(market.volume * random() ** 2, market.volumeDecimals),
      };
    });
    return { series: { exchange: 'binance', symbol, timeframe: TIMEFRAME }, candles };
  });
}

/** Writes all of them as our export's CSV, one series after the other. */
export async function writeCsv(path: string, all: readonly InventedSeries[]): Promise<void> {
  const file = createWriteStream(path);
  let header = true;
  for (const { series, candles } of all) {
    const pages = async function* () {
      for (let start = 0; start < candles.length; start += 10_000)
        yield await Promise.resolve(candles.slice(start, start + 10_000));
    };
    for await (const text of toCandleText(series, pages(), 'csv')) {
      const isHeader = text.startsWith('exchange,');
      if (isHeader && !header) continue;
      header = false;
      if (!file.write(text)) await once(file, 'drain');
    }
  }
  file.end();
  await once(file, 'finish');
}

/** Mulberry32: numbers from 0 to 1, the same for the same seed. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
