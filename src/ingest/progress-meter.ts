import type { Logger } from '../logger.ts';
import type { Clock } from '../clock.ts';
import { Wakeup } from '../wakeup.ts';
import type { IngestProgress } from './ingest-state.ts';
import type { SeriesState } from '../market/service-state.ts';

const TICK_MS = 1_000;
const LOG_EVERY_MS = 10_000;
/** The rate is that of the last half minute or so. */
const RATE_WINDOW_MS = 30_000;

/**
 * Measures a backfill and tells the log about it: a line now and then, one per finished series, one at the end. It
 * sleeps while every series is complete and nothing happens.
 */
export class ProgressMeter {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #startedAt: number;
  readonly #finished = new Set<string>();
  #written = 0;
  #read = 0;
  #requests = 0;
  #samples: { readonly at: number; readonly read: number }[] = [];
  #lastLoggedAt: number;
  #wasComplete = false;
  readonly #pause: Wakeup;
  readonly #changes: Wakeup;

  constructor(deps: { logger: Logger; clock: Clock }) {
    this.#logger = deps.logger;
    this.#clock = deps.clock;
    this.#startedAt = deps.clock.now();
    this.#lastLoggedAt = this.#startedAt;
    this.#pause = new Wakeup(deps);
    this.#changes = new Wakeup(deps);
  }

  /**
   * Ticks once a second while anything is missing; once all is complete only within a second of a change, and once a
   * minute, because a series falls behind without one too. Resolves when the signal aborts.
   */
  async run(
    {
      states,
      onNews,
    }: { readonly states: () => readonly SeriesState[]; readonly onNews: (progress: IngestProgress) => void },
    signal: AbortSignal,
  ): Promise<void> {
    while (!signal.aborted) {
      if (this.#wasComplete) await this.#changes.wait(Infinity, signal);
      await this.#pause.wait(TICK_MS, signal);
      const { progress, isNews } = this.tick(states());
      if (isNews) onNews(progress);
    }
  }

  /** Something happened after which a series may be complete, or be so no more. */
  noteChange(): void {
    this.#changes.wake();
  }

  /** Notes one answered request. */
  note(rows: number, written: number): void {
    this.#requests++;
    this.#read += rows;
    this.#written += written;
  }

  /**
   * To be called with the series that are collected, about once a second while one is not complete. `isNews`: worth
   * showing, because something is missing or has just become complete.
   */
  tick(states: readonly SeriesState[]): { readonly progress: IngestProgress; readonly isNews: boolean } {
    const now = this.#clock.now();
    const progress = this.#measure(states, now);
    for (const { exchange, symbol, timeframe, state } of states) {
      const key = `${exchange} ${symbol} ${timeframe}`;
      if (state !== 'complete' || this.#finished.has(key)) continue;
      this.#finished.add(key);
      this.#logger.info({ exchange, symbol, timeframe }, 'a series is complete');
    }
    const isComplete = states.length > 0 && progress.complete === states.length;
    const isNews = states.length > 0 && (!isComplete || !this.#wasComplete);
    if (isComplete && !this.#wasComplete) {
      const { series, written, requests } = progress;
      const seconds = Math.round((now - this.#startedAt) / 1000);
      this.#logger.info({ series, written, requests, seconds }, 'every series is complete');
    } else if (!isComplete && states.length > 0 && now - this.#lastLoggedAt >= LOG_EVERY_MS) {
      this.#lastLoggedAt = now;
      this.#logger.info({ ...progress }, 'backfill goes on');
    }
    this.#wasComplete = isComplete;
    return { progress, isNews };
  }

  #measure(states: readonly SeriesState[], now: number): IngestProgress {
    this.#samples = [...this.#samples.filter(({ at }) => now - at <= RATE_WINDOW_MS), { at: now, read: this.#read }];
    const first = this.#samples[0] ?? { at: now, read: this.#read };
    const rowsPerSecond = now > first.at ? Math.round(((this.#read - first.read) * 1000) / (now - first.at)) : 0;
    const missing = states.reduce((sum, state) => sum + (state.missing ?? 0), 0);
    const isCounted = states.every((state) => state.missing !== null);
    return {
      series: states.length,
      complete: states.filter(({ state }) => state === 'complete').length,
      missing,
      isCounted,
      written: this.#written,
      read: this.#read,
      requests: this.#requests,
      rowsPerSecond,
      etaSeconds: isCounted && rowsPerSecond > 0 ? Math.ceil(missing / rowsPerSecond) : null,
    };
  }
}
