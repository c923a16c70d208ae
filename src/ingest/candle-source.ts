import type { Exchange } from '../exchanges/exchange.ts';
import type { Logger } from '../logger.ts';
import type { Series } from '../market/instrument.ts';
import { createRange, intersectRanges, type TimeRange } from '../market/time-range.ts';
import { ceilToTimeframe, floorToTimeframe, parseTimeframe, timeframeMs, type Timeframe } from '../market/timeframe.ts';
import type { CandleStore } from './ports.ts';
import { findUncovered, intersectLists } from './slot-ranges.ts';
import type { Source, SourcePage } from './source.ts';

export interface CandleSourceDeps {
  readonly series: Series;
  readonly exchange: Exchange;
  readonly store: CandleStore;
  readonly logger: Logger;
  /** 0 to 1; spreads the live requests of many series over a second. */
  readonly jitter: number;
}

const LOGGED_CHANGES = 5;
/** A thousand weeks are nineteen years: one request tells when a market was listed. */
const COARSE_TIMEFRAMES = ['1w', '1d'].map(parseTimeframe);

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
    return ceilToTimeframe(windowSince, this.#deps.series.timeframe);
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
   * Asks for candles of a week, then of a day: a week without one is a week without a trade, such as all before a
   * listing. The weeks beside one with trades are not believed (who made the candles may have left out a partial one),
   * nor is an answer without any candle, or with refused rows.
   */
  async fetchEmptyRanges(range: TimeRange, signal: AbortSignal): Promise<TimeRange[]> {
    const { exchange, series } = this.#deps;
    for (const timeframe of this.#coarse) {
      const whole = createRange(floorToTimeframe(range.since, timeframe), floorToTimeframe(range.until, timeframe));
      if (!whole) continue;
      const page = await exchange.fetchCandles({ symbol: series.symbol, timeframe, range: whole }, signal);
      const answered = intersectRanges(page.answered, range);
      if (!answered || page.candles.length === 0 || page.rejected.length > 0) continue;
      const lengthMs = timeframeMs(timeframe);
      const believed = page.candles.map(({ timestamp }) => timestamp - lengthMs);
      return intersectLists(findUncovered(whole, believed, 3 * lengthMs), [answered]);
    }
    return [];
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
