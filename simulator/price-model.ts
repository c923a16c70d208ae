import { createOctaves, mixHash, seedOf, sumOctaves, type Octave } from './noise.ts';

/** What a line of prices is made from. */
export interface PriceLineSpec {
  /** Lines with the same key move together: spot, perpetual, index and mark price of one coin, of one seed. */
  readonly pathKey: string;
  /** Distinguishes this line's own details (wicks, volumes) from those of the others on the same path. */
  readonly lineKey: string;
  /** The price, in the quote currency, around which the line wanders over years. */
  readonly level: number;
  /** Standard deviation of an ordinary hour's logarithmic return, such as 0.005. */
  readonly hourlyVolatility: number;
  /** How much of the perpetual's premium over spot the line carries: 0 spot and index, 1 perpetual. */
  readonly premium: number;
  /** Decimals of a price: one tick is 10^-tickDecimals. */
  readonly tickDecimals: number;
  /** Decimals of an amount: one step is 10^-stepDecimals. */
  readonly stepDecimals: number;
  /** Ordinary turnover of a minute in the quote currency; 0 for lines without trades (index and mark price). */
  readonly quotePerMinute: number;
}

/** A line of prices, ready to be asked: a pure function of (spec, time). */
export interface PriceLine {
  readonly spec: PriceLineSpec;
  readonly levelLog: number;
  readonly slow: readonly Octave[];
  readonly fast: readonly Octave[];
  readonly volatility: readonly Octave[];
  readonly premium: readonly Octave[];
  readonly walkSeed: number;
  readonly wickSeed: number;
  readonly tradeSeed: number;
}

/**
 * The sixty minutes of one hour. Prices in ticks, amounts in steps, quote amounts in tick × step, all whole numbers
 * that a double holds exactly, also summed over the hour (see `checkMarket`).
 */
export interface HourBlock {
  readonly open: Float64Array;
  readonly high: Float64Array;
  readonly low: Float64Array;
  readonly close: Float64Array;
  readonly volume: Float64Array;
  readonly quoteVolume: Float64Array;
  readonly trades: Float64Array;
  readonly takerVolume: Float64Array;
  readonly takerQuoteVolume: Float64Array;
  /** The price at the start of each minute and at the end of the last. */
  readonly boundary: Float64Array;
}

/** No minute turns over more than this many ordinary ones: it keeps an hour's sums exact. */
export const BUSIEST_MINUTE = 10;

/** Trades of an ordinary minute. */
const ORDINARY_TRADES = 240;

const MINUTES = 60;
// About Brownian: an octave's amplitude grows with the root of its period, and saturates so that prices stay near
// their level over decades. The periods (hours) have no common multiple, so nothing comes round again.
const SLOW_PERIODS = [29_917, 13_007, 5_653, 2_459, 1_069, 463, 201.7, 88.3, 38.9];
const FAST_PERIODS = [17.1, 7.43, 3.19, 1.37];
const SATURATION_HOURS = 8_000;
/** Share of an octave in the hourly return, so that all of them together give `hourlyVolatility`. */
const OCTAVE_SHARE = 0.77;

export function createPriceLine(spec: PriceLineSpec): PriceLine {
  const { pathKey, lineKey, hourlyVolatility } = spec;
  const amplitudeOf = (period: number) =>
    OCTAVE_SHARE * hourlyVolatility * Math.sqrt(period / (1 + period / SATURATION_HOURS));
  return {
    spec,
    levelLog: Math.log(spec.level),
    slow: createOctaves(`${pathKey}:slow`, SLOW_PERIODS, amplitudeOf),
    fast: createOctaves(`${pathKey}:fast`, FAST_PERIODS, amplitudeOf),
    volatility: createOctaves(`${pathKey}:volatility`, [13.7, 77.3, 431, 2_111], () => 0.42),
    premium: createOctaves(`${pathKey}:premium`, [5.3, 23.9, 149], () => 0.000_45),
    walkSeed: seedOf(`${pathKey}:walk`),
    wickSeed: seedOf(`${pathKey}:${lineKey}:wick`),
    tradeSeed: seedOf(`${pathKey}:${lineKey}:trade`),
  };
}

/** An empty block for `fillHour`. */
export function createHourBlock(): HourBlock {
  const column = () => new Float64Array(MINUTES);
  return {
    open: column(),
    high: column(),
    low: column(),
    close: column(),
    volume: column(),
    quoteVolume: column(),
    trades: column(),
    takerVolume: column(),
    takerQuoteVolume: column(),
    boundary: new Float64Array(MINUTES + 1),
  };
}

/** The perpetual's premium over spot at `hour` (hours since the epoch, may have a fraction), as a fraction. */
export function premiumAt(line: PriceLine, hour: number): number {
  return 0.000_1 + sumOctaves(line.premium, hour);
}

/** How lively the market is: 1 is ordinary; calm and wild stretches last hours to months, afternoons are livelier. */
function livelinessAt(line: PriceLine, hour: number): number {
  const ofDay = Math.cos(((((hour % 24) + 24) % 24) - 15) * (Math.PI / 12));
  return Math.exp(sumOctaves(line.volatility, hour)) * (1 + 0.25 * ofDay);
}

function logPriceAt(line: PriceLine, hour: number): number {
  const path = line.levelLog + sumOctaves(line.slow, hour) + livelinessAt(line, hour) * sumOctaves(line.fast, hour);
  return line.spec.premium === 0 ? path : path + line.spec.premium * premiumAt(line, hour);
}

/**
 * Computes the hour number `hour` (whole hours since the epoch) into `block`: a random walk of minutes tied to the
 * prices of both full hours, so that hours join without a seam and any of them can be computed alone.
 */
export function fillHour(line: PriceLine, hour: number, block: HourBlock): void {
  const liveliness = livelinessAt(line, hour);
  const minuteVolatility = (line.spec.hourlyVolatility * liveliness) / Math.sqrt(MINUTES);
  fillBoundaries(line, hour, minuteVolatility, block.boundary);
  for (let index = 0; index < MINUTES; index++) {
    fillPrices(line, hour, index, minuteVolatility, block);
    fillTrades(line, hour, index, { liveliness, minuteVolatility }, block);
  }
}

function fillBoundaries(line: PriceLine, hour: number, minuteVolatility: number, boundary: Float64Array): void {
  let walk = 0;
  for (let index = 1; index <= MINUTES; index++) {
    const bits = mixHash(line.walkSeed, hour * MINUTES + index);
    // Two uniform halves make a triangular step of standard deviation 1.
    walk += ((bits & 0xffff) / 65_536 + (bits >>> 16) / 65_536 - 1) * 2.449;
    boundary[index] = walk;
  }
  const ticksPerUnit = 10 ** line.spec.tickDecimals;
  const from = logPriceAt(line, hour);
  const to = logPriceAt(line, hour + 1);
  for (let index = 0; index < MINUTES; index++) {
    const share = index / MINUTES;
    const step = index === 0 ? 0 : (boundary[index] ?? 0) - walk * share;
    boundary[index] = toTicks(from + (to - from) * share + step * minuteVolatility, ticksPerUnit);
  }
  boundary[MINUTES] = toTicks(to, ticksPerUnit);
}

function toTicks(logPrice: number, ticksPerUnit: number): number {
  return Math.max(2, Math.round(Math.exp(logPrice) * ticksPerUnit));
}

function fillPrices(line: PriceLine, hour: number, index: number, minuteVolatility: number, block: HourBlock): void {
  const bits = mixHash(line.wickSeed, hour * MINUTES + index);
  const start = block.boundary[index] ?? 0;
  const close = block.boundary[index + 1] ?? 0;
  const hasTrades = line.spec.quotePerMinute > 0;
  // Half of the minutes open one tick away from the last trade of the minute before, as buyers and sellers alternate.
  const jump = !hasTrades || (bits & 2) !== 0 ? 0 : (bits & 1) * 2 - 1;
  const open = Math.max(1, start + jump);
  const reach = minuteVolatility * start * (hasTrades ? 2.2 : 0.4);
  const up = (bits & 0xffff) / 65_536;
  const down = (bits >>> 16) / 65_536;
  block.open[index] = open;
  block.close[index] = close;
  block.high[index] = Math.max(open, close) + Math.floor(up ** 3 * reach);
  block.low[index] = Math.max(1, Math.min(open, close) - Math.floor(down ** 3 * reach));
}

function fillTrades(
  line: PriceLine,
  hour: number,
  index: number,
  { liveliness, minuteVolatility }: { liveliness: number; minuteVolatility: number },
  block: HourBlock,
): void {
  const { quotePerMinute, tickDecimals, stepDecimals } = line.spec;
  if (quotePerMinute === 0) {
    // An index has no trades; Binance counts its seconds instead.
    block.trades[index] = 60;
    return;
  }
  const bits = mixHash(line.tradeSeed, hour * MINUTES + index);
  const size = (bits & 0xffff) / 65_536;
  const open = block.open[index] ?? 0;
  const close = block.close[index] ?? 0;
  const move = (close - open) / (open * minuteVolatility);
  const turnover =
    quotePerMinute *
    Math.min(BUSIEST_MINUTE, liveliness * (0.2 + 0.6 * size + 4 * size ** 14) * (0.7 + 0.4 * Math.abs(move)));
  const volume = Math.max(4, Math.round((turnover / close) * 10 ** (tickDecimals + stepDecimals)));
  const averagePrice = Math.round((open + (block.high[index] ?? 0) + (block.low[index] ?? 0) + close) / 4);
  const lean = Math.max(-0.2, Math.min(0.2, move * 0.06));
  const takerVolume = Math.floor(volume * (0.3 + 0.4 * ((bits >>> 24) / 256) + lean));
  block.volume[index] = volume;
  block.quoteVolume[index] = volume * averagePrice;
  block.trades[index] = Math.max(
    4,
    Math.round((turnover / quotePerMinute) * ORDINARY_TRADES * (0.7 + 0.6 * (((bits >>> 16) & 0xff) / 256))),
  );
  block.takerVolume[index] = takerVolume;
  block.takerQuoteVolume[index] = takerVolume * averagePrice;
}
