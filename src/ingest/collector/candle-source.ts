import { messageOf } from '../../errors.ts';
import type { CandlePage, Exchange } from '../../exchanges/exchange.ts';
import type { Logger } from '../../logger.ts';
import { EARLIEST_MS } from '../../market/candle.ts';
import { type CoverageKey, candleKey } from '../../market/coverage.ts';
import type { Series } from '../../market/instrument.ts';
import { intersectRanges, type TimeRange } from '../../market/time-range.ts';
import {
  ceilToTimeframe,
  floorToTimeframe,
  parseTimeframe,
  timeframeMs,
  type Timeframe,
} from '../../market/timeframe.ts';
import { findUncovered, intersectLists } from '../../market/range-lists.ts';
import type { Silence, Source, SourceAnswer } from './source.ts';

export interface CandleSourceDeps {
  readonly series: Series;
  readonly exchange: Exchange;
  readonly logger: Logger;
  /** 0 to 1; spreads the live requests of many series over a second. */
  readonly jitter: number;
}

/** What the live stream did not bring by then is late. */
const STREAM_PATIENCE_MS = 3_000;
/** Finest first. A thousand weeks are nineteen years: one request tells when a market was listed. */
const COARSE_TIMEFRAMES = ['1h', '1d', '1w'].map(parseTimeframe);

/** The closed candles of one series. */
export class CandleSource implements Source {
  readonly key: CoverageKey;
  readonly fields: Readonly<Record<string, string>>;
  readonly kind = 'candles';
  readonly stepMs: number;
  readonly pageSlots: number;
  readonly rereadSlots = 3;
  readonly settleMs = 600_000;
  readonly patienceMs = 120_000;
  readonly dueMs = 15_000;
  readonly leadMs = 0;
  readonly aheadSlots = 1;
  readonly depthMs = null;
  readonly isFramed: boolean;
  readonly isProbed: boolean;
  readonly #deps: CandleSourceDeps;
  readonly #spreadMs: number;
  readonly #coarse: readonly Timeframe[];

  constructor(deps: CandleSourceDeps) {
    const { exchange, symbol, timeframe } = deps.series;
    this.#deps = deps;
    this.key = candleKey(deps.series);
    this.fields = { exchange, symbol, timeframe };
    this.stepMs = timeframeMs(timeframe);
    this.pageSlots = deps.exchange.candleLimit;
    this.isFramed = deps.exchange.speaksFor === 'rows';
    this.#coarse = COARSE_TIMEFRAMES.filter(
      (coarse) => timeframeMs(coarse) > this.stepMs && deps.exchange.hasTimeframe(coarse),
    );
    this.isProbed = this.#coarse.length > 0;
    this.#spreadMs = 1_000 * deps.jitter;
  }

  delayMs(): number {
    const { exchange, series } = this.#deps;
    const isStreamed = exchange.candleStream?.isLive(series.symbol, series.timeframe) ?? false;
    return (isStreamed ? STREAM_PATIENCE_MS : 1_000) + this.#spreadMs;
  }

  sinceAt(windowSince: number): number {
    return ceilToTimeframe(Math.max(windowSince, EARLIEST_MS), this.#deps.series.timeframe);
  }

  untilAt(nowMs: number): number {
    return floorToTimeframe(nowMs, this.#deps.series.timeframe);
  }

  keptSince(): number {
    return -Infinity;
  }

  /**
   * Asks for candles of a longer timeframe, as many as one answer holds, so that it reaches past the silence on both
   * sides: an hour, a day or a week without one is without a trade, such as all before a listing. Those beside one with
   * trades are not believed (who made the candles may have left out a partial one), nor is an answer without any
   * candle, or with refused rows.
   */
  async fetchSilence(range: TimeRange, signal: AbortSignal): Promise<Silence[]> {
    const { exchange } = this.#deps;
    for (const timeframe of this.#coarse) {
      const whole = widen(range, timeframe, exchange.candleLimit) ?? (timeframe === this.#coarse.at(-1) ? range : null);
      if (!whole) continue;
      const page = await this.#askCoarse(timeframe, whole, signal);
      if (!page?.answered) continue;
      const answered = intersectRanges(page.answered, range);
      const first = page.candles[0];
      if (!answered || !first || page.rejected.length > 0 || !page.tellsGaps) continue;
      const lengthMs = timeframeMs(timeframe);
      const firstTradedAt = page.answered.since <= range.since ? first.timestamp : -Infinity;
      const present = page.candles.map(({ timestamp }) => timestamp - lengthMs);
      return intersectLists(findUncovered(whole, present, 3 * lengthMs), [answered])
        .map((silent) => this.#toSlots(silent))
        .filter(({ since, until }) => since < until)
        .map((silent) => ({
          range: silent,
          reason:
            silent.until <= firstTradedAt
              ? `nothing was traded before ${new Date(firstTradedAt).toISOString()}`
              : `no candle of ${timeframe} covers it`,
        }));
    }
    return [];
  }

  async fetch(range: TimeRange, signal: AbortSignal): Promise<SourceAnswer> {
    const { exchange, series } = this.#deps;
    const { symbol, timeframe } = series;
    const { candles, rejected, answered, tellsGaps } = await exchange.fetchCandles(
      { symbol, timeframe, range },
      signal,
    );
    return { rows: candles, rejected, answered, evidence: tellsGaps ? 'each_slot' : 'rows' };
  }

  /** A side question: where it fails, the history is asked for all the same, and the next longer candles. */
  async #askCoarse(timeframe: Timeframe, range: TimeRange, signal: AbortSignal): Promise<CandlePage | null> {
    const { exchange, series, logger } = this.#deps;
    try {
      return await exchange.fetchCandles({ symbol: series.symbol, timeframe, range }, signal);
    } catch (error) {
      signal.throwIfAborted();
      logger.debug({ ...this.fields, asked: timeframe, reason: messageOf(error) }, 'longer candles were not to be had');
      return null;
    }
  }

  /** The whole slots in a range. */
  #toSlots({ since, until }: TimeRange): TimeRange {
    const { timeframe } = this.#deps.series;
    return { since: ceilToTimeframe(since, timeframe), until: floorToTimeframe(until, timeframe) };
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
