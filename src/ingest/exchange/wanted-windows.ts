import type { Clock } from '../../clock.ts';
import type { Logger } from '../../logger.ts';
import { EARLIEST_MS } from '../../market/candle.ts';
import type { CoverageKey } from '../../market/coverage.ts';
import { Wakeup } from '../../wakeup.ts';
import type { Collector } from '../collector/collector.ts';
import { RowsRefusedError, type DatabaseGate } from '../collector/database-gate.ts';

/** Since when (epoch ms) a series or feed is wanted. */
export interface WantedWindow {
  readonly key: CoverageKey;
  readonly since: number;
}

/** Where it is kept, so that each replica can answer for what any of them collects. */
export interface WindowStore {
  note(windows: readonly WantedWindow[]): Promise<void>;
}

/** For a process whose answers nobody reads. */
export const NO_WINDOWS: WindowStore = { note: () => Promise.resolve() };

export interface WantedWindowsDeps {
  readonly store: WindowStore;
  readonly database: DatabaseGate;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Nobody collects what was not noted for days. */
const EVERY_MS = 3_600_000;

/** Notes since when the series and feeds of one exchange are wanted: as soon as they change, and again each hour. */
export class WantedWindows {
  readonly #deps: WantedWindowsDeps;
  readonly #wakeup: Wakeup;
  readonly #since = new WeakMap<Collector, number>();
  #wanted: readonly WantedWindow[] = [];
  #notedAt = -Infinity;

  constructor(deps: WantedWindowsDeps) {
    this.#deps = deps;
    this.#wakeup = new Wakeup({ clock: deps.clock });
  }

  /** These series were named, and it is not known yet whether the exchange has them: wanted from `since` (epoch ms) on. */
  expect(series: readonly Omit<CoverageKey, 'metric'>[], since: number): void {
    this.#replace(
      series.map(({ exchange, symbol, timeframe }) => ({
        key: { exchange, symbol, timeframe, metric: 'ohlcv' },
        since,
      })),
    );
  }

  /** A new collector keeps what opens from `since` (epoch ms) on. */
  begin(collector: Collector, since: number): void {
    this.#since.set(collector, since);
  }

  /** What these collectors keep is wanted now; what ended is not noted again. */
  want(collectors: readonly Collector[]): void {
    this.#replace(
      collectors.map((collector) => ({ key: collector.source.key, since: this.#since.get(collector) ?? 0 })),
    );
  }

  /** Notes until the signal aborts; rejects with its reason where it waits for the database then. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    while (!signal.aborted) {
      if (clock.now() - this.#notedAt >= EVERY_MS) await this.#note(signal);
      else await this.#wakeup.wait(this.#notedAt + EVERY_MS - clock.now(), signal);
    }
  }

  #replace(windows: readonly WantedWindow[]): void {
    this.#wanted = windows.map(({ key, since }) => ({ key, since: Math.max(since, EARLIEST_MS) }));
    this.#notedAt = -Infinity;
    this.#wakeup.wake();
  }

  async #note(signal: AbortSignal): Promise<void> {
    const { store, database, clock, logger } = this.#deps;
    this.#notedAt = clock.now();
    const windows = this.#wanted;
    try {
      if (windows.length > 0) await database.run(() => store.note(windows), signal);
    } catch (error) {
      if (!(error instanceof RowsRefusedError)) throw error;
      logger.error({ err: error }, 'the database refused to note since when series are wanted');
    }
  }
}
