import type { Clock } from '../../clock.ts';
import { ExchangeDataError, ExchangeRejectedError, ExchangeUnavailableError, messageOf } from '../../errors.ts';
import type { Exchange, RequestKind } from '../../exchanges/exchange.ts';
import type { Logger } from '../../logger.ts';
import { HOUR_MS } from '../../market/moments.ts';
import { backoffMs, type RetryWaits } from '../../retry.ts';
import { Tasks, type Task, type TaskEntry } from './periodic-tasks.ts';
import type { Collector } from '../collector/collector.ts';
import { RowsRefusedError, type DatabaseGate } from '../collector/database-gate.ts';
import { compareSteps, type NextStep } from '../collector/urgency.ts';
import { Wakeup } from '../../wakeup.ts';

export interface ExchangeWorkerDeps {
  readonly exchange: Exchange;
  readonly database: DatabaseGate;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Done in this order at the start, each until it succeeded once, and repeated in their time. */
  readonly tasks: readonly Task[];
  /** The collectors of the moment; may change while the worker runs. */
  readonly collectors: () => Iterable<Collector>;
  /** Asked before each step: whether it may begin on what is known. Where not, `wake` is called once more is known. */
  readonly isInformed: () => boolean;
  /** Called for each step that asked the exchange, or failed. */
  readonly onStep: (isAnswered: boolean) => void;
  /** Steps in flight at most: of any kind, and with live tails besides. */
  readonly concurrency?: { readonly all: number; readonly tails: number };
}

interface Turn {
  /** Resolves with whether the exchange was asked. */
  readonly work: (signal: AbortSignal) => Promise<boolean>;
  /** Notes a failure, and how long to leave this alone. */
  readonly onFailure: (waitMs: number, message: string) => void;
  readonly onRefused: (error: ExchangeRejectedError, attempt: number) => void;
  readonly failures: number;
  readonly fields: Readonly<Record<string, string>>;
}

/** 500 tails within seconds of their close, from an exchange that takes a quarter of a second for an answer. */
const CONCURRENCY = { all: 4, tails: 20 };
/** Longer than the first waits of the exchange as a whole, so that one bad market does not stand before all others. */
const STEP_BACKOFF: RetryWaits = { firstMs: 2_000, maxMs: 30_000 };
const UNUSABLE_BACKOFF: RetryWaits = { firstMs: 2_000, maxMs: 60_000 };
const REJECTED_BACKOFF: RetryWaits = { firstMs: 2_000, maxMs: 300_000 };
const ROWS_BACKOFF: RetryWaits = { firstMs: 60_000, maxMs: HOUR_MS };
const LONG_AGO = -1;
const UNUSABLE_LOG_EVERY_MS = 60_000;

/**
 * The one loop that asks an exchange: the most urgent next step first, among equals whoever waited longest, with a bound on
 * the steps in flight. Nothing is begun that would wait for an allowance, so that a class of requests that is used up
 * holds up no other. Hundreds of series need no timer each, and a page is gone from memory when it is written.
 */
export class ExchangeWorker {
  readonly #deps: ExchangeWorkerDeps;
  readonly #wakeup: Wakeup;
  readonly #tasks: Tasks;
  readonly #inFlight = new Set<Promise<void>>();
  readonly #served = new WeakMap<Collector, number>();
  #turns = 0;
  #unusable = 0;
  #unusableLoggedAt = 0;
  #crash: { readonly error: unknown } | null = null;

  constructor(deps: ExchangeWorkerDeps) {
    this.#deps = deps;
    this.#wakeup = new Wakeup({ clock: deps.clock });
    this.#tasks = new Tasks(deps);
  }

  /** Why the exchange's clock or markets cannot be read, or null. */
  get lastError(): string | null {
    return this.#tasks.lastError;
  }

  /** Whether steps are in flight. */
  get isAsking(): boolean {
    return this.#inFlight.size > 0;
  }

  /** Looks again at once: something changed that it waits for. */
  wake(): void {
    this.#wakeup.wake();
  }

  /**
   * Works until the signal aborts, and resolves when the steps in flight have settled.
   *
   * @throws what no exchange and no database can cause: a programming error.
   */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && this.#crash === null) await this.#wakeup.wait(this.#launch(signal), signal);
    await Promise.all(this.#inFlight);
    if (this.#crash !== null && !signal.aborted) throw this.#crash.error;
  }

  /** Starts what may be started now; answers how long there is nothing more to start. */
  #launch(signal: AbortSignal): number {
    const { exchange, database, clock, concurrency = CONCURRENCY } = this.#deps;
    for (;;) {
      const now = clock.now();
      if (database.isDown) return Infinity;
      const { state, until } = exchange.access();
      if (until > now) return until - now;
      const running = this.#inFlight.size;
      // After a failure one request goes ahead and tells whether the exchange is back.
      if (running >= (state === 'up' ? concurrency.tails : 1)) return Infinity;
      const next = this.#findTask() ?? this.#findCollector(running >= concurrency.all);
      if (typeof next === 'number') return next;
      if (!this.#deps.isInformed()) return Infinity;
      this.#start(next, signal);
    }
  }

  #findTask(): Turn | number | null {
    const { exchange, clock, logger } = this.#deps;
    const due = this.#tasks.findDue();
    if (due === null || typeof due === 'number') return due;
    const waitMs = exchange.readyAt('listing', true) - clock.now();
    if (waitMs > 0) return due.doneAt === null ? waitMs : null;
    return this.#toTurn(due, logger);
  }

  #toTurn(entry: TaskEntry, logger: Logger): Turn {
    const { name } = entry.task;
    return {
      work: async (signal) => {
        await this.#tasks.run(entry, signal);
        return true;
      },
      onFailure: (waitMs, message) => this.#tasks.fail(entry, waitMs, message),
      onRefused: (error) => {
        const reason = messageOf(error);
        logger.error({ task: name, reason }, 'the exchange refused a request that it must answer');
        this.#tasks.fail(entry, HOUR_MS, reason);
      },
      failures: entry.failures,
      fields: { exchange: this.#deps.exchange.id, task: name },
    };
  }

  #findCollector(isTailOnly: boolean): Turn | number {
    const { exchange, clock, collectors } = this.#deps;
    const exchangeNow = exchange.now();
    if (exchangeNow === null) return 1_000;
    const now = clock.now();
    const readiness = new Readiness(exchange, now);
    let best: { collector: Collector; next: NextStep; servedAt: number } | null = null;
    let soonest = Math.max(this.#tasks.waitMs(), exchange.readyAt('listing', true) - now);
    for (const collector of collectors()) {
      const next = collector.nextStep();
      if (isTailOnly && !next.isTail) continue;
      const waitMs = Math.max(next.at - exchangeNow, readiness.waitMs(next));
      if (waitMs > 0) {
        soonest = Math.min(soonest, waitMs);
        continue;
      }
      const candidate = { collector, next, servedAt: this.#served.get(collector) ?? LONG_AGO };
      if (!best || compareSteps(candidate, best) < 0) best = candidate;
    }
    if (!best) return soonest;
    return this.#toStep(best.collector, best.next.isTail);
  }

  #toStep(collector: Collector, isTail: boolean): Turn {
    const { fields } = collector.source;
    return {
      work: (signal) => {
        this.#served.set(collector, this.#turns++);
        return collector.step(signal);
      },
      onFailure: (waitMs, message) => collector.hold(waitMs, message),
      onRefused: (error, attempt) => {
        const reason = messageOf(error);
        // The list of markets tells whether it is gone.
        if (error.reason === 'symbol') this.#tasks.retryNow('markets');
        if (collector.isServed && error.reason !== 'timeframe') {
          // What it no longer keeps is refused once for each feed at the first start, and that is how it is found out.
          const level = !isTail && attempt === 1 ? 'info' : 'warn';
          this.#deps.logger[level]({ ...fields, reason, attempt }, 'the exchange refused one request');
          const waitMs = backoffMs(attempt, REJECTED_BACKOFF);
          if (isTail) collector.hold(waitMs, reason);
          else collector.holdHistory(waitMs, reason);
          return;
        }
        if (collector.state() !== 'refused')
          this.#deps.logger.warn({ ...fields, reason }, 'the exchange refused what was asked for');
        collector.refuse(HOUR_MS, reason);
      },
      failures: collector.failures,
      fields,
    };
  }

  #start(turn: Turn, signal: AbortSignal): void {
    const running = turn
      .work(signal)
      .then((wasAsked) => {
        if (wasAsked) this.#deps.onStep(true);
      })
      .catch((error: unknown) => {
        if (!signal.aborted) this.#noteFailure(error, turn);
      })
      .finally(() => {
        this.#inFlight.delete(running);
        this.#wakeup.wake();
      });
    this.#inFlight.add(running);
  }

  #noteFailure(error: unknown, turn: Turn): void {
    const { logger, onStep } = this.#deps;
    const attempt = turn.failures + 1;
    onStep(false);
    if (isOfWholeExchange(error)) {
      turn.onFailure(backoffMs(attempt, STEP_BACKOFF), messageOf(error));
    } else if (error instanceof ExchangeRejectedError) {
      turn.onRefused(error, attempt);
    } else if (error instanceof ExchangeDataError) {
      this.#logUnusable(error, turn.fields);
      turn.onFailure(backoffMs(attempt, UNUSABLE_BACKOFF), messageOf(error));
    } else if (error instanceof RowsRefusedError) {
      logger.error({ ...turn.fields, err: error }, 'the database refused rows; they will be asked for again');
      turn.onFailure(backoffMs(attempt, ROWS_BACKOFF), messageOf(error));
    } else {
      this.#crash ??= { error };
    }
  }

  #logUnusable(error: Error, fields: Readonly<Record<string, string>>): void {
    const { clock, logger } = this.#deps;
    this.#unusable++;
    if (this.#unusableLoggedAt !== 0 && clock.now() - this.#unusableLoggedAt < UNUSABLE_LOG_EVERY_MS) return;
    this.#unusableLoggedAt = clock.now();
    logger.warn({ ...fields, err: error, unusable_answers: this.#unusable }, 'the exchange sent an unusable answer');
  }
}

/** Whether the exchange itself waits out what happened; the turn that met it is left alone besides. */
function isOfWholeExchange(error: unknown): boolean {
  if (error instanceof ExchangeRejectedError) return error.reason === 'access';
  return error instanceof ExchangeUnavailableError;
}

/** How long each kind of request has to wait for its allowance at one moment; each is asked for once. */
class Readiness {
  readonly #exchange: Exchange;
  readonly #now: number;
  readonly #urgent = new Map<RequestKind, number>();
  readonly #patient = new Map<RequestKind, number>();

  constructor(exchange: Exchange, now: number) {
    this.#exchange = exchange;
    this.#now = now;
  }

  waitMs({ kind, isTail }: NextStep): number {
    if (kind === null) return 0;
    const known = isTail ? this.#urgent : this.#patient;
    let waitMs = known.get(kind);
    if (waitMs === undefined) {
      waitMs = this.#exchange.readyAt(kind, isTail) - this.#now;
      known.set(kind, waitMs);
    }
    return waitMs;
  }
}
