import { AsyncLocalStorage } from 'node:async_hooks';
import type { Clock } from '../../clock.ts';
import { ExchangeRejectedError, ExchangeUnavailableError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { raceAbort } from '../kit/abort.ts';
import { ExchangeAccess, isHeldBack } from '../kit/exchange-access.ts';
import { instantiateExchange, loadCcxtErrors, type CcxtErrors, type CcxtInstance } from './ccxt-library.ts';
import { createGuardedFetch, type GuardedCall } from './guarded-fetch.ts';
import { mapExchangeError } from './map-exchange-error.ts';
import type { Charge } from '../kit/request-budget.ts';

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
  /** Whether the exchange may be asked; learns from every call. */
  readonly access: ExchangeAccess;
  readonly #errors: CcxtErrors;
  readonly #calls: AsyncLocalStorage<GuardedCall>;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #closed: AbortController;
  readonly #observed: Observed;

  private constructor(deps: ClientParts) {
    this.id = deps.instance.id;
    this.instance = deps.instance;
    this.#errors = deps.errors;
    this.#calls = deps.calls;
    this.access = deps.access;
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
    const access = new ExchangeAccess({ exchange: id, clock, logger });
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
        assertMaySend: () => access.assertMaySend(),
        onAnswer: (url, headers, sentAt) => observed.by?.onAnswer({ url, headers, sentAt }),
      }),
    });
    limitMarketTypes(instance);
    if (origin !== null) instance.urls.api = redirectUrls(instance.urls.api, origin) as typeof instance.urls.api;
    const errors = await loadCcxtErrors();
    return new CcxtClient({ instance, errors, calls, access, clock, logger, closed, observed });
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

  /**
   * Runs one call of ccxt, as soon as the allowances that it costs have room.
   *
   * @throws ExchangeUnavailableError, ExchangeRejectedError or ExchangeDataError, or the signal's reason at once.
   */
  async call<T>(operation: (instance: CcxtInstance) => Promise<T>, options: CallOptions): Promise<T> {
    options.signal.throwIfAborted();
    this.access.assertMaySend();
    const { subject, exact = true, cost = [], onSent = () => undefined } = options;
    const signal = AbortSignal.any([options.signal, this.#closed.signal]);
    let sentAt = this.#clock.now();
    const noteSent = () => {
      sentAt = this.#clock.now();
      onSent();
    };
    const call: GuardedCall = { exchange: this.id, subject, signal, exact, onSent: noteSent, status: null };
    try {
      for (const { budget, weight } of cost) await budget.take(weight, signal, () => this.access.assertMaySend());
      const result = await raceAbort(
        this.#calls.run(call, async () => await operation(this.instance)),
        signal,
      );
      this.access.noteAnswer(sentAt);
      return result;
    } catch (error) {
      signal.throwIfAborted();
      throw this.#noteFailure(mapExchangeError(error, call, this.#errors), call, cost, sentAt);
    }
  }

  /** Ends what is under way; every later call throws. */
  close(): void {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort(
      new ExchangeUnavailableError(this.id, `the connection to ${this.id} was closed by this service`),
    );
  }

  #noteFailure(error: Error, call: GuardedCall, cost: readonly Charge[], sentAt: number): Error {
    // A refusal of ours, without an answer, says nothing of the exchange.
    if (isHeldBack(error) || (error instanceof ExchangeRejectedError && call.status === null)) return error;
    const isFirst = this.access.block() === null;
    const waitMs = this.access.noteFailure(error, sentAt);
    if (waitMs === null) return error;
    const reason = error instanceof ExchangeUnavailableError ? error.reason : 'refused';
    this.#logger.warn({ exchange: this.id, reason, waitMs, subject: call.subject }, 'exchange asked us to wait');
    if (!(error instanceof ExchangeUnavailableError)) return error;
    // Answers to requests that were under way together are one refusal.
    if (isFirst) for (const { budget } of cost) budget.cut();
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
  readonly access: ExchangeAccess;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly closed: AbortController;
  readonly observed: Observed;
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
