import { AsyncLocalStorage } from 'node:async_hooks';
import type { Clock } from '../../clock.ts';
import { ExchangeRejectedError, ExchangeUnavailableError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { RequestBlock } from '../exchange.ts';
import { raceAbort } from '../kit/abort.ts';
import { instantiateExchange, loadCcxtErrors, type CcxtErrors, type CcxtInstance } from './ccxt-library.ts';
import { createGuardedFetch, type GuardedCall } from './guarded-fetch.ts';
import { mapExchangeError } from './map-exchange-error.ts';
import type { Charge } from '../kit/request-budget.ts';
import { RequestPause } from '../kit/request-pause.ts';

export interface CcxtClientOptions {
  /** A known exchange, see `isKnownExchange`. */
  readonly id: string;
  /** Sends every request to this origin, paths kept; null: to the exchange itself. */
  readonly origin: string | null;
  /** The longest that one request may take, its answer's body included. */
  readonly requestTimeoutMs: number;
  /** Whether ccxt spaces the requests; false: every call says its `cost`. */
  readonly spacesRequests: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface CallOptions {
  /** What is asked for, in our words: `the 1h candles of BTC/USDT`. */
  readonly subject: string;
  readonly signal: AbortSignal;
  /** Keep the digits of numbers that the exchange sends as JSON numbers. Default true. */
  readonly exact?: boolean;
  /** What the call's requests cost together: it waits for these allowances first. Default nothing. */
  readonly cost?: readonly Charge[];
  /** Called as each request of the call leaves. */
  readonly onSent?: () => void;
}

/** An answer of any status that came just now. */
export interface ObservedAnswer {
  readonly url: URL;
  readonly headers: Headers;
  /** When its request left, by our clock. */
  readonly sentAt: number;
}

/** Who learns from the exchange's answers, and knows its time. */
export interface AnswerObserver {
  /** The exchange's clock in epoch milliseconds, null where it is not known. */
  exchangeNow(): number | null;
  onAnswer(answer: ObservedAnswer): void;
}

/**
 * One instance of ccxt behind a guard: all its traffic goes where it should, ends in time, keeps to the allowances and
 * stops while the exchange asked us to wait or refuses us; what it throws comes out as our errors.
 */
export class CcxtClient {
  readonly id: string;
  readonly instance: CcxtInstance;
  readonly #errors: CcxtErrors;
  readonly #calls: AsyncLocalStorage<GuardedCall>;
  readonly #pause: RequestPause;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #closed: AbortController;
  readonly #observed: Observed;

  private constructor(deps: ClientParts) {
    this.id = deps.instance.id;
    this.instance = deps.instance;
    this.#errors = deps.errors;
    this.#calls = deps.calls;
    this.#pause = deps.pause;
    this.#clock = deps.clock;
    this.#logger = deps.logger;
    this.#closed = deps.closed;
    this.#observed = deps.observed;
  }

  /** Loads the exchange's class. No request leaves. */
  static async create(options: CcxtClientOptions): Promise<CcxtClient> {
    const { id, origin, clock, logger, requestTimeoutMs, spacesRequests } = options;
    const calls = new AsyncLocalStorage<GuardedCall>();
    const closed = new AbortController();
    const now = () => clock.now();
    const pause = new RequestPause({ now });
    const observed: Observed = { by: null };
    const stray = { exchange: id, subject: 'something', signal: closed.signal, exact: false, onSent: () => undefined };
    const instance = await instantiateExchange(id, {
      number: String,
      enableRateLimit: spacesRequests,
      // Ours ends first, with a text that says what was asked; a retry of ccxt's would hammer during a ban.
      timeout: requestTimeoutMs + 5_000,
      options: { maxRetriesOnFailure: 0 },
      fetchImplementation: createGuardedFetch({
        origin,
        timeoutMs: requestTimeoutMs,
        now,
        exchangeNow: () => observed.by?.exchangeNow() ?? null,
        currentCall: () => calls.getStore() ?? { ...stray, status: null },
        assertMaySend: () => assertNotPaused(id, pause),
        onAnswer: (url, headers, sentAt) => observed.by?.onAnswer({ url, headers, sentAt }),
      }),
    });
    limitMarketTypes(instance);
    if (origin !== null) instance.urls.api = redirectUrls(instance.urls.api, origin) as typeof instance.urls.api;
    const errors = await loadCcxtErrors();
    return new CcxtClient({ instance, errors, calls, pause, clock, logger, closed, observed });
  }

  /** Aborts with `close`; for work that callers share and none of them may abort. */
  get closeSignal(): AbortSignal {
    return this.#closed.signal;
  }

  /** Tells one observer of all answers from now on. */
  observe(observer: AnswerObserver): void {
    this.#observed.by = observer;
  }

  /** The exchange's clock in epoch milliseconds, or ours where it is not known. */
  exchangeNow(): number {
    return this.#observed.by?.exchangeNow() ?? this.#clock.now();
  }

  /** Why nothing may be sent now, and until when by our clock; or null. */
  block(): RequestBlock | null {
    const { remainingMs, reason, message } = this.#pause;
    return remainingMs === 0 ? null : { reason, until: this.#clock.now() + remainingMs, message };
  }

  /**
   * @throws ExchangeUnavailableError with `retryAfterMs` while the exchange asked us to wait, ExchangeRejectedError of
   *   reason `access` while it refuses us and is not asked again yet.
   */
  assertMaySend(): void {
    assertNotPaused(this.id, this.#pause);
  }

  /** Takes over a block that was told elsewhere, see `Exchange.adoptBlock`. */
  adoptBlock(block: RequestBlock & { readonly until: number }): void {
    this.#pause.adopt(block);
  }

  /**
   * Runs one call of ccxt, as soon as the allowances that it costs have room.
   *
   * @throws ExchangeUnavailableError, ExchangeRejectedError or ExchangeDataError, or the signal's reason at once.
   */
  async call<T>(operation: (instance: CcxtInstance) => Promise<T>, options: CallOptions): Promise<T> {
    options.signal.throwIfAborted();
    this.assertMaySend();
    const { subject, exact = true, cost = [], onSent = () => undefined } = options;
    const signal = AbortSignal.any([options.signal, this.#closed.signal]);
    const call: GuardedCall = { exchange: this.id, subject, signal, exact, onSent, status: null };
    try {
      for (const { budget, weight } of cost) await budget.take(weight, signal, () => this.assertMaySend());
      const result = await raceAbort(
        this.#calls.run(call, async () => await operation(this.instance)),
        signal,
      );
      this.#pause.settle();
      return result;
    } catch (error) {
      signal.throwIfAborted();
      throw this.#noteFailure(mapExchangeError(error, call, this.#errors), call, cost);
    }
  }

  /** Ends what is under way; every later call throws. */
  close(): void {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort(
      new ExchangeUnavailableError(this.id, `the connection to ${this.id} was closed by this service`),
    );
  }

  #noteFailure(error: Error, call: GuardedCall, cost: readonly Charge[]): Error {
    const reason = findBlockReason(error);
    // A call that was held back because of the pause must not prolong it.
    if (reason === null || error.cause === PAUSED) return error;
    // Answers to requests that were under way together are one refusal.
    if (reason !== 'refused' && this.#pause.remainingMs === 0) for (const { budget } of cost) budget.cut();
    const saidMs = error instanceof ExchangeUnavailableError ? error.retryAfterMs : null;
    const waitMs = this.#pause.hold(reason, saidMs, error.message);
    this.#logger.warn({ exchange: this.id, reason, waitMs, subject: call.subject }, 'exchange asked us to wait');
    if (!(error instanceof ExchangeUnavailableError)) return error;
    return new ExchangeUnavailableError(this.id, error.message, {
      reason: error.reason,
      retryAfterMs: waitMs,
      cause: error.cause,
    });
  }
}

interface Observed {
  by: AnswerObserver | null;
}

interface ClientParts {
  readonly instance: CcxtInstance;
  readonly errors: CcxtErrors;
  readonly calls: AsyncLocalStorage<GuardedCall>;
  readonly pause: RequestPause;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly closed: AbortController;
  readonly observed: Observed;
}

/** The cause of the errors that calls get because of a pause, to tell them from a new refusal. */
const PAUSED = new Error('no request leaves before the time that the exchange named');

function findBlockReason(error: Error): RequestBlock['reason'] | null {
  if (error instanceof ExchangeRejectedError) return error.reason === 'access' ? 'refused' : null;
  if (!(error instanceof ExchangeUnavailableError) || error.reason === 'unreachable') return null;
  return error.reason;
}

function assertNotPaused(id: string, pause: RequestPause): void {
  const { remainingMs, reason, message } = pause;
  if (remainingMs === 0) return;
  const seconds = Math.ceil(remainingMs / 1_000);
  if (reason === 'refused') {
    throw new ExchangeRejectedError(id, `${id} is not asked again for ${seconds} s: ${message}`, {
      reason: 'access',
      cause: PAUSED,
    });
  }
  throw new ExchangeUnavailableError(id, `${id} asked us to wait: ${seconds} s remain`, {
    reason,
    retryAfterMs: remainingMs,
    cause: PAUSED,
  });
}

/** Spot and linear perpetuals only: Binance's inverse markets and options are never asked for, and take seconds. */
function limitMarketTypes(instance: CcxtInstance): void {
  const options = instance.options as Record<string, unknown>;
  const fetchMarkets = options['fetchMarkets'];
  if (typeof fetchMarkets !== 'object' || fetchMarkets === null || !('types' in fetchMarkets)) return;
  const { types } = fetchMarkets;
  if (!Array.isArray(types) || !types.includes('spot')) return;
  const wanted = types.filter((type) => ['spot', 'linear', 'swap'].includes(String(type)));
  options['fetchMarkets'] = { ...fetchMarkets, types: wanted };
}

/** The same tree with the origin of every URL replaced (WebSocket URLs keep their kind), paths kept. */
export function redirectUrls(urls: unknown, origin: string): unknown {
  if (typeof urls === 'string') {
    // Not parsed as a URL: ccxt writes `https://api.{hostname}`.
    return urls.replace(/^(http|ws)s?:\/\/[^/?#]*/, (_all, scheme: string) =>
      scheme === 'ws' ? origin.replace(/^http/, 'ws') : origin,
    );
  }
  if (Array.isArray(urls)) return urls.map((entry: unknown) => redirectUrls(entry, origin));
  if (typeof urls !== 'object' || urls === null) return urls;
  return Object.fromEntries(Object.entries(urls).map(([key, value]) => [key, redirectUrls(value, origin)]));
}
