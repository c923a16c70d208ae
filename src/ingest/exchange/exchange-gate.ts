import { messageOf, type ExchangeRejectedError, type ExchangeUnavailableError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { backoffMs, type Backoff } from '../../retry.ts';
import type { Clock } from '../../clock.ts';

export interface ExchangeGateDeps {
  readonly exchange: string;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly backoff?: Backoff;
}

const BACKOFF: Backoff = { firstMs: 1_000, maxMs: 60_000 };
const REFUSED_WAIT_MS = 15 * 60_000;
/** A ban without a Retry-After: Binance's shortest is two minutes. https://developers.binance.com/docs/binance-spot-api-docs/rest-api/limits */
const BANNED_WAIT_MS = 120_000;
const SUMMARY_EVERY_MS = 60_000;

/**
 * Whether one exchange may be asked, for all its series together. `down`: it did not answer, or asked us to wait;
 * `refused`: it refuses us as a whole (a firewall, a blocked region). Says so once per change, and sums up each minute.
 */
export class ExchangeGate {
  readonly #deps: ExchangeGateDeps;
  #state: 'up' | 'down' | 'refused' = 'up';
  #blockedUntil = 0;
  /** The part of it that the exchange asked for: a ban, a Retry-After, a refusal. */
  #orderedUntil = 0;
  #failures = 0;
  #lastFailureAt = 0;
  #lastLoggedAt = 0;
  #unusable = 0;
  #lastError: string | null = null;

  constructor(deps: ExchangeGateDeps) {
    this.#deps = deps;
  }

  get state(): 'up' | 'down' | 'refused' {
    return this.#state;
  }

  /** Nothing is asked before this moment of our clock. */
  get blockedUntil(): number {
    return this.#blockedUntil;
  }

  /** Why the state is not `up`, or null. */
  get lastError(): string | null {
    return this.#state === 'up' ? null : this.#lastError;
  }

  /** Notes an answer to a request that was sent at `sentAt`. An answer to an older request ends no pause. */
  noteAnswer(sentAt: number): void {
    if (this.#state === 'up' || sentAt < this.#lastFailureAt) return;
    const { logger, exchange } = this.#deps;
    logger.info({ exchange, failures: this.#failures }, 'the exchange answers again');
    this.#state = 'up';
    this.#blockedUntil = 0;
    this.#orderedUntil = 0;
    this.#failures = 0;
  }

  /**
   * Notes that a request sent at `sentAt` got no answer. Requests that were in flight together count as one failure:
   * four of them must not make the wait sixteen times as long.
   */
  noteUnavailable(error: ExchangeUnavailableError, sentAt: number): void {
    const now = this.#deps.clock.now();
    if (this.#state !== 'down' || sentAt >= this.#lastFailureAt) this.#failures++;
    this.#lastFailureAt = now;
    const wanted = error.retryAfterMs ?? (error.reason === 'banned' ? BANNED_WAIT_MS : 0);
    this.#orderedUntil = Math.max(this.#orderedUntil, now + wanted);
    const waitMs = Math.max(wanted, backoffMs(this.#failures, this.#deps.backoff ?? BACKOFF));
    this.#blockedUntil = Math.max(this.#blockedUntil, now + waitMs);
    this.#change('down', error, { failures: this.#failures, wait_ms: waitMs, reason: error.reason });
  }

  /**
   * Notes a sign that the exchange may be back: a wait of our own choice ends, for one try, one that the exchange asked
   * for does not. Answers whether it ended one.
   */
  noteSign(): boolean {
    if (this.#state !== 'down' || this.#blockedUntil <= Math.max(this.#orderedUntil, this.#deps.clock.now()))
      return false;
    this.#blockedUntil = this.#orderedUntil;
    return true;
  }

  /** Notes that the exchange refuses us as a whole. It is asked again after a quarter of an hour. */
  noteRefused(error: ExchangeRejectedError): void {
    const now = this.#deps.clock.now();
    this.#failures++;
    this.#lastFailureAt = now;
    this.#blockedUntil = now + REFUSED_WAIT_MS;
    this.#orderedUntil = this.#blockedUntil;
    this.#change('refused', error, { failures: this.#failures, wait_ms: REFUSED_WAIT_MS });
  }

  /** Notes an answer that made no sense, sent for `fields`. */
  noteUnusable(error: Error, fields: Readonly<Record<string, string>>): void {
    this.#unusable++;
    if (!this.#mayLog()) return;
    const { logger } = this.#deps;
    logger.warn({ ...fields, err: error, unusable_answers: this.#unusable }, 'the exchange sent an unusable answer');
  }

  #change(state: 'down' | 'refused', error: Error, fields: Readonly<Record<string, unknown>>): void {
    const { logger, exchange } = this.#deps;
    this.#lastError = messageOf(error);
    const isNew = this.#state !== state;
    this.#state = state;
    if (!isNew && !this.#mayLog()) return;
    this.#lastLoggedAt = this.#deps.clock.now();
    const all = { exchange, err: error, ...fields };
    if (state === 'refused' && isNew) logger.error(all, 'the exchange refuses us; nothing is collected from it');
    else if (isNew) logger.warn(all, 'the exchange does not answer; ingest waits for it');
    else if (state === 'refused') logger.warn(all, 'the exchange still refuses us');
    else logger.warn(all, 'the exchange still does not answer');
  }

  #mayLog(): boolean {
    const now = this.#deps.clock.now();
    if (this.#lastLoggedAt !== 0 && now - this.#lastLoggedAt < SUMMARY_EVERY_MS) return false;
    this.#lastLoggedAt = now;
    return true;
  }
}
