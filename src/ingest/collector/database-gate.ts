import { AppError, messageOf, sqlStateOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { backoffMs, type RetryWaits } from '../../retry.ts';
import type { Clock } from '../../clock.ts';

/** The database is well but refuses these rows (a value out of range, a constraint): asking again does not help. */
export class RowsRefusedError extends AppError {
  constructor(cause: unknown) {
    super('ROWS_REFUSED', 'the database refused the rows', { cause });
  }
}

export interface DatabaseGateDeps {
  readonly logger: Logger;
  readonly clock: Clock;
  /** Called when the database is reachable again. */
  readonly onUp?: () => void;
  readonly backoff?: RetryWaits;
}

const BACKOFF: RetryWaits = { firstMs: 200, maxMs: 10_000 };
/** Fewer than the pool has connections: however many answers come at once, readers of the API find one. */
const MOST_AT_ONCE = 6;

/** https://www.postgresql.org/docs/current/errcodes-appendix.html: data exception, integrity constraint violation. */
const ROW_FAULTS = new Set(['22', '23']);

/**
 * The one way from the ingest to the database. While the database is away every operation waits and is tried again,
 * and `isDown` tells the exchange loops to ask for nothing more: pages in memory stay as few as requests in flight. A few
 * operations run at a time, in the order of asking.
 */
export class DatabaseGate {
  readonly #deps: DatabaseGateDeps;
  readonly #queue: (() => void)[] = [];
  #running = 0;
  readonly #waiting = new Set<symbol>();
  #lastError: string | null = null;

  constructor(deps: DatabaseGateDeps) {
    this.#deps = deps;
  }

  get isDown(): boolean {
    return this.#waiting.size > 0;
  }

  /** Why the database is away, or null while it is there. */
  get lastError(): string | null {
    return this.isDown ? this.#lastError : null;
  }

  /**
   * Runs an operation that may safely run twice, until it succeeds.
   *
   * @throws RowsRefusedError for SQLSTATE classes 22 and 23; programming errors; the signal's reason.
   */
  async run<T>(operation: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const { clock, logger, backoff = BACKOFF } = this.#deps;
    const token = Symbol('operation');
    await this.#enter();
    try {
      for (let attempt = 1; ; attempt++) {
        signal.throwIfAborted();
        try {
          return await operation();
        } catch (error) {
          signal.throwIfAborted();
          throwUnlessPassing(error);
          this.#lastError = messageOf(error);
          if (!this.isDown) logger.warn({ err: error }, 'the database cannot be written; ingest waits for it');
          this.#waiting.add(token);
          await clock.sleep(backoffMs(attempt, backoff), signal);
        }
      }
    } finally {
      if (this.#waiting.delete(token) && !this.isDown && !signal.aborted) {
        logger.info('the database can be written again');
        this.#deps.onUp?.();
      }
      this.#leave();
    }
  }

  async #enter(): Promise<void> {
    if (this.#running < MOST_AT_ONCE) this.#running++;
    else await new Promise<void>((resolve) => this.#queue.push(resolve));
  }

  /** Whoever waits next takes the place over, so that nobody slips in between. */
  #leave(): void {
    const next = this.#queue.shift();
    if (next) next();
    else this.#running--;
  }
}

/**
 * Throws what waiting cannot mend. Everything else may pass: besides lost connections also a missing right or table,
 * which a person mends while we wait and `/health` says why. A lost connection has no class of its own in `pg`.
 */
function throwUnlessPassing(error: unknown): void {
  if (isProgrammingError(error)) throw error;
  const state = sqlStateOf(error);
  if (state !== null && ROW_FAULTS.has(state.slice(0, 2))) throw new RowsRefusedError(error);
}

/** Whether an error says that this program is wrong, rather than the world. */
function isProgrammingError(error: unknown): boolean {
  return (
    error instanceof TypeError ||
    error instanceof RangeError ||
    error instanceof ReferenceError ||
    error instanceof SyntaxError
  );
}
