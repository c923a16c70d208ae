import { DAY_MS, HOUR_MS, MINUTE_MS } from '../src/market/moments.ts';
import { ceilToInterval, floorToInterval, nextOpening, type BinanceInterval } from './binance-interval.ts';
import { joinTotals, partOfMinute, sumMinutes, type CandleTotals } from './candle-totals.ts';
import { createHourBlock, fillHour, type HourBlock, type PriceLine } from './price-model.ts';

// A page of a thousand daily candles must not push itself out; both together stay under a megabyte per line.
const HOURS_KEPT = 2_048;
const DAYS_KEPT = 4_096;

/** One candle; `closeMs` is its last millisecond, also while it is in progress. */
export interface SimulatedCandle extends CandleTotals {
  readonly openMs: number;
  readonly closeMs: number;
}

/** Which candles: Binance's parameters of klines. Both times are inclusive and mean opening times. */
export interface CandleQuery {
  readonly interval: BinanceInterval;
  readonly startMs: number | null;
  readonly endMs: number | null;
  readonly limit: number;
  /** The exchange's clock: nothing after it is shown. */
  readonly nowMs: number;
}

/**
 * The candles of one line of prices. Every value is the pure function of price-model.ts; what is kept here is only
 * whole hours and days that were added up before, a bounded number of each.
 */
export class CandleAggregator {
  readonly line: PriceLine;
  readonly #listedMs: number;
  /** When trading ended; Infinity where it did not. */
  readonly haltedMs: number;
  readonly #hours = new Map<number, CandleTotals>();
  readonly #days = new Map<number, CandleTotals>();
  readonly #block: HourBlock = createHourBlock();
  #blockHour: number | null = null;

  /** Trading lasts from `listedMs` to `haltedMs` (null: for ever); both on full minutes. */
  constructor(deps: { line: PriceLine; listedMs: number; haltedMs: number | null }) {
    this.line = deps.line;
    this.#listedMs = deps.listedMs;
    this.haltedMs = deps.haltedMs ?? Infinity;
  }

  /**
   * At most `limit` candles, oldest first: from `startMs` on where it is given, otherwise the newest ones. The last
   * one may be in progress, and then shows what happened up to `nowMs`.
   */
  listCandles(query: CandleQuery): SimulatedCandle[] {
    const { interval, limit } = query;
    const lastMs = Math.min(query.endMs ?? Infinity, query.nowMs, this.haltedMs - 1);
    if (lastMs < this.#listedMs || limit < 1) return [];
    const last = floorToInterval(lastMs, interval);
    const first = floorToInterval(this.#listedMs, interval);
    let open: number;
    if (query.startMs === null) {
      open = last;
      for (let count = 1; count < limit && open > first; count++) open = floorToInterval(open - 1, interval);
    } else {
      open = query.startMs <= first ? first : ceilToInterval(query.startMs, interval);
    }
    const candles: SimulatedCandle[] = [];
    for (; open <= last && candles.length < limit; open = nextOpening(open, interval)) {
      candles.push(this.#candle(open, nextOpening(open, interval), query.nowMs));
    }
    return candles;
  }

  /** The last price, in ticks, at the moment, or null outside of trading. */
  findPrice(nowMs: number): number | null {
    const [candle] = this.listCandles({ interval: '1m', startMs: null, endMs: null, limit: 1, nowMs });
    return candle?.close ?? null;
  }

  #candle(openMs: number, nextMs: number, nowMs: number): SimulatedCandle {
    const from = Math.max(openMs, this.#listedMs);
    const until = Math.min(nextMs, this.haltedMs);
    const totals = until <= nowMs ? this.#whole(from, until) : this.#upTo(from, nowMs);
    return { openMs, closeMs: nextMs - 1, ...totals };
  }

  #upTo(from: number, nowMs: number): CandleTotals {
    const minuteMs = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS;
    const block = this.#loadHour(Math.floor(minuteMs / HOUR_MS));
    const part = partOfMinute(this.line, block, {
      minute: minuteMs / MINUTE_MS,
      index: (minuteMs % HOUR_MS) / MINUTE_MS,
      elapsed: (nowMs - minuteMs) / MINUTE_MS,
    });
    return minuteMs > from ? joinTotals(this.#whole(from, minuteMs), part) : part;
  }

  /** Adds up [from, until), both on full minutes, in the largest pieces that fit. */
  #whole(from: number, until: number): CandleTotals {
    let totals: CandleTotals | null = null;
    let at = from;
    while (at < until) {
      let piece: CandleTotals;
      if (at % DAY_MS === 0 && at + DAY_MS <= until) {
        piece = this.#day(at);
        at += DAY_MS;
      } else if (at % HOUR_MS === 0 && at + HOUR_MS <= until) {
        piece = this.#hour(at);
        at += HOUR_MS;
      } else {
        const hour = Math.floor(at / HOUR_MS);
        const end = Math.min(until, (hour + 1) * HOUR_MS);
        const startMs = hour * HOUR_MS;
        piece = sumMinutes(this.#loadHour(hour), (at - startMs) / MINUTE_MS, (end - startMs) / MINUTE_MS);
        at = end;
      }
      totals = joinTotals(totals, piece);
    }
    if (totals === null) throw new RangeError(`no minute lies from ${from} to ${until}`);
    return totals;
  }

  #day(startMs: number): CandleTotals {
    const kept = this.#days.get(startMs);
    if (kept !== undefined) return kept;
    let totals: CandleTotals | null = null;
    for (let at = startMs; at < startMs + DAY_MS; at += HOUR_MS) totals = joinTotals(totals, this.#hour(at));
    return keep(this.#days, startMs, totals ?? this.#hour(startMs), DAYS_KEPT);
  }

  #hour(startMs: number): CandleTotals {
    const kept = this.#hours.get(startMs);
    if (kept !== undefined) return kept;
    return keep(this.#hours, startMs, sumMinutes(this.#loadHour(startMs / HOUR_MS), 0, 60), HOURS_KEPT);
  }

  #loadHour(hour: number): HourBlock {
    if (this.#blockHour !== hour) fillHour(this.line, hour, this.#block);
    this.#blockHour = hour;
    return this.#block;
  }
}

/** Puts the entry in and, where there are too many, the oldest one out. */
function keep(kept: Map<number, CandleTotals>, key: number, totals: CandleTotals, most: number): CandleTotals {
  if (kept.size >= most) {
    const [oldest] = kept.keys();
    if (oldest !== undefined) kept.delete(oldest);
  }
  kept.set(key, totals);
  return totals;
}
