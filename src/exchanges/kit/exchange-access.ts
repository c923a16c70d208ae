import type { Clock } from '../../clock.ts';
import { ExchangeRejectedError, ExchangeUnavailableError, messageOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { backoffMs } from '../../retry.ts';
import type { AccessState, RequestBlock } from '../exchange.ts';
import { ACCESS_WAITS, LONGEST_WAIT_MS } from './access-waits.ts';
import { RequestPause } from './request-pause.ts';

export interface ExchangeAccessDeps {
  /** ccxt's id of the exchange. */
  readonly exchange: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

const SUMMARY_EVERY_MS = 60_000;
/** The cause of what calls get because of a block, to tell it from a new refusal. */
const HELD_BACK = new Error('no request leaves before the time that the exchange named');

/**
 * Whether one exchange as a whole may be asked: the one place that decides it, from the outcome of every request and
 * from what other processes were told. A block that the exchange ordered stops each request; after silence, or an answer
 * that it is in trouble, waiting is our own choice, and whoever plans requests asks `state` first. Says so once per
 * change, and sums up each minute.
 */
export class ExchangeAccess {
  readonly #deps: ExchangeAccessDeps;
  readonly #pause: RequestPause;
  #state: AccessState['state'] = 'up';
  #failures = 0;
  #lastFailureAt = 0;
  /** Our own choice: how long it is left alone after it did not answer. */
  #chosenUntil = 0;
  /** A Retry-After of an exchange in trouble (5xx): no refusal of us, so nothing for others at our address. */
  #troubledUntil = 0;
  #lastError: string | null = null;
  #lastLoggedAt = 0;

  constructor(deps: ExchangeAccessDeps) {
    this.#deps = deps;
    this.#pause = new RequestPause({ now: () => deps.clock.now() });
  }

  state(): AccessState {
    const state = this.#state;
    return {
      state,
      until: Math.max(this.#chosenUntil, this.#orderedUntil()),
      block: this.block(),
      lastError: state === 'up' ? null : this.#lastError,
    };
  }

  /** What the exchange told us to wait for, or null. */
  block(): RequestBlock | null {
    const { remainingMs, reason, message } = this.#pause;
    return remainingMs === 0 ? null : { reason, until: this.#deps.clock.now() + remainingMs, message };
  }

  /**
   * @throws ExchangeUnavailableError with `retryAfterMs` while the exchange asked us to wait, ExchangeRejectedError of
   *   reason `access` while it refuses us and is not asked again yet.
   */
  assertMaySend(): void {
    const { exchange } = this.#deps;
    const { remainingMs, reason, message } = this.#pause;
    if (remainingMs === 0) return;
    const seconds = Math.ceil(remainingMs / 1_000);
    if (reason === 'refused') {
      throw new ExchangeRejectedError(exchange, `${exchange} is not asked again for ${seconds} s: ${message}`, {
        reason: 'access',
        cause: HELD_BACK,
      });
    }
    throw new ExchangeUnavailableError(exchange, `${exchange} asked us to wait: ${seconds} s remain`, {
      reason,
      retryAfterMs: remainingMs,
      cause: HELD_BACK,
    });
  }

  /** Takes over a block that was told elsewhere, see `Exchange.adoptBlock`. */
  adoptBlock(block: RequestBlock): void {
    this.#pause.adopt(block);
  }

  /** Notes an answer to a request that was sent at `sentAt` (our clock). An answer to an older request ends no wait. */
  noteAnswer(sentAt: number): void {
    this.#pause.settle();
    if (this.#state === 'up' || sentAt < this.#lastFailureAt) return;
    const { logger, exchange } = this.#deps;
    logger.info({ exchange, failures: this.#failures }, 'the exchange answers again');
    this.#state = 'up';
    this.#chosenUntil = 0;
    this.#troubledUntil = 0;
    this.#failures = 0;
  }

  /**
   * Notes how a request that was sent at `sentAt` failed, and returns for how many milliseconds the exchange orders us to
   * wait by that; null where it does not. A refusal of this one request is an answer; one that makes no sense is neither.
   * Requests that were in flight together count as one failure: four of them must not make the wait sixteen times as long.
   */
  noteFailure(error: unknown, sentAt: number): number | null {
    // What was held back because of a wait must not prolong it.
    if (isHeldBack(error)) return null;
    if (error instanceof ExchangeUnavailableError) return this.#noteUnavailable(error, sentAt);
    if (!(error instanceof ExchangeRejectedError)) return null;
    if (error.reason === 'access') return this.#noteRefused(error);
    this.noteAnswer(sentAt);
    return null;
  }

  /**
   * Notes a sign that the exchange may be back: a wait of our own choice ends, for one try, one that the exchange asked
   * for does not. Answers whether it ended one.
   */
  noteSign(): boolean {
    const isWaiting = this.#chosenUntil > Math.max(this.#orderedUntil(), this.#deps.clock.now());
    if (this.#state !== 'down' || !isWaiting) return false;
    this.#chosenUntil = 0;
    return true;
  }

  #noteUnavailable(error: ExchangeUnavailableError, sentAt: number): number | null {
    const { reason, retryAfterMs } = error;
    const now = this.#deps.clock.now();
    if (this.#state !== 'down' || sentAt >= this.#lastFailureAt) this.#failures++;
    this.#lastFailureAt = now;
    const orderedMs = reason === 'unreachable' ? null : this.#pause.hold(reason, retryAfterMs, error.message);
    const troubledMs = reason === 'unreachable' ? Math.min(LONGEST_WAIT_MS, retryAfterMs ?? 0) : 0;
    this.#troubledUntil = Math.max(this.#troubledUntil, now + troubledMs);
    const chosenMs = backoffMs(this.#failures, ACCESS_WAITS.unreachable);
    this.#chosenUntil = Math.max(this.#chosenUntil, now + chosenMs);
    const waitMs = Math.max(orderedMs ?? 0, troubledMs, chosenMs);
    this.#change('down', error, { failures: this.#failures, wait_ms: waitMs, reason });
    return orderedMs;
  }

  #noteRefused(error: ExchangeRejectedError): number {
    this.#failures++;
    this.#lastFailureAt = this.#deps.clock.now();
    const waitMs = this.#pause.hold('refused', null, error.message);
    this.#change('refused', error, { failures: this.#failures, wait_ms: waitMs });
    return waitMs;
  }

  #orderedUntil(): number {
    return Math.max(this.#troubledUntil, this.block()?.until ?? 0);
  }

  #change(state: 'down' | 'refused', error: Error, fields: Readonly<Record<string, unknown>>): void {
    const { logger, exchange, clock } = this.#deps;
    this.#lastError = messageOf(error);
    const isNew = this.#state !== state;
    this.#state = state;
    if (!isNew && clock.now() - this.#lastLoggedAt < SUMMARY_EVERY_MS) return;
    this.#lastLoggedAt = clock.now();
    const all = { exchange, err: error, ...fields };
    if (state === 'refused' && isNew) logger.error(all, 'the exchange refuses us; nothing is collected from it');
    else if (isNew) logger.warn(all, 'the exchange does not answer; ingest waits for it');
    else if (state === 'refused') logger.warn(all, 'the exchange still refuses us');
    else logger.warn(all, 'the exchange still does not answer');
  }
}

/** Whether a call failed because it was held back by `assertMaySend`. */
export function isHeldBack(error: unknown): boolean {
  return error instanceof Error && error.cause === HELD_BACK;
}
