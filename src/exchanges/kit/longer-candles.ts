import { isSameCandle, type Candle } from '../../market/candle.ts';
import type { TimeRange } from '../../market/time-range.ts';
import { ceilToTimeframe, floorToTimeframe, isOnGrid, timeframeMs, type Timeframe } from '../../market/timeframe.ts';

/** So many rows that all lie on the grid of a longer timeframe are suspicious. */
const SUSPICIOUS_ROWS = 20;
/** Fewer are where one stands in each slot that the longer timeframe has in what was asked: a page of minutes is 17 hours. */
const FEWEST_ROWS = 5;
/** How long it is believed that an answer's candles are what was asked for, once that was compared. */
const CLEARED_MS = 6 * 3_600_000;
/** How long nothing is compared after a comparison failed. */
const FAILED_MS = 10 * 60_000;
/** How long it is held against a series that its candles were longer ones. Then it is compared anew. */
const GUILTY_MS = 3_600_000;

/** An answer to a request for candles, as far as it is judged here. */
export interface SpacedAnswer {
  readonly symbol: string;
  readonly timeframe: Timeframe;
  readonly asked: TimeRange;
  readonly nowMs: number;
  /** The opening times of all its rows. */
  readonly openings: readonly number[];
  readonly candles: readonly Candle[];
}

export interface LongerCandlesDeps {
  /** The timeframes that the exchange has. */
  readonly timeframes: readonly Timeframe[];
  /** Asks the exchange for candles; at most `candleLimit` of them. May throw: then nothing is held against the answer. */
  readonly ask: (
    request: { readonly symbol: string; readonly timeframe: Timeframe; readonly range: TimeRange },
    signal: AbortSignal,
  ) => Promise<readonly Candle[]>;
  readonly candleLimit: number;
}

interface Verdict {
  readonly longer: Timeframe;
  /** `spared`: it could not be compared. */
  readonly is: 'guilty' | 'cleared' | 'spared';
  /** The exchange's clock. */
  readonly until: number;
}

/**
 * Finds answers that hold the candles of a longer timeframe than was asked for, on exchanges whose rows do not tell how
 * long they last. Wide spacing proves nothing, because quiet markets have it: the longer candles at the same times are
 * asked for, once, and only where they are equal it is known.
 */
export class LongerCandles {
  readonly #deps: LongerCandlesDeps;
  /** By symbol and timeframe. */
  readonly #verdicts = new Map<string, Verdict>();

  constructor(deps: LongerCandlesDeps) {
    this.#deps = deps;
  }

  /** The timeframe whose candles the answer holds instead of its own; null where nothing proves that. Throws the signal's reason. */
  async find(answer: SpacedAnswer, signal: AbortSignal): Promise<Timeframe | null> {
    const { symbol, timeframe, nowMs, openings } = answer;
    const key = `${symbol} ${timeframe}`;
    const known = this.#verdicts.get(key);
    // Whatever it was, it is over: rows lie between those of the longer timeframe.
    if (known?.is === 'guilty' && !isAllOnGrid(openings, known.longer)) this.#verdicts.delete(key);
    const longest = this.#findGrid(answer);
    if (longest === null) return null;
    if (known && nowMs < known.until && isAllOnGrid(openings, known.longer))
      return known.is === 'guilty' ? known.longer : null;
    if (!isSuspicious(answer, longest)) return null;
    const is = await this.#compare(answer, longest, signal);
    const keptMs = { guilty: GUILTY_MS, cleared: CLEARED_MS, spared: FAILED_MS }[is];
    this.#verdicts.set(key, { longer: longest, is, until: nowMs + keptMs });
    return is === 'guilty' ? longest : null;
  }

  /** The longest timeframe of whose grid all rows are. */
  #findGrid({ timeframe, openings }: SpacedAnswer): Timeframe | null {
    if (openings.length === 0) return null;
    const lengthMs = timeframeMs(timeframe);
    let longest: Timeframe | null = null;
    for (const longer of this.#deps.timeframes) {
      const longerMs = timeframeMs(longer);
      if (longerMs <= lengthMs || longerMs % lengthMs !== 0) continue;
      if (longest !== null && longerMs <= timeframeMs(longest)) continue;
      if (isAllOnGrid(openings, longer)) longest = longer;
    }
    return longest;
  }

  async #compare(
    { symbol, nowMs, candles }: SpacedAnswer,
    longer: Timeframe,
    signal: AbortSignal,
  ): Promise<Verdict['is']> {
    const lengthMs = timeframeMs(longer);
    // One in progress may have changed between the two answers.
    const ended = candles.filter(({ timestamp }) => timestamp + lengthMs <= nowMs).slice(-this.#deps.candleLimit);
    const [first, last] = [ended[0], ended.at(-1)];
    if (!first || !last) return 'spared';
    const until = last.timestamp + lengthMs;
    const range = { since: Math.max(first.timestamp, until - this.#deps.candleLimit * lengthMs), until };
    try {
      const told = await this.#deps.ask({ symbol, timeframe: longer, range }, signal);
      const byTime = new Map(told.map((candle) => [candle.timestamp, candle]));
      const compared = ended.filter(({ timestamp }) => timestamp >= range.since);
      const pairs = compared.flatMap((candle) => {
        const other = byTime.get(candle.timestamp);
        return other === undefined ? [] : [{ candle, other }];
      });
      // That answer may be cut, or lack the candle at its start: what it does not hold acquits nobody.
      const enough = Math.max(FEWEST_ROWS - 1, Math.min(compared.length - 1, SUSPICIOUS_ROWS));
      const isEqual = pairs.length >= enough && pairs.every(({ candle, other }) => isSameCandle(candle, other));
      return isEqual ? 'guilty' : 'cleared';
    } catch {
      signal.throwIfAborted();
      return 'spared';
    }
  }
}

function isAllOnGrid(openings: readonly number[], timeframe: Timeframe): boolean {
  return openings.every((opening) => isOnGrid(opening, timeframe));
}

function isSuspicious({ asked, nowMs, candles }: SpacedAnswer, longer: Timeframe): boolean {
  if (candles.length >= SUSPICIOUS_ROWS) return true;
  const since = ceilToTimeframe(asked.since, longer);
  const until = Math.min(asked.until, floorToTimeframe(nowMs, longer));
  const room = Math.ceil((until - since) / timeframeMs(longer));
  return candles.length >= FEWEST_ROWS && candles.length >= room;
}
