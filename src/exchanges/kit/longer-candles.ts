import { isSameCandle, type Candle } from '../../market/candle.ts';
import { compareDecimals } from '../../market/decimal.ts';
import type { TimeRange } from '../../market/time-range.ts';
import { ceilToTimeframe, floorToTimeframe, isOnGrid, timeframeMs, type Timeframe } from '../../market/timeframe.ts';

/** So many rows that all lie on the grid of a longer timeframe are suspicious. */
const SUSPICIOUS_ROWS = 20;
/** Fewer are where one stands in each slot that the longer timeframe has in what was asked: a page of minutes is 17 hours. */
const FEWEST_ROWS = 5;
/** Rows that lie on a longer grid by chance do so less often than this, once they are enough. */
const CHANCE = 1 / 50;
/** How long it is believed that an answer's candles are what was asked for, once that was compared. */
const CLEARED_MS = 6 * 3_600_000;
/** How long nothing is compared after a comparison failed, or told nothing. */
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

/** What an answer is, as far as it can be told. */
export interface SpacingVerdict {
  /** What proves that the answer holds the candles of a longer timeframe, in words; null where nothing does. */
  readonly contradiction: string | null;
  /**
   * Whether its rows, or those before it, show that they are as short as was asked for, so that a slot without one means
   * something. Where not, longer candles would look the same.
   */
  readonly isShown: boolean;
}

interface Verdict {
  readonly longer: Timeframe;
  /** `spared`: it could not be compared, or that told nothing; `equal`, `larger`: it is known how to be of another length. */
  readonly is: 'equal' | 'larger' | 'cleared' | 'spared';
  /** The exchange's clock. */
  readonly until: number;
}

/**
 * Finds answers that hold the candles of a longer timeframe than was asked for, on exchanges whose rows do not tell how
 * long they last. Wide spacing proves nothing, because quiet markets have it: longer candles at the same times are asked
 * for, once, and only where those contradict it is known. Either they are equal to all of many rows; or the shortest of
 * them are smaller than the rows that they should hold, which a single row shows.
 */
export class LongerCandles {
  readonly #deps: LongerCandlesDeps;
  /** By symbol and timeframe. */
  readonly #verdicts = new Map<string, Verdict>();
  /** The opening times of the latest rows of each, at most `SUSPICIOUS_ROWS`. */
  readonly #seen = new Map<string, readonly number[]>();

  constructor(deps: LongerCandlesDeps) {
    this.#deps = deps;
  }

  /** Throws the signal's reason. */
  async judge(answer: SpacedAnswer, signal: AbortSignal): Promise<SpacingVerdict> {
    const { symbol, timeframe, nowMs, openings } = answer;
    if (openings.length === 0) return { contradiction: null, isShown: true };
    const key = `${symbol} ${timeframe}`;
    const known = this.#verdicts.get(key);
    // Whatever it was, it is over: rows lie between those of the longer timeframe.
    if (known && isGuilty(known) && !isAllOnGrid(openings, known.longer)) this.#verdicts.delete(key);
    const seen = [...new Set([...(this.#seen.get(key) ?? []), ...openings])].slice(-SUSPICIOUS_ROWS);
    this.#seen.set(key, seen);
    const grids = this.#listGrids(timeframe, openings);
    const longest = grids.at(-1);
    if (longest === undefined) return { contradiction: null, isShown: true };
    const hasVerdict = known !== undefined && nowMs < known.until && isAllOnGrid(openings, known.longer);
    if (hasVerdict && isGuilty(known)) return toVerdict(known);
    const isUnshown = this.#listGrids(timeframe, seen).some((longer) => isUnlikely(longer, timeframe, seen.length));
    if (!isSuspicious(answer, longest) && !isUnshown) return { contradiction: null, isShown: true };
    if (hasVerdict) return toVerdict(known);
    const is = await this.#compare(answer, grids, signal);
    const keptMs = { equal: GUILTY_MS, larger: GUILTY_MS, cleared: CLEARED_MS, spared: FAILED_MS }[is];
    const found: Verdict = { longer: longest, is, until: nowMs + keptMs };
    this.#verdicts.set(key, found);
    return toVerdict(found);
  }

  /** The longer timeframes on whose grids all rows are, shortest first. */
  #listGrids(timeframe: Timeframe, openings: readonly number[]): Timeframe[] {
    const lengthMs = timeframeMs(timeframe);
    return this.#deps.timeframes
      .filter((longer) => timeframeMs(longer) > lengthMs && timeframeMs(longer) % lengthMs === 0)
      .filter((longer) => isAllOnGrid(openings, longer))
      .toSorted((a, b) => timeframeMs(a) - timeframeMs(b));
  }

  /** @param grids at least one. */
  async #compare(answer: SpacedAnswer, grids: readonly Timeframe[], signal: AbortSignal): Promise<Verdict['is']> {
    const [shortest, longest] = [grids[0], grids.at(-1)];
    if (shortest === undefined || longest === undefined) return 'spared';
    try {
      if (isSuspicious(answer, longest)) {
        const { pairs, compared } = await this.#pair(answer, longest, signal);
        // That answer may be cut, or lack the candle at its start: what it does not hold acquits nobody.
        const enough = Math.max(FEWEST_ROWS - 1, Math.min(compared - 1, SUSPICIOUS_ROWS));
        if (pairs.length >= enough)
          return pairs.every(([candle, longer]) => isSameCandle(candle, longer)) ? 'equal' : 'cleared';
      }
      const { pairs } = await this.#pair(answer, shortest, signal);
      const larger = pairs.filter(([candle, longer]) => !isWithin(candle, longer)).length;
      if (2 * larger > pairs.length) return 'larger';
      return pairs.some(([candle, longer]) => !isSameCandle(candle, longer)) ? 'cleared' : 'spared';
    } catch {
      signal.throwIfAborted();
      return 'spared';
    }
  }

  /** The candles of an answer that have a longer one at the same time, with that; and how many were to be paired. */
  async #pair(
    { symbol, nowMs, candles }: SpacedAnswer,
    longer: Timeframe,
    signal: AbortSignal,
  ): Promise<{ readonly pairs: (readonly [Candle, Candle])[]; readonly compared: number }> {
    const lengthMs = timeframeMs(longer);
    // One in progress may have changed between the two answers.
    const ended = candles.filter(({ timestamp }) => timestamp + lengthMs <= nowMs).slice(-this.#deps.candleLimit);
    const [first, last] = [ended[0], ended.at(-1)];
    if (!first || !last) return { pairs: [], compared: 0 };
    const until = last.timestamp + lengthMs;
    const range = { since: Math.max(first.timestamp, until - this.#deps.candleLimit * lengthMs), until };
    const told = await this.#deps.ask({ symbol, timeframe: longer, range }, signal);
    const byTime = new Map(told.map((candle) => [candle.timestamp, candle]));
    const compared = ended.filter(({ timestamp }) => timestamp >= range.since);
    const pairs = compared.flatMap((candle) => {
      const other = byTime.get(candle.timestamp);
      return other === undefined ? [] : [[candle, other] as const];
    });
    return { pairs, compared: compared.length };
  }
}

function isGuilty({ is }: Verdict): boolean {
  return is === 'equal' || is === 'larger';
}

function toVerdict({ longer, is }: Verdict): SpacingVerdict {
  const words = {
    equal: `are equal to the ${longer} candles`,
    larger: 'do not fit into shorter candles of the same times',
  };
  const contradiction = is === 'equal' || is === 'larger' ? `lie on the grid of ${longer} and ${words[is]}` : null;
  return { contradiction, isShown: is === 'cleared' };
}

function isAllOnGrid(openings: readonly number[], timeframe: Timeframe): boolean {
  return openings.every((opening) => isOnGrid(opening, timeframe));
}

/** Whether so many rows of a quiet market would hardly all lie on the longer grid. */
function isUnlikely(longer: Timeframe, timeframe: Timeframe, rows: number): boolean {
  return (timeframeMs(timeframe) / timeframeMs(longer)) ** rows < CHANCE;
}

/** Whether a candle may be a part of a longer one. */
function isWithin(candle: Candle, longer: Candle): boolean {
  return (
    compareDecimals(candle.high, longer.high) <= 0 &&
    compareDecimals(candle.low, longer.low) >= 0 &&
    compareDecimals(candle.volume, longer.volume) <= 0
  );
}

function isSuspicious({ asked, nowMs, candles }: SpacedAnswer, longer: Timeframe): boolean {
  if (candles.length >= SUSPICIOUS_ROWS) return true;
  const since = ceilToTimeframe(asked.since, longer);
  const until = Math.min(asked.until, floorToTimeframe(nowMs, longer));
  const room = Math.ceil((until - since) / timeframeMs(longer));
  return candles.length >= FEWEST_ROWS && candles.length >= room;
}
