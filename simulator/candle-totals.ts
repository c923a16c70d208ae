import { mixHash } from './noise.ts';
import type { HourBlock, PriceLine } from './price-model.ts';

/** A candle's values without its time: prices in ticks, amounts in steps, quote amounts in tick × step. */
export interface CandleTotals {
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly volume: number;
  readonly quoteVolume: bigint;
  readonly trades: number;
  readonly takerVolume: number;
  readonly takerQuoteVolume: bigint;
}

/** The candle of two neighbours, `earlier` first: open of the first, close of the last, extremes, exact sums. */
export function joinTotals(earlier: CandleTotals | null, later: CandleTotals): CandleTotals {
  if (earlier === null) return later;
  return {
    open: earlier.open,
    high: Math.max(earlier.high, later.high),
    low: Math.min(earlier.low, later.low),
    close: later.close,
    volume: earlier.volume + later.volume,
    quoteVolume: earlier.quoteVolume + later.quoteVolume,
    trades: earlier.trades + later.trades,
    takerVolume: earlier.takerVolume + later.takerVolume,
    takerQuoteVolume: earlier.takerQuoteVolume + later.takerQuoteVolume,
  };
}

/** The candle of the minutes `from` to `until` - 1 of an hour; at least one. */
export function sumMinutes(block: HourBlock, from: number, until: number): CandleTotals {
  let high = 0;
  let low = Infinity;
  let [volume, quoteVolume, trades, takerVolume, takerQuoteVolume] = [0, 0, 0, 0, 0];
  for (let index = from; index < until; index++) {
    high = Math.max(high, block.high[index] ?? 0);
    low = Math.min(low, block.low[index] ?? 0);
    volume += block.volume[index] ?? 0;
    quoteVolume += block.quoteVolume[index] ?? 0;
    trades += block.trades[index] ?? 0;
    takerVolume += block.takerVolume[index] ?? 0;
    takerQuoteVolume += block.takerQuoteVolume[index] ?? 0;
  }
  return {
    open: block.open[from] ?? 0,
    high,
    low,
    close: block.close[until - 1] ?? 0,
    volume,
    quoteVolume: BigInt(quoteVolume),
    trades,
    takerVolume,
    takerQuoteVolume: BigInt(takerQuoteVolume),
  };
}

/**
 * What has happened in a minute when the share `elapsed` (0 to 1) of it has passed: the price goes from open to close
 * by way of both extremes at hashed moments, amounts grow evenly. At 1 it is the whole minute.
 *
 * @param minute the minute's number since the epoch; `index` is its place in the block.
 */
export function partOfMinute(
  line: PriceLine,
  block: HourBlock,
  { minute, index, elapsed }: { minute: number; index: number; elapsed: number },
): CandleTotals {
  const whole = sumMinutes(block, index, index + 1);
  if (elapsed >= 1) return whole;
  const bits = mixHash(line.wickSeed ^ 0x5bd1e995, minute);
  const extremes = (bits & 1) === 0 ? [whole.low, whole.high] : [whole.high, whole.low];
  const moments = [0, 0.1 + 0.35 * (((bits >>> 1) & 0xff) / 256), 0.55 + 0.35 * (((bits >>> 9) & 0xff) / 256), 1];
  const prices = [whole.open, ...extremes, whole.close];
  let [high, low, close] = [whole.open, whole.open, whole.open];
  for (let knot = 1; knot < prices.length; knot++) {
    const [from = 0, to = 1] = moments.slice(knot - 1, knot + 1);
    const [fromPrice = 0, toPrice = 0] = prices.slice(knot - 1, knot + 1);
    if (elapsed <= from) break;
    close = Math.round(fromPrice + (toPrice - fromPrice) * Math.min(1, (elapsed - from) / (to - from)));
    high = Math.max(high, close);
    low = Math.min(low, close);
  }
  const grown = (value: number) => Math.floor(value * elapsed);
  return {
    open: whole.open,
    high,
    low,
    close,
    volume: grown(whole.volume),
    quoteVolume: BigInt(grown(Number(whole.quoteVolume))),
    trades: grown(whole.trades),
    takerVolume: grown(whole.takerVolume),
    takerQuoteVolume: BigInt(grown(Number(whole.takerQuoteVolume))),
  };
}
