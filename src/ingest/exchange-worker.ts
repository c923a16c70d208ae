import type { Clock } from '../clock.ts';
import { ExchangeDataError, ExchangeRejectedError, ExchangeUnavailableError, messageOf } from '../errors.ts';
import type { Exchange } from '../exchanges/exchange.ts';
import type { Logger } from '../logger.ts';
import { backoffMs, type Backoff } from '../retry.ts';
import { Wakeup } from './wakeup.ts';
import type { Collector } from './collector.ts';
import { RowsRefusedError, type DatabaseGate } from './database-gate.ts';
import type { ExchangeGate } from './exchange-gate.ts';

/** Something that the worker does for the whole exchange now and then, before any collector is asked. */
export interface Chore {
  readonly name: string;
  readonly everyMs: number;
  run(signal: AbortSignal): Promise<void>;
}

export interface ExchangeWorkerDeps {
  readonly exchange: Exchange;
  readonly gate: ExchangeGate;
  readonly database: DatabaseGate;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Done in this order at the start, each until it succeeded once, and repeated in their time. */
  readonly chores: readonly Chore[];
  /** The collectors of the moment; may change while the worker runs. */
  readonly collectors: () => Iterable<Collector>;
  /** Requests in flight at most. Default 4. */
  readonly concurrency?: number;
}

interface Turn {
  /** Resolves with whether the exchange was asked. */
  readonly work: (signal: AbortSignal) => Promise<boolean>;
  readonly onSuccess: () => void;
  /** Notes a failure, and how long to leave this alone. */
  readonly onFailure: (waitMs: number, message: string) => void;
  readonly onRefused: (error: ExchangeRejectedError, attempt: number) => void;
  readonly failures: number;
  readonly fields: Readonly<Record<string, string>>;
}

interface ChoreEntry {
  readonly chore: Chore;
  at: number;
  failures: number;
  lastError: string | null;
  /** Whether it succeeded once. */
  isDone: boolean;
  isBusy: boolean;
}

const HOUR_MS = 3_600_000;
/** Longer than the first waits of the exchange as a whole, so that one bad market does not stand before all others. */
const STEP_BACKOFF: Backoff = { firstMs: 2_000, maxMs: 30_000 };
const UNUSABLE_BACKOFF: Backoff = { firstMs: 2_000, maxMs: 60_000 };
const REJECTED_BACKOFF: Backoff = { firstMs: 2_000, maxMs: 300_000 };
const ROWS_BACKOFF: Backoff = { firstMs: 60_000, maxMs: HOUR_MS };
const LONG_AGO = -1;

/**
 * The one loop that asks an exchange: the most urgent wish first, among equals whoever waited longest, with a bound on
 * the requests in flight. Hundreds of series need no timer each, and a page is gone from memory when it is written.
 */
export class ExchangeWorker {
  readonly #deps: ExchangeWorkerDeps;
  readonly #wakeup: Wakeup;
  readonly #inFlight = new Set<Promise<void>>();
  readonly #served = new WeakMap<Collector, number>();
  readonly #chores: ChoreEntry[];
  #turns = 0;
  #crash: { readonly error: unknown } | null = null;

  constructor(deps: ExchangeWorkerDeps) {
    this.#deps = deps;
    this.#wakeup = new Wakeup({ clock: deps.clock });
    this.#chores = deps.chores.map((chore) => ({
      chore,
      at: 0,
      failures: 0,
      lastError: null,
      isDone: false,
      isBusy: false,
    }));
  }

  /** Why the exchange's clock or markets cannot be read, or null. */
  get lastError(): string | null {
    return this.#chores.find(({ lastError }) => lastError !== null)?.lastError ?? null;
  }

  /** Looks again at once: something changed that it waits for. */
  wake(): void {
    this.#wakeup.wake();
  }

  /**
   * Works until the signal aborts, and resolves when the requests in flight have settled.
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
    const { gate, database, clock, concurrency = 4 } = this.#deps;
    for (;;) {
      const now = clock.now();
      if (database.isDown) return Infinity;
      if (gate.blockedUntil > now) return gate.blockedUntil - now;
      // After a failure one request goes ahead and tells whether the exchange is back.
      if (this.#inFlight.size >= (gate.state === 'up' ? concurrency : 1)) return Infinity;
      const next = this.#findChore(now) ?? this.#findCollector();
      if (typeof next === 'number') return next;
      this.#start(next, signal);
    }
  }

  #findChore(now: number): Turn | number | null {
    const { clock, logger } = this.#deps;
    for (const entry of this.#chores) {
      const { chore } = entry;
      if (!entry.isBusy && entry.at <= now) {
        return {
          work: async (signal) => {
            entry.isBusy = true;
            await chore.run(signal).finally(() => (entry.isBusy = false));
            return true;
          },
          onSuccess: () => {
            Object.assign(entry, { at: clock.now() + chore.everyMs, failures: 0, lastError: null, isDone: true });
          },
          onFailure: (waitMs, message) => {
            Object.assign(entry, { at: clock.now() + waitMs, failures: entry.failures + 1, lastError: message });
          },
          onRefused: (error) => {
            const reason = messageOf(error);
            logger.error({ chore: chore.name, reason }, 'the exchange refused a request that it must answer');
            Object.assign(entry, { at: clock.now() + HOUR_MS, lastError: reason });
          },
          failures: entry.failures,
          fields: { exchange: this.#deps.exchange.id, chore: chore.name },
        };
      }
      // Nothing after it makes sense before it succeeded.
      if (!entry.isDone) return entry.isBusy ? Infinity : entry.at - now;
    }
    return null;
  }

  #findCollector(): Turn | number {
    const exchangeNow = this.#deps.exchange.now();
    if (exchangeNow === null) return 1_000;
    let best: { collector: Collector; urgency: number; served: number; isTail: boolean } | null = null;
    let soonest = Infinity;
    for (const collector of this.#deps.collectors()) {
      const { urgency, at, isTail } = collector.peek();
      if (at > exchangeNow) {
        soonest = Math.min(soonest, at - exchangeNow);
        continue;
      }
      const served = this.#served.get(collector) ?? LONG_AGO;
      if (!best || urgency < best.urgency || (urgency === best.urgency && served < best.served))
        best = { collector, urgency, served, isTail };
    }
    if (!best) return Math.min(soonest, ...this.#chores.map(({ at }) => Math.max(0, at - this.#deps.clock.now())));
    const { collector, isTail } = best;
    this.#served.set(collector, this.#turns++);
    return {
      work: (signal) => collector.step(signal),
      onSuccess: () => undefined,
      onFailure: (waitMs, message) => collector.hold(waitMs, message),
      onRefused: (error, attempt) => {
        const reason = messageOf(error);
        // One refusal of what was served before says nothing of the market: the list of markets tells that it is gone.
        if (collector.isServed && error.reason !== 'timeframe') {
          this.#deps.logger.warn({ ...collector.source.fields, reason, attempt }, 'the exchange refused one request');
          const waitMs = backoffMs(attempt, REJECTED_BACKOFF);
          if (isTail) collector.hold(waitMs, reason);
          else collector.holdHistory(waitMs, reason);
          return;
        }
        if (collector.state() !== 'refused')
          this.#deps.logger.warn({ ...collector.source.fields, reason }, 'the exchange refused what was asked for');
        collector.refuse(HOUR_MS, reason);
      },
      failures: collector.failures,
      fields: collector.source.fields,
    };
  }

  #start(turn: Turn, signal: AbortSignal): void {
    const sentAt = this.#deps.clock.now();
    const running = turn
      .work(signal)
      .then((wasAsked) => {
        if (wasAsked) this.#deps.gate.noteAnswer(sentAt);
        turn.onSuccess();
      })
      .catch((error: unknown) => {
        if (!signal.aborted) this.#noteFailure(error, turn, sentAt);
      })
      .finally(() => {
        this.#inFlight.delete(running);
        this.#wakeup.wake();
      });
    this.#inFlight.add(running);
  }

  #noteFailure(error: unknown, turn: Turn, sentAt: number): void {
    const { gate, logger } = this.#deps;
    const attempt = turn.failures + 1;
    if (error instanceof ExchangeUnavailableError) {
      gate.noteUnavailable(error, sentAt);
      turn.onFailure(backoffMs(attempt, STEP_BACKOFF), messageOf(error));
    } else if (error instanceof ExchangeRejectedError && error.reason === 'access') {
      gate.noteRefused(error);
      turn.onFailure(backoffMs(attempt, STEP_BACKOFF), messageOf(error));
    } else if (error instanceof ExchangeRejectedError) {
      gate.noteAnswer(sentAt);
      turn.onRefused(error, attempt);
    } else if (error instanceof ExchangeDataError) {
      gate.noteUnusable(error, turn.fields);
      turn.onFailure(backoffMs(attempt, UNUSABLE_BACKOFF), messageOf(error));
    } else if (error instanceof RowsRefusedError) {
      logger.error({ ...turn.fields, err: error }, 'the database refused rows; they will be asked for again');
      turn.onFailure(backoffMs(attempt, ROWS_BACKOFF), messageOf(error));
    } else {
      this.#crash ??= { error };
    }
  }
}
