import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, WEEK_MS } from './moments.ts';
import { floorToTimeframe, timeframeMs, type Timeframe } from './timeframe.ts';

/** Rows off the grid by so many different amounts belong to no grid of this length. */
const MOST_OFFSETS = 3;

/**
 * How long a candle lasts by its closing time, which is its last millisecond or the first one after it; null where that
 * is no length that a candle can have, such as of a row whose opening time was moved.
 */
function readLength(openMs: number, closingMs: number): number | null {
  const lengthMs = closingMs - openMs;
  if (lengthMs <= 0) return null;
  const rest = lengthMs % SECOND_MS;
  return rest === 0 ? lengthMs : rest === SECOND_MS - 1 ? lengthMs + 1 : null;
}

/** Why a candle with this closing time (epoch ms) cannot be one of the timeframe, or null. */
export function findLengthFault(openMs: number, closingMs: number, timeframe: Timeframe): string | null {
  const lengthMs = readLength(openMs, closingMs);
  if (lengthMs === timeframeMs(timeframe)) return null;
  if (lengthMs === null) return 'the closing time does not belong to the opening time';
  return `the closing time says that the candle lasts ${describeLength(lengthMs)} instead of ${timeframe}`;
}

/**
 * What the times of rows, taken together, say of how long their candles are. It holds counts and no rows.
 *
 * Wide spacing is no evidence: on a quiet market most candles are absent.
 */
export class TimeframeEvidence {
  readonly #timeframe: Timeframe;
  readonly #lengthMs: number;
  #rows = 0;
  #measured = 0;
  /** Rows by their length, where it is another one. Few: only whole seconds count. */
  readonly #others = new Map<number, number>();
  #previous: number | null = null;
  #steps = 0;
  #shortSteps = 0;
  #shortestMs = Infinity;
  #offGrid = 0;
  readonly #offsets = new Set<number>();

  constructor(timeframe: Timeframe) {
    this.#timeframe = timeframe;
    this.#lengthMs = timeframeMs(timeframe);
  }

  /** Takes one row, in the order of their times or against it. `closingMs` null: the row does not tell when it closes. */
  note(openMs: number, closingMs: number | null): void {
    this.#rows++;
    if (closingMs !== null) this.#noteLength(readLength(openMs, closingMs));
    this.#noteStep(openMs);
    const offset = openMs - floorToTimeframe(openMs, this.#timeframe);
    if (offset === 0) return;
    this.#offGrid++;
    if (offset % SECOND_MS === 0 && this.#offsets.size <= MOST_OFFSETS) this.#offsets.add(offset);
  }

  /**
   * In words, what speaks against the timeframe; null where nothing does. Where rows tell their closing times, that most
   * of them last otherwise; where none does, that most follow each other sooner than such candles can, or that most lie
   * off the grid by all kinds of amounts and some follow sooner.
   */
  contradiction(): string | null {
    if (this.#measured > 0) return this.#contradictedByLength();
    if (this.#shortSteps === 0) return null;
    const isScattered = 2 * this.#offGrid > this.#rows && this.#offsets.size > MOST_OFFSETS;
    if (2 * this.#shortSteps <= this.#steps && !isScattered) return null;
    const shortest = describeLength(this.#shortestMs);
    return `the spacing of its rows is as short as ${shortest}, and candles of the timeframe ${this.#timeframe} cannot be closer than that`;
  }

  #contradictedByLength(): string | null {
    let [count, commonMs, mostOften] = [0, 0, 0];
    for (const [lengthMs, times] of this.#others) {
      count += times;
      if (times > mostOften) [commonMs, mostOften] = [lengthMs, times];
    }
    if (2 * count <= this.#measured) return null;
    return `${count} of its ${this.#measured} rows have another length by their closing times: ${describeLength(commonMs)} instead of ${this.#timeframe}`;
  }

  #noteLength(lengthMs: number | null): void {
    this.#measured++;
    if (lengthMs === null || lengthMs === this.#lengthMs) return;
    const times = this.#others.get(lengthMs);
    if (times !== undefined || this.#others.size < 1_000) this.#others.set(lengthMs, (times ?? 0) + 1);
  }

  #noteStep(openMs: number): void {
    const stepMs = this.#previous === null ? 0 : Math.abs(openMs - this.#previous);
    this.#previous = openMs;
    if (stepMs === 0) return;
    this.#steps++;
    // A row whose time was moved by some milliseconds is one strange row, and no shorter timeframe.
    if (stepMs >= this.#lengthMs || stepMs % SECOND_MS !== 0) return;
    this.#shortSteps++;
    this.#shortestMs = Math.min(this.#shortestMs, stepMs);
  }
}

/** A length as a timeframe is spelled where it can be one, such as `1h`; otherwise in seconds, such as `90 s`. */
export function describeLength(lengthMs: number): string {
  const units = [
    ['w', WEEK_MS],
    ['d', DAY_MS],
    ['h', HOUR_MS],
    ['m', MINUTE_MS],
  ] as const;
  const unit = units.find(([, ms]) => lengthMs >= ms && lengthMs % ms === 0);
  return unit ? `${lengthMs / unit[1]}${unit[0]}` : `${lengthMs / SECOND_MS} s`;
}
