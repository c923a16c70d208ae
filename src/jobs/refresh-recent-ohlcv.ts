import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Job } from './job.ts';
import { HOUR_MS, MINUTE_MS, toIso } from '../market/moments.ts';
import type { RecentOhlcvState } from '../market/service-state.ts';

/** What the job needs of the repository of the view. */
interface RefreshableView {
  refresh(): Promise<void>;
  countRows(): Promise<number>;
}

export interface RefreshRecentOhlcvDeps {
  readonly cron: string;
  readonly view: RefreshableView;
  /** When a row was last written by any process on this database (epoch ms of the writer's clock), or null. */
  readonly lastWriteAt: () => number | null | Promise<number | null>;
  /** The last run of this job that ended, in whichever process; null where there is none. */
  readonly findLastRun?: (job: string) => Promise<{ readonly finishedAt: Date; readonly error: string | null } | null>;
  readonly logger: Logger;
  readonly now?: () => number;
}

/** The view holds the last seven days: it ages without a write. Other processes may write too. */
const MAX_AGE_MS = HOUR_MS;

/** How far the clocks of two processes may be apart without one missing what the other wrote. */
const SKEW_MS = MINUTE_MS;

/**
 * Refreshes recent_ohlcv at the start and on its schedule, unless nothing was written since the last time. Of several
 * processes one does it, and the others tell of it what the database says.
 */
export class RefreshRecentOhlcv implements Job {
  readonly name = 'refresh-recent-ohlcv';
  readonly cron: string;
  readonly runsAtStart = true;
  readonly #deps: RefreshRecentOhlcvDeps;
  readonly #now: () => number;
  /** When the last successful refresh began: a write during it is not in it. */
  #begunAt: number | null = null;
  #snapshot: RecentOhlcvState = { refreshed_at: null, duration_ms: null, rows: null, last_error: null };

  constructor(deps: RefreshRecentOhlcvDeps) {
    this.cron = deps.cron;
    this.#deps = deps;
    this.#now = deps.now ?? Date.now;
  }

  snapshot(): RecentOhlcvState {
    return this.#snapshot;
  }

  async run(signal: AbortSignal): Promise<void> {
    const begunAt = this.#now();
    const { view, logger } = this.#deps;
    try {
      if (!(await this.#isDue(begunAt))) return;
      await view.refresh();
      const endedAt = this.#now();
      signal.throwIfAborted();
      const rows = await view.countRows();
      this.#begunAt = begunAt;
      this.#snapshot = {
        refreshed_at: toIso(endedAt),
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

  /** Another process has this turn: what is shown here follows the run before it, which has ended. */
  async followTurn(): Promise<void> {
    const last = await this.#deps.findLastRun?.(this.name);
    if (!last) return;
    const { refreshed_at: known } = this.#snapshot;
    if (known !== null && last.finishedAt.getTime() <= Date.parse(known)) return;
    this.#snapshot =
      last.error !== null
        ? { ...this.#snapshot, last_error: last.error }
        : {
            refreshed_at: last.finishedAt.toISOString(),
            // Nobody wrote down how long it took.
            duration_ms: null,
            rows: await this.#deps.view.countRows(),
            last_error: null,
          };
  }

  async #isDue(now: number): Promise<boolean> {
    if (this.#begunAt === null || this.#snapshot.last_error !== null || now - this.#begunAt >= MAX_AGE_MS) return true;
    const writtenAt = await this.#deps.lastWriteAt();
    return writtenAt !== null && writtenAt >= this.#begunAt - SKEW_MS;
  }
}
