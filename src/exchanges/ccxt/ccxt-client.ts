import { AsyncLocalStorage } from 'node:async_hooks';
import { ExchangeUnavailableError } from '../../errors.ts';
import type { RequestBlock } from '../exchange.ts';
import type { Logger } from '../../logger.ts';
import { raceAbort } from './abort.ts';
import { instantiateExchange, loadCcxtErrors, type CcxtErrors, type CcxtInstance } from './ccxt-library.ts';
import { createGuardedFetch, type GuardedCall } from './guarded-fetch.ts';
import { mapExchangeError } from './map-exchange-error.ts';
import { RequestPause } from './request-pacing.ts';

export interface CcxtClientOptions {
  /** A known exchange, see `isKnownExchange`. */
  readonly id: string;
  /** Sends every request to this origin, paths kept; null: to the exchange itself. */
  readonly origin: string | null;
  /** The longest that one request may take, its answer's body included. */
  readonly requestTimeoutMs: number;
  readonly now: () => number;
  readonly logger: Logger;
}

export interface CallOptions {
  /** What is asked for, in our words: `the 1h candles of BTC/USDT`. */
  readonly subject: string;
  readonly signal: AbortSignal;
  /** Keep the digits of numbers that the exchange sends as JSON numbers. Default true. */
  readonly exact?: boolean;
}

/**
 * One instance of ccxt behind a guard: all its traffic goes where it should, ends in time and stops while the exchange
 * asked us to wait; what it throws comes out as our errors.
 */
export class CcxtClient {
  readonly id: string;
  readonly instance: CcxtInstance;
  readonly #errors: CcxtErrors;
  readonly #calls: AsyncLocalStorage<GuardedCall>;
  readonly #pause: RequestPause;
  readonly #now: () => number;
  readonly #logger: Logger;
  readonly #closed: AbortController;
  readonly #traffic: Traffic;

  private constructor(deps: ClientParts) {
    this.id = deps.instance.id;
    this.instance = deps.instance;
    this.#errors = deps.errors;
    this.#calls = deps.calls;
    this.#pause = deps.pause;
    this.#now = deps.now;
    this.#logger = deps.logger;
    this.#closed = deps.closed;
    this.#traffic = deps.traffic;
  }

  /** Loads the exchange's class. No request leaves. */
  static async create(options: CcxtClientOptions): Promise<CcxtClient> {
    const { id, origin, now, logger, requestTimeoutMs } = options;
    const calls = new AsyncLocalStorage<GuardedCall>();
    const closed = new AbortController();
    const pause = new RequestPause({ now });
    const traffic: Traffic = { usedWeights: new Map(), serverDate: null };
    const instance = await instantiateExchange(id, {
      number: String,
      enableRateLimit: true,
      // Ours ends first, with a text that says what was asked; a retry of ccxt's would hammer during a ban.
      timeout: requestTimeoutMs + 5_000,
      options: { maxRetriesOnFailure: 0 },
      fetchImplementation: createGuardedFetch({
        origin,
        timeoutMs: requestTimeoutMs,
        now,
        currentCall: () =>
          calls.getStore() ?? { exchange: id, subject: 'something', signal: closed.signal, exact: false, status: null },
        assertMaySend: () => assertNotPaused(id, pause),
        onAnswer: (url, headers) => noteTraffic(traffic, url, headers, now()),
      }),
    });
    limitMarketTypes(instance);
    if (origin !== null) instance.urls.api = redirectUrls(instance.urls.api, origin) as typeof instance.urls.api;
    return new CcxtClient({ instance, errors: await loadCcxtErrors(), calls, pause, now, logger, closed, traffic });
  }

  /**
   * The request weight that this address has spent in the current minute as the exchange last told, by the first part
   * of the path (Binance counts `api` and `fapi` apart). Empty where it tells nothing.
   */
  get usedWeights(): ReadonlyMap<string, number> {
    return this.#traffic.usedWeights;
  }

  /** The last answer's Date header with our clock when it came, in epoch milliseconds. Null before one. */
  get serverDate(): { readonly exchangeMs: number; readonly oursMs: number } | null {
    return this.#traffic.serverDate;
  }

  /** Aborts with `close`; for work that callers share and none of them may abort. */
  get closeSignal(): AbortSignal {
    return this.#closed.signal;
  }

  /** The pause that the exchange asked for, or null. */
  block(): RequestBlock | null {
    const { remainingMs, reason } = this.#pause;
    if (remainingMs === 0) return null;
    const until = this.#now() + remainingMs;
    return { reason, until, message: `${this.id} asked us to wait until ${new Date(until).toISOString()}` };
  }

  /** @throws ExchangeUnavailableError with `retryAfterMs` while the exchange asked us to wait. */
  assertMaySend(): void {
    assertNotPaused(this.id, this.#pause);
  }

  /**
   * Runs one call of ccxt.
   *
   * @throws ExchangeUnavailableError, ExchangeRejectedError or ExchangeDataError, or the signal's reason at once.
   */
  async call<T>(operation: (instance: CcxtInstance) => Promise<T>, options: CallOptions): Promise<T> {
    options.signal.throwIfAborted();
    this.assertMaySend();
    const signal = AbortSignal.any([options.signal, this.#closed.signal]);
    const call: GuardedCall = {
      exchange: this.id,
      subject: options.subject,
      signal,
      exact: options.exact ?? true,
      status: null,
    };
    try {
      const result = await raceAbort(
        this.#calls.run(call, async () => await operation(this.instance)),
        signal,
      );
      this.#pause.settle();
      return result;
    } catch (error) {
      signal.throwIfAborted();
      throw this.#noteFailure(mapExchangeError(error, call, this.#errors), call);
    }
  }

  /** Ends what is under way; every later call throws. */
  close(): void {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort(
      new ExchangeUnavailableError(this.id, `the connection to ${this.id} was closed by this service`),
    );
  }

  #noteFailure(error: Error, call: GuardedCall): Error {
    if (!(error instanceof ExchangeUnavailableError) || error.reason === 'unreachable') return error;
    // A call that was held back because of the pause must not prolong it.
    if (error.cause === PAUSED) return error;
    const waitMs = this.#pause.hold(error.reason, error.retryAfterMs);
    this.#logger.warn(
      { exchange: this.id, reason: error.reason, waitMs, subject: call.subject },
      'exchange asked us to wait',
    );
    return new ExchangeUnavailableError(this.id, error.message, {
      reason: error.reason,
      retryAfterMs: waitMs,
      cause: error.cause,
    });
  }
}

interface ClientParts {
  readonly instance: CcxtInstance;
  readonly errors: CcxtErrors;
  readonly calls: AsyncLocalStorage<GuardedCall>;
  readonly pause: RequestPause;
  readonly now: () => number;
  readonly logger: Logger;
  readonly closed: AbortController;
  readonly traffic: Traffic;
}

interface Traffic {
  readonly usedWeights: Map<string, number>;
  serverDate: { exchangeMs: number; oursMs: number } | null;
}

/** The cause of the errors that calls get because of a pause, to tell them from a new refusal. */
const PAUSED = new Error('no request leaves before the time that the exchange named');

function assertNotPaused(id: string, pause: RequestPause): void {
  const { remainingMs, reason } = pause;
  if (remainingMs === 0) return;
  const seconds = Math.ceil(remainingMs / 1_000);
  throw new ExchangeUnavailableError(id, `${id} asked us to wait: ${seconds} s remain`, {
    reason,
    retryAfterMs: remainingMs,
    cause: PAUSED,
  });
}

function noteTraffic(traffic: Traffic, url: URL, headers: Headers, nowMs: number): void {
  const weight = Number(headers.get('x-mbx-used-weight-1m') ?? Number.NaN);
  if (Number.isFinite(weight)) traffic.usedWeights.set(url.pathname.split('/')[1] ?? '', weight);
  const exchangeMs = Date.parse(headers.get('date') ?? '');
  if (!Number.isNaN(exchangeMs)) traffic.serverDate = { exchangeMs, oursMs: nowMs };
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
