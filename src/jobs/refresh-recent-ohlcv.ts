import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Job } from './job.ts';

/** What the job needs of the repository of the view. */
interface RefreshableView {
  refresh(): Promise<void>;
  countRows(): Promise<number>;
}

export interface RefreshRecentOhlcvDeps {
  readonly cron: string;
  readonly view: RefreshableView;
  /** When a row was last written (epoch ms), or null. */
  readonly lastWriteAt: () => number | null;
  readonly logger: Logger;
  readonly now?: () => number;
}

/** The last refresh, ready for JSON. */
export interface RefreshSnapshot {
  /** ISO 8601; null before the first. */
  readonly refreshed_at: string | null;
  readonly duration_ms: number | null;
  readonly rows: number | null;
  /** Why the latest attempt failed; null where it did not. */
  readonly last_error: string | null;
}

/** The view holds the last seven days: it ages without a write. Other processes may write too. */
const MAX_AGE_MS = 3_600_000;

/** Refreshes recent_ohlcv at the start and on its schedule, unless nothing was written since the last time. */
export class RefreshRecentOhlcv implements Job {
  readonly name = 'refresh-recent-ohlcv';
  readonly cron: string;
  readonly runsAtStart = true;
  readonly #deps: RefreshRecentOhlcvDeps;
  readonly #now: () => number;
  /** When the last successful refresh began: a write during it is not in it. */
  #begunAt: number | null = null;
  #snapshot: RefreshSnapshot = { refreshed_at: null, duration_ms: null, rows: null, last_error: null };

  constructor(deps: RefreshRecentOhlcvDeps) {
    this.cron = deps.cron;
    this.#deps = deps;
    this.#now = deps.now ?? Date.now;
  }

  snapshot(): RefreshSnapshot {
    return this.#snapshot;
  }

  async run(signal: AbortSignal): Promise<void> {
    const begunAt = this.#now();
    if (!this.#isDue(begunAt)) return;
    const { view, logger } = this.#deps;
    try {
      await view.refresh();
      const endedAt = this.#now();
      signal.throwIfAborted();
      const rows = await view.countRows();
      this.#begunAt = begunAt;
      this.#snapshot = {
        refreshed_at: new Date(endedAt).toISOString(),
        duration_ms: endedAt - begunAt,
        rows,
        last_error: null,
      };
      logger.debug({ duration_ms: endedAt - begunAt, rows }, 'recent_ohlcv was refreshed');
    } catch (error) {
      if (!signal.aborted) this.#snapshot = { ...this.#snapshot, last_error: messageOf(error) };
      throw error;
    }
  }

  #isDue(now: number): boolean {
    if (this.#begunAt === null || this.#snapshot.last_error !== null || now - this.#begunAt >= MAX_AGE_MS) return true;
    const writtenAt = this.#deps.lastWriteAt();
    return writtenAt !== null && writtenAt >= this.#begunAt;
  }
}
