import { Presets, SingleBar } from 'cli-progress';
import type { IngestProgress } from './ingest-state.ts';

export interface ProgressBarDeps {
  /** Where it is drawn: standard error, so that lines on standard output stay whole. */
  readonly stream: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

const FORMAT = 'backfill {bar} {percentage}% | {complete}/{series} series | {rate} candles/s | {left}';

/** Draws the progress of a backfill on a terminal, and nothing elsewhere. */
export class ProgressBar {
  readonly #stream: ProgressBarDeps['stream'];
  #bar: SingleBar | null = null;

  constructor({ stream }: ProgressBarDeps) {
    this.#stream = stream;
  }

  /** Shows the state of the moment; the bar appears when something is missing and goes when nothing is any more. */
  show(progress: IngestProgress): void {
    if (this.#stream.isTTY !== true) return;
    const { complete, series, missing, isCounted, read, rowsPerSecond, etaSeconds } = progress;
    if (complete === series) {
      this.stop();
      return;
    }
    if (!isCounted) return;
    const payload = {
      complete,
      series,
      rate: rowsPerSecond,
      left: etaSeconds === null ? 'time unknown' : `${etaSeconds} s left`,
    };
    if (!this.#bar) {
      this.#bar = new SingleBar(
        { format: FORMAT, stream: this.#stream, clearOnComplete: true, hideCursor: null, gracefulExit: false },
        Presets.shades_classic,
      );
      this.#bar.start(read + missing, read, payload);
    }
    this.#bar.setTotal(read + missing);
    this.#bar.update(read, payload);
  }

  /** Takes the bar away. */
  stop(): void {
    this.#bar?.stop();
    this.#bar = null;
  }
}
