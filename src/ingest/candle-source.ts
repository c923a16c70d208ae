import type { Exchange } from '../exchanges/exchange.ts';
import type { Logger } from '../logger.ts';
import { EARLIEST_MS } from '../market/candle.ts';
import type { Series } from '../market/instrument.ts';
import { intersectRanges, type TimeRange } from '../market/time-range.ts';
import { ceilToTimeframe, floorToTimeframe, parseTimeframe, timeframeMs, type Timeframe } from '../market/timeframe.ts';
import type { IngestStores } from './ports.ts';
import { findUncovered, intersectLists } from './slot-ranges.ts';
import type { Silence, Source, SourcePage } from './source.ts';

export interface CandleSourceDeps {
  readonly series: Series;
  readonly exchange: Exchange;
  readonly store: IngestStores['ohlcv'];
  readonly logger: Logger;
  /** 0 to 1; spreads the live requests of many series over a second. */
  readonly jitter: number;
}

const LOGGED_CHANGES = 5;
/** Finest first. A thousand weeks are nineteen years: one request tells when a market was listed. */
const COARSE_TIMEFRAMES = ['1h', '1d', '1w'].map(parseTimeframe);

/** The closed candles of one series. */
export class CandleSource implements Source {
  readonly fields: Readonly<Record<string, string>>;
  readonly stepMs: number;
  readonly pageSlots: number;
  readonly rereadSlots = 3;
  readonly patienceMs = 120_000;
  readonly delayMs: number;
  readonly leadMs = 0;
  readonly urgency = { tail: 0, history: 2 };
  readonly aheadSlots = 1;
  readonly isProbed: boolean;
  readonly #deps: CandleSourceDeps;
  readonly #coarse: readonly Timeframe[];

  constructor(deps: CandleSourceDeps) {
    const { exchange, symbol, timeframe } = deps.series;
    this.#deps = deps;
    this.fields = { exchange, symbol, timeframe };
    this.stepMs = timeframeMs(timeframe);
    this.pageSlots = deps.exchange.candleLimit;
    this.#coarse = COARSE_TIMEFRAMES.filter(
      (coarse) => timeframeMs(coarse) > this.stepMs && deps.exchange.hasTimeframe(coarse),
    );
    this.isProbed = this.#coarse.length > 0;
    this.delayMs = 1_000 + 1_000 * deps.jitter;
  }

  sinceAt(windowSince: number): number {
    return ceilToTimeframe(Math.max(windowSince, EARLIEST_MS), this.#deps.series.timeframe);
  }

  untilAt(nowMs: number): number {
    return floorToTimeframe(nowMs, this.#deps.series.timeframe);
  }

  async findLatest(): Promise<number | null> {
    const latest = await this.#deps.store.findLatest(this.#deps.series);
    return latest?.timestamp ?? null;
  }

  listGaps(range: TimeRange): Promise<TimeRange[]> {
    return this.#deps.store.listGaps(this.#deps.series, range);
  }

  /**
   * Asks for candles of a longer timeframe, as many as one answer holds, so that it reaches past the silence on both
   * sides: an hour, a day or a week without one is without a trade, such as all before a listing. Those beside one with
   * trades are not believed (who made the candles may have left out a partial one), nor is an answer without any
   * candle, or with refused rows.
   */
  async fetchSilence(range: TimeRange, signal: AbortSignal): Promise<Silence> {
    const { exchange, series } = this.#deps;
    for (const timeframe of this.#coarse) {
      const whole = widen(range, timeframe, exchange.candleLimit) ?? (timeframe === this.#coarse.at(-1) ? range : null);
      if (!whole) continue;
      const page = await exchange.fetchCandles({ symbol: series.symbol, timeframe, range: whole }, signal);
      const answered = intersectRanges(page.answered, range);
      const first = page.candles[0];
      if (!answered || !first || page.rejected.length > 0) continue;
      const lengthMs = timeframeMs(timeframe);
      const firstTradedAt = page.answered.since <= range.since ? first.timestamp : null;
      const believed = page.candles.map(({ timestamp }) => timestamp - lengthMs);
      return { ranges: intersectLists(findUncovered(whole, believed, 3 * lengthMs), [answered]), firstTradedAt };
    }
    return { ranges: [], firstTradedAt: null };
  }

  async fetch(range: TimeRange, signal: AbortSignal): Promise<SourcePage> {
    const { exchange, series, store, logger } = this.#deps;
    const { symbol, timeframe } = series;
    const page = await exchange.fetchCandles({ symbol, timeframe, range }, signal);
    return {
      slots: page.candles.map(({ timestamp }) => timestamp),
      rejected: page.rejected,
      answered: page.answered,
      store: async (until) => {
        const closed = page.candles.filter(({ timestamp }) => timestamp < until);
        if (closed.length === 0) return 0;
        const { inserted, updated, changes } = await store.upsert(series, closed);
        for (const { before, after } of changes.slice(0, LOGGED_CHANGES))
          logger.warn({ ...this.fields, before, after, updated }, 'the exchange rewrote a closed candle');
        return inserted + updated;
      },
    };
  }
}

/**
 * The range on the grid of a longer timeframe, with as much on either side as `limit` candles allow; null where they do
 * not cover it. No moment before the first one that a candle can have: an exchange refuses a request for 1969.
 */
function widen(range: TimeRange, timeframe: Timeframe, limit: number): TimeRange | null {
  const lengthMs = timeframeMs(timeframe);
  const roomMs = limit * lengthMs - (range.until - range.since);
  if (roomMs < 2 * lengthMs) return null;
  const since = Math.max(floorToTimeframe(range.since - roomMs / 2, timeframe), EARLIEST_MS);
  const until = Math.min(floorToTimeframe(range.until + roomMs / 2, timeframe), since + limit * lengthMs);
  return { since, until };
}
