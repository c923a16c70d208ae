import { DAY_MS } from '../../src/market/moments.ts';
import { formatUnits } from '../decimal-text.ts';
import { mixHash, seedOf } from '../noise.ts';
import { lengthOf, openingOf, type ZooAnchors } from './zoo-grid.ts';

/** What a market trades; all times are epoch milliseconds. */
export interface ZooMarketOptions {
  /** ccxt's unified spot symbol, such as `ADA/USD`. */
  readonly symbol: string;
  /** No trade is earlier. */
  readonly listedMs: number;
  /** From then on nothing is traded and the market is not listed. Default never. */
  readonly delistedMs?: number;
  /** The finest timeframe; longer ones are its sums. Default `1m`. */
  readonly finest?: string;
  /** The share of the finest slots that have trades, 0 to 1. Default 1. */
  readonly share?: number;
  /** So many slots of each UTC day have trades, whatever `share` says. */
  readonly tradesPerDay?: number;
  /** Nothing is traded then. */
  readonly holes?: readonly ZooSpan[];
}

/** A half-open span of time, epoch milliseconds. */
export interface ZooSpan {
  readonly since: number;
  readonly until: number;
}

/** A candle as the exchange knows it, with the digits that it shows. */
export interface ZooRow {
  readonly openMs: number;
  /** When it ends: the next one opens then. */
  readonly endMs: number;
  readonly open: string;
  readonly high: string;
  readonly low: string;
  readonly close: string;
  /** In the base currency. */
  readonly volume: string;
}

interface Units {
  readonly openMs: number;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly volume: number;
}

interface Summed {
  readonly rows: ZooRow[];
  untilMs: number;
}

const PRICE_DECIMALS = 2;
const VOLUME_DECIMALS = 4;
const LOWEST_PRICE = 90_010;

/** The truth of one market: which slots have trades, and at which prices, as a function of the seed. */
export class ZooMarket {
  readonly symbol: string;
  readonly listedMs: number;
  readonly delistedMs: number;
  readonly finest: string;
  readonly #options: ZooMarketOptions;
  readonly #seed: number;
  readonly #stepMs: number;
  readonly #firstMs: number;
  /** By slot from `#firstMs` on; null: no trade. */
  readonly #finest: (Units | null)[] = [];
  readonly #sums = new Map<string, Summed>();

  constructor(seed: string, options: ZooMarketOptions) {
    const { symbol, listedMs, delistedMs = Infinity, finest = '1m' } = options;
    this.symbol = symbol;
    this.listedMs = listedMs;
    this.delistedMs = delistedMs;
    this.finest = finest;
    this.#options = options;
    this.#seed = seedOf(`${seed}:${symbol}`);
    this.#stepMs = lengthOf(finest);
    this.#firstMs = Math.ceil(listedMs / this.#stepMs) * this.#stepMs;
  }

  /** Whether the exchange lists it at a moment. */
  isListed(nowMs: number): boolean {
    return nowMs >= this.listedMs && nowMs < this.delistedMs;
  }

  /**
   * The candles with trades that open in [sinceMs, untilMs), oldest first; the one in progress at `nowMs` as far as it
   * is by then. None of a timeframe finer than the finest.
   */
  list(timeframe: string, anchors: ZooAnchors, span: ZooSpan, nowMs: number): ZooRow[] {
    if (lengthOf(timeframe) < this.#stepMs) return [];
    const { rows } = this.#sum(timeframe, anchors, nowMs);
    const found = rows.slice(indexFrom(rows, span.since), indexFrom(rows, span.until));
    const formingMs = openingOf(nowMs, timeframe, anchors);
    if (formingMs >= span.since && formingMs < span.until) {
      const forming = this.#add(formingMs, nowMs, nowMs);
      if (forming) found.push(toRow(forming, formingMs, formingMs + lengthOf(timeframe)));
    }
    return found;
  }

  /** All closed candles until `nowMs`, summed once. */
  #sum(timeframe: string, anchors: ZooAnchors, nowMs: number): Summed {
    const lengthMs = lengthOf(timeframe);
    const key = `${timeframe} ${anchors.dayMs} ${anchors.weekMs}`;
    let summed = this.#sums.get(key);
    if (!summed) {
      summed = { rows: [], untilMs: openingOf(this.#firstMs, timeframe, anchors) };
      this.#sums.set(key, summed);
    }
    const lastMs = Math.min(nowMs, this.delistedMs + lengthMs);
    while (summed.untilMs + lengthMs <= lastMs) {
      const openMs = summed.untilMs;
      const units = this.#add(openMs, openMs + lengthMs, nowMs);
      if (units) summed.rows.push(toRow(units, openMs, openMs + lengthMs));
      summed.untilMs += lengthMs;
    }
    return summed;
  }

  /** The trades of [sinceMs, untilMs) as one candle; null where there was none. */
  #add(sinceMs: number, untilMs: number, nowMs: number): Units | null {
    let sum: Units | null = null;
    for (let openMs = Math.max(sinceMs, this.#firstMs); openMs < untilMs; openMs += this.#stepMs) {
      const whole = this.#at(openMs);
      const units = whole && openMs + this.#stepMs > nowMs ? this.#shorten(whole, nowMs) : whole;
      if (!units) continue;
      sum = sum
        ? {
            openMs: sum.openMs,
            open: sum.open,
            high: Math.max(sum.high, units.high),
            low: Math.min(sum.low, units.low),
            close: units.close,
            volume: sum.volume + units.volume,
          }
        : units;
    }
    return sum;
  }

  #at(openMs: number): Units | null {
    const index = (openMs - this.#firstMs) / this.#stepMs;
    for (let next = this.#finest.length; next <= index; next++)
      this.#finest.push(this.#create(this.#firstMs + next * this.#stepMs));
    return this.#finest[index] ?? null;
  }

  #create(openMs: number): Units | null {
    const slot = openMs / this.#stepMs;
    const { holes = [] } = this.#options;
    if (openMs >= this.delistedMs || !this.#isTraded(openMs, slot)) return null;
    if (holes.some(({ since, until }) => openMs >= since && openMs < until)) return null;
    const [open, close, above, below, volume] = [1, 2, 3, 4, 5].map((n) => mixHash(this.#seed + n, slot)) as [
      number,
      number,
      number,
      number,
      number,
    ];
    const prices = [LOWEST_PRICE + (open % 20_000), LOWEST_PRICE + (close % 20_000)] as const;
    return {
      openMs,
      open: prices[0],
      close: prices[1],
      high: Math.max(...prices) + (above % 500),
      low: Math.min(...prices) - (below % 500),
      volume: 1 + (volume % 1_000_000),
    };
  }

  #isTraded(openMs: number, slot: number): boolean {
    const { share = 1, tradesPerDay } = this.#options;
    if (tradesPerDay === undefined) return share >= 1 || mixHash(this.#seed, slot) / 2 ** 32 < share;
    const day = Math.floor(openMs / DAY_MS);
    const slots = DAY_MS / this.#stepMs;
    const chosen = Array.from({ length: tradesPerDay }, (_, n) => mixHash(this.#seed + 100 + n, day) % slots);
    return chosen.includes(slot - day * slots);
  }

  /** What a slot in progress shows: its first trade, and the rest as far as time has come. */
  #shorten(whole: Units, nowMs: number): Units | null {
    const part = (nowMs - whole.openMs) / this.#stepMs;
    if (part < 0.2) return null;
    const close = Math.round(whole.open + (whole.close - whole.open) * part);
    return {
      ...whole,
      close,
      high: Math.max(whole.open, close),
      low: Math.min(whole.open, close),
      volume: Math.max(1, Math.floor(whole.volume * part)),
    };
  }
}

function toRow(units: Units, openMs: number, endMs: number): ZooRow {
  const price = (value: number): string => formatUnits(value, PRICE_DECIMALS);
  return {
    openMs,
    endMs,
    open: price(units.open),
    high: price(units.high),
    low: price(units.low),
    close: price(units.close),
    volume: formatUnits(units.volume, VOLUME_DECIMALS),
  };
}

/** The index of the first row that opens at or after a moment. */
function indexFrom(rows: readonly ZooRow[], timeMs: number): number {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rows[middle]?.openMs ?? Infinity) < timeMs) low = middle + 1;
    else high = middle;
  }
  return low;
}
