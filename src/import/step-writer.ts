import type { Candle, WriteCounts } from '../market/candle.ts';
import { candleEntry, type CommitEntry } from '../market/commit-entry.ts';
import { seriesKey, type Series } from '../market/instrument.ts';

/** Where the candles go; the repositories fit. */
export interface CandleSink {
  commit(entries: readonly CommitEntry[]): Promise<WriteCounts>;
}

interface Step {
  readonly key: string;
  readonly first: number;
  readonly last: number;
  readonly done: Promise<void>;
}

/**
 * Stores steps of candles, several at a time. Steps of one series whose times overlap go one after the other, so that
 * of two rows with one opening time the later one in the file stays. After a step failed no other is begun.
 */
export class StepWriter {
  readonly #sink: CandleSink | null;
  readonly #writers: number;
  readonly #running = new Set<Step>();
  #failure: { readonly error: unknown } | null = null;
  #counts = { inserted: 0, updated: 0, unchanged: 0 };

  /** Without a sink it counts nothing and writes nothing. */
  constructor({ sink, writers }: { readonly sink: CandleSink | null; readonly writers: number }) {
    this.#sink = sink;
    this.#writers = writers;
  }

  get counts(): WriteCounts {
    return { ...this.#counts };
  }

  /**
   * Begins to store a step, which must not be empty, as soon as a writer is free, and resolves then: the next step is
   * gathered meanwhile.
   *
   * @throws what a step before failed with.
   */
  async write(series: Series, candles: readonly Candle[]): Promise<void> {
    const sink = this.#sink;
    if (!sink) return;
    const key = seriesKey(series);
    let first = Infinity;
    let last = -Infinity;
    for (const { timestamp } of candles) {
      if (timestamp < first) first = timestamp;
      if (timestamp > last) last = timestamp;
    }
    for (const step of this.#running) {
      if (step.key === key && step.first <= last && first <= step.last) await step.done;
    }
    while (this.#running.size >= this.#writers) await Promise.race([...this.#running].map((step) => step.done));
    this.#throwFailure();
    const done = sink
      .commit([candleEntry(series, candles)])
      .then((counts) => {
        this.#counts.inserted += counts.inserted;
        this.#counts.updated += counts.updated;
        this.#counts.unchanged += counts.unchanged;
      })
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#running.delete(step));
    const step: Step = { key, first, last, done };
    this.#running.add(step);
  }

  /**
   * Resolves when nothing is being written any more.
   *
   * @throws what a step failed with.
   */
  async settle(): Promise<void> {
    await Promise.all([...this.#running].map((step) => step.done));
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure) throw this.#failure.error;
  }
}
