import type { CoverageState } from '../../../market/coverage.ts';
import type { CandleAnswer, CoverageObject, FuturesAnswer } from './answers.ts';
import { HOUR_MS, nextOpening } from './moments.ts';

/** What is said of opening times without a candle; `unknown`: the ledger says nothing of them. */
export type HoleState = Exclude<CoverageState, 'have'> | 'unknown';

/** Neighbouring opening times without a candle, all in one state. Times in epoch milliseconds, `until` exclusive. */
export interface Hole {
  readonly since: number;
  readonly until: number;
  readonly state: HoleState;
  /** How many opening times. */
  readonly slots: number;
  readonly reason: string | null;
  /** The first and the last of its opening times that have a place on the axis. */
  readonly firstShown: number;
  readonly lastShown: number;
}

/** The axis: one entry for each place, oldest first; without a candle where there is none. */
export interface Timeline {
  readonly places: readonly { readonly time: number; readonly candle: CandleAnswer | null }[];
  readonly holes: readonly Hole[];
}

/** How a candle is told that is not whole: its time has not ended, or a part of what it is built from is missing. */
export type CandleState = 'whole' | 'forming' | 'partial';

export function stateOf(candle: CandleAnswer, timeframe: string, nowMs: number): CandleState {
  if (candle.partial !== true) return 'whole';
  return nextOpening(Date.parse(candle.timestamp), timeframe) > nowMs ? 'forming' : 'partial';
}

/** A longer hole gets this many places, so that years without data do not push the candles off the screen. */
const MAX_PLACES = 240;
/** More opening times than this between two candles are not walked one by one. */
const MAX_WALK = 100_000;

interface LedgerRange {
  readonly since: number;
  readonly until: number;
  readonly state: HoleState;
  readonly reason: string | null;
}

/**
 * Puts candles on an axis on which holes keep their width.
 *
 * @param candles oldest first
 * @param ledger what the ledger says of the same time; ranges that are `have` count as if it said nothing
 * @param until epoch ms: a hole after the last candle is shown up to here, as far as the ledger knows of it
 */
export function createTimeline(
  candles: readonly CandleAnswer[],
  ledger: readonly CoverageObject[],
  { timeframe, until }: { readonly timeframe: string; readonly until: number },
): Timeline {
  const ranges = ledger
    .flatMap(({ since, until: end, state, reason }): LedgerRange[] =>
      state === 'have' ? [] : [{ since: Date.parse(since), until: Date.parse(end), state, reason }],
    )
    .sort((a, b) => a.since - b.since);
  const places: { time: number; candle: CandleAnswer | null }[] = [];
  const holes: Hole[] = [];
  const addHoles = (from: number, to: number, isKnownOnly: boolean) => {
    for (const run of findRuns(from, to, timeframe, ranges)) {
      if (isKnownOnly && run.state === 'unknown') break;
      const shown = run.times.slice(0, MAX_PLACES);
      places.push(...shown.map((time) => ({ time, candle: null })));
      holes.push({
        since: run.times[0] ?? from,
        until: run.until,
        state: run.state,
        reason: run.reason,
        slots: run.times.length,
        firstShown: shown[0] ?? from,
        lastShown: shown.at(-1) ?? from,
      });
    }
  };
  for (const [index, candle] of candles.entries()) {
    const time = Date.parse(candle.timestamp);
    const before = candles[index - 1];
    if (before !== undefined) addHoles(nextOpening(Date.parse(before.timestamp), timeframe), time, false);
    places.push({ time, candle });
  }
  const last = candles.at(-1);
  if (last !== undefined) addHoles(nextOpening(Date.parse(last.timestamp), timeframe), until, true);
  return { places, holes };
}

interface Run {
  readonly times: number[];
  readonly state: HoleState;
  readonly reason: string | null;
  until: number;
}

/** The opening times of [from, to), cut where what is known of them changes. */
function findRuns(from: number, to: number, timeframe: string, ranges: readonly LedgerRange[]): Run[] {
  const runs: Run[] = [];
  let next = ranges.findIndex(({ until }) => until > from);
  let walked = 0;
  for (let time = from; time < to && walked < MAX_WALK; walked++) {
    while (next >= 0 && next < ranges.length && (ranges[next]?.until ?? 0) <= time) next++;
    const range = next < 0 ? undefined : ranges[next];
    const known = range !== undefined && range.since <= time ? range : null;
    const state = known?.state ?? 'unknown';
    const reason = known?.reason ?? null;
    const following = nextOpening(time, timeframe);
    if (following <= time) return runs;
    const run = runs.at(-1);
    if (run?.state === state && run.reason === reason) {
      run.times.push(time);
      run.until = following;
    } else runs.push({ times: [time], state, reason, until: following });
    time = following;
  }
  return runs;
}

/**
 * One value for each place that has any: hours that fall between two places count for the earlier one, the last of them
 * wins. That way an axis of days stays one of days.
 *
 * @param times the axis, oldest first, epoch ms
 */
export function alignFutures(
  times: readonly number[],
  rows: readonly FuturesAnswer[],
  metric: 'open_interest' | 'funding_rate' | 'mark_price',
): FuturesPoint[] {
  const values = new Map<number, string>();
  let place = 0;
  for (const row of rows) {
    const at = Date.parse(row.timestamp);
    const value = row[metric];
    while (place + 1 < times.length && (times[place + 1] ?? Infinity) <= at) place++;
    const time = times[place];
    if (value !== null && time !== undefined && time <= at) values.set(time, value);
  }
  return [...values].map(([time, value]) => ({ time, value }));
}

/** A metric of the futures data at a place of the axis. */
export interface FuturesPoint {
  /** Epoch ms. */
  readonly time: number;
  readonly value: string;
}

/** How long a value stands for what comes after it: it is told hourly and may come late, funding is settled by 8 h. */
const LASTING_MS = { open_interest: 2 * HOUR_MS, mark_price: 2 * HOUR_MS, funding_rate: 9 * HOUR_MS } as const;

/** The value that holds at a moment: the last one before it, as long as that lasts. `points` are oldest first. */
export function holdingAt(
  points: readonly FuturesPoint[],
  time: number,
  metric: keyof typeof LASTING_MS,
): string | null {
  let [low, high] = [0, points.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((points[middle]?.time ?? Infinity) <= time) low = middle + 1;
    else high = middle;
  }
  const found = points[low - 1];
  return found !== undefined && time - found.time < LASTING_MS[metric] ? found.value : null;
}

/** Without the candles that open inside of one of the ranges. Both are oldest first; moments are ISO 8601 of one length. */
export function withoutRanges<Row extends { readonly timestamp: string }>(
  candles: readonly Row[],
  ranges: readonly { readonly since: string; readonly until: string }[],
): readonly Row[] {
  let next = 0;
  return candles.filter(({ timestamp }) => {
    while (next < ranges.length && (ranges[next]?.until ?? '') <= timestamp) next++;
    const range = ranges[next];
    return range === undefined || timestamp < range.since;
  });
}
