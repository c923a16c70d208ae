import type { Candle } from '../market/candle.ts';
import type { Series } from '../market/instrument.ts';
import { TimeframeEvidence } from '../market/timeframe-evidence.ts';
import type { RecordSpan } from './candle-record.ts';

/** So many rows are judged together. */
export const JUDGED_ROWS = 20_000;
/** Fewer at the end of a longer file are too few to speak against its timeframe. */
const FEWEST_ROWS = 20;

/** Rows of a file are candles of another timeframe than was said. */
export class TimeframeContradiction extends Error {
  readonly series: Series;
  /** Where those rows begin; the first line of the file is 1. */
  readonly line: number;

  constructor(series: Series, line: number, message: string) {
    super(message);
    this.series = series;
    this.line = line;
  }
}

/** One series of a file: what waits to be stored, and what its rows say of their timeframe. */
export class JudgedSeries {
  readonly series: Series;
  candles: Candle[] = [];
  #evidence: TimeframeEvidence;
  #rows = 0;
  #firstLine = 0;
  #isFirst = true;

  constructor(series: Series) {
    this.series = series;
    this.#evidence = new TimeframeEvidence(series.timeframe);
  }

  /**
   * Takes the times of one row, good or faulty otherwise.
   *
   * @throws TimeframeContradiction
   */
  note({ openMs, closingMs }: RecordSpan, line: number): void {
    if (this.#rows >= JUDGED_ROWS) this.#begin();
    if (this.#rows === 0) this.#firstLine = line;
    this.#rows++;
    this.#evidence.note(openMs, closingMs);
    if (this.#rows === JUDGED_ROWS) this.judge();
  }

  /** @throws TimeframeContradiction where the latest rows are of another timeframe. */
  judge(): void {
    if (!this.#isFirst && this.#rows < FEWEST_ROWS) return;
    const contradiction = this.#evidence.contradiction();
    if (contradiction !== null) throw new TimeframeContradiction(this.series, this.#firstLine, contradiction);
  }

  #begin(): void {
    this.#evidence = new TimeframeEvidence(this.series.timeframe);
    this.#rows = 0;
    this.#isFirst = false;
  }
}
