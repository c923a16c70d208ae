import type { Candle } from '../../src/market/candle.ts';
import type { Decimal } from '../../src/market/decimal.ts';
import type { Series } from '../../src/market/instrument.ts';
import { parseTimeframe } from '../../src/market/timeframe.ts';

/** A candle with these values, as exact texts. */
export function candleOf(
  timestamp: number | string,
  [open, high, low, close, volume]: readonly [string, string, string, string, string] = ['2', '3.10', '1', '2.5', '7'],
): Candle {
  return {
    timestamp: typeof timestamp === 'number' ? timestamp : Date.parse(timestamp),
    open: open as Decimal,
    high: high as Decimal,
    low: low as Decimal,
    close: close as Decimal,
    volume: volume as Decimal,
  };
}

export function seriesOf(exchange: string, symbol: string, timeframe: string): Series {
  return { exchange, symbol, timeframe: parseTimeframe(timeframe) };
}

/** `count` different candles, `stepMs` apart. */
export function candlesFrom(since: number, stepMs: number, count: number): Candle[] {
  return Array.from({ length: count }, (_, index) => {
    const low = `0.${String(2000 + index).padStart(8, '0')}`;
    const high = `0.${String(4000 + index).padStart(8, '0')}0`;
    return candleOf(since + index * stepMs, [low, high, low, high, `${index}.500`]);
  });
}
