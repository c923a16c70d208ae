import type { Candle } from '../../market/candle.ts';
import { floorToTimeframe, timeframeMs, type Timeframe } from '../../market/timeframe.ts';

/** The closing push of a candle may come so late after its end. */
const LATE_MS = 3_000;

/** What one series' stream has brought so far: what repeats, and what was skipped. */
export class SeriesFlow {
  readonly symbol: string;
  readonly timeframe: Timeframe;
  readonly marketId: string;
  /** `btcusdt@kline_1m`. */
  readonly stream: string;
  #last: Candle | null = null;
  /** The newest opening time that came, or needs not come. */
  #newest: number | null = null;
  #lostAt: number | null = null;

  constructor(facts: { symbol: string; timeframe: Timeframe; marketId: string; stream: string }) {
    this.symbol = facts.symbol;
    this.timeframe = facts.timeframe;
    this.marketId = facts.marketId;
    this.stream = facts.stream;
  }

  /** No connection carries it from this moment (epoch ms) on. */
  lose(nowMs: number): void {
    this.#lostAt ??= nowMs;
  }

  /** A connection carries it from this moment on. True: it did before, and a candle has ended in between. */
  resume(nowMs: number): boolean {
    const lostAt = this.#lostAt;
    this.#lostAt = null;
    const current = floorToTimeframe(nowMs, this.timeframe);
    // What ended before was not promised by this connection: it is no skipped candle when the next one comes.
    this.#newest = Math.max(this.#newest ?? -Infinity, current - timeframeMs(this.timeframe));
    // A clock that was set back says nothing about what ended.
    return lostAt !== null && floorToTimeframe(lostAt - LATE_MS, this.timeframe) !== current;
  }

  /** Takes a closed candle. `isRepeated`: the same one came just before. `isAfterGap`: at least one was skipped. */
  take(candle: Candle): { isRepeated: boolean; isAfterGap: boolean } {
    const isRepeated = this.#last !== null && isSame(this.#last, candle);
    if (isRepeated) return { isRepeated, isAfterGap: false };
    const isAfterGap = this.#newest !== null && candle.timestamp > this.#newest + timeframeMs(this.timeframe);
    this.#newest = Math.max(this.#newest ?? -Infinity, candle.timestamp);
    this.#last = candle;
    return { isRepeated, isAfterGap };
  }
}

/** As texts: `1.0` after `1.00` counts as new, which costs one more write at most. */
function isSame(a: Candle, b: Candle): boolean {
  return (
    a.timestamp === b.timestamp &&
    a.open === b.open &&
    a.high === b.high &&
    a.low === b.low &&
    a.close === b.close &&
    a.volume === b.volume
  );
}
