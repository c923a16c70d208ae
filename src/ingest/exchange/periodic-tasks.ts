import type { Clock } from '../../clock.ts';
import { MINUTE_MS } from '../../market/moments.ts';

/** Something that is done for the whole exchange now and then, before any collector is asked. */
export interface Task {
  readonly name: string;
  /** How long after a success it is done again. */
  readonly everyMs: () => number;
  run(signal: AbortSignal): Promise<void>;
}

export interface TaskEntry {
  readonly task: Task;
  /** When it is due, by our clock. */
  at: number;
  failures: number;
  lastError: string | null;
  isBusy: boolean;
  /** When it last succeeded; null: never. */
  doneAt: number | null;
}

/** However often something asks for it, a task is not done again sooner. */
const SOONEST_AGAIN_MS = 5 * MINUTE_MS;

/** The tasks of one exchange, each until it succeeded once before the next, and repeated in their time. */
export class Tasks {
  readonly #clock: Clock;
  readonly #entries: readonly TaskEntry[];

  constructor({ tasks, clock }: { readonly tasks: readonly Task[]; readonly clock: Clock }) {
    this.#clock = clock;
    this.#entries = tasks.map((task) => ({
      task,
      at: 0,
      failures: 0,
      lastError: null,
      isBusy: false,
      doneAt: null,
    }));
  }

  /** Why one of them fails, or null. */
  get lastError(): string | null {
    return this.#entries.find(({ lastError }) => lastError !== null)?.lastError ?? null;
  }

  /**
   * The next one to be done now, or how long that takes; null where the collectors may go on. Nothing makes sense
   * before each succeeded once.
   */
  findDue(): TaskEntry | number | null {
    const now = this.#clock.now();
    for (const entry of this.#entries) {
      if (!entry.isBusy && entry.at <= now) return entry;
      if (entry.doneAt === null) return entry.isBusy ? Infinity : entry.at - now;
    }
    return null;
  }

  /** How long until the next one is due. */
  waitMs(): number {
    const now = this.#clock.now();
    return Math.min(Infinity, ...this.#entries.filter(({ isBusy }) => !isBusy).map(({ at }) => Math.max(0, at - now)));
  }

  async run(entry: TaskEntry, signal: AbortSignal): Promise<void> {
    entry.isBusy = true;
    await entry.task.run(signal).finally(() => (entry.isBusy = false));
    const now = this.#clock.now();
    Object.assign(entry, { at: now + entry.task.everyMs(), failures: 0, lastError: null, doneAt: now });
  }

  /** Notes a failure, after which it is tried again in `waitMs`. */
  fail(entry: TaskEntry, waitMs: number, message: string): void {
    Object.assign(entry, { at: this.#clock.now() + waitMs, failures: entry.failures + 1, lastError: message });
  }

  /** Something says that what this task learned is out of date. */
  retryNow(name: string): void {
    const entry = this.#entries.find(({ task }) => task.name === name);
    if (!entry || entry.doneAt === null) return;
    entry.at = Math.min(entry.at, Math.max(this.#clock.now(), entry.doneAt + SOONEST_AGAIN_MS));
  }
}
