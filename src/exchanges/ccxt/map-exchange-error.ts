import {
  AppError,
  ExchangeDataError,
  ExchangeRejectedError,
  ExchangeUnavailableError,
  messageOf,
} from '../../errors.ts';
import type { CcxtErrors } from './ccxt-library.ts';
import { parseBanMs, parseRetryAfterMs } from './retry-after.ts';

/** What was asked when something went wrong. */
export interface FailedCall {
  readonly exchange: string;
  /** What was asked for, in our words: `the 1h candles of BTC/USDT`. */
  readonly subject: string;
  /** The status of the last answer to this call; null where none came. */
  readonly status: number | null;
}

/** An answer whose status says enough, before anybody looks at its body. */
export interface RefusedAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

type ExchangeFailure = ExchangeUnavailableError | ExchangeRejectedError | ExchangeDataError;

/** The start of an answer's body on one line, for an error text. */
export function excerpt(body: string): string {
  const line = body.replaceAll(/\s+/g, ' ').trim();
  if (line === '') return 'an empty body';
  return JSON.stringify(line.length > 200 ? `${line.slice(0, 200)}…` : line);
}

/**
 * The error that an HTTP status means, or null where the body must decide (2xx, and the 4xx in which exchanges say
 * what is wrong with a request).
 *
 * - 429: throttled; 418: banned; both with how long to wait where the answer says it
 * - 403, 451 (firewall, blocked region), 401, 407: the exchange refuses us; waiting does not help
 * - 408, 425 and 5xx: passes by itself
 * - 3xx: redirects are not followed, an exchange's API has none
 *
 * @param nowMs the exchange's clock, by which it names moments.
 */
export function mapStatus(
  call: FailedCall,
  { status, headers, body }: RefusedAnswer,
  nowMs: number,
): ExchangeFailure | null {
  const { exchange, subject } = call;
  const retryAfterMs = parseRetryAfterMs(headers.get('retry-after'), nowMs);
  const answered = `${exchange} answered ${status} when asked for ${subject}`;
  if (status === 418) {
    return new ExchangeUnavailableError(
      exchange,
      `${answered}: this address is banned for a while (${excerpt(body)})`,
      {
        reason: 'banned',
        retryAfterMs: longer(retryAfterMs, parseBanMs(body, nowMs)),
      },
    );
  }
  if (status === 429) {
    return new ExchangeUnavailableError(exchange, `${answered}: too many requests (${excerpt(body)})`, {
      reason: 'throttled',
      retryAfterMs,
    });
  }
  if ([401, 403, 407, 451].includes(status)) {
    const why = status === 451 ? 'it serves nobody in this region' : 'it refuses requests from this address';
    return new ExchangeRejectedError(
      exchange,
      `${answered}: ${why}; use another network or EXCHANGE_URLS (${excerpt(body)})`,
      {
        reason: 'access',
      },
    );
  }
  if (status >= 300 && status < 400) {
    const target = headers.get('location') ?? 'nowhere';
    return new ExchangeDataError(
      exchange,
      `${answered}: a redirect to ${target}, which is not followed; check EXCHANGE_URLS`,
    );
  }
  if (status === 408 || status === 425 || status >= 500) {
    return new ExchangeUnavailableError(exchange, `${answered}: it is in trouble (${excerpt(body)})`, { retryAfterMs });
  }
  return null;
}

function longer(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.max(a, b);
}

/**
 * Our error for whatever a call through ccxt threw; our own errors pass as they are. ccxt's texts stay in the cause.
 *
 * @see https://docs.ccxt.com/#/README?id=error-handling for the hierarchy of its classes
 */
export function mapExchangeError(error: unknown, call: FailedCall, classes: CcxtErrors): AppError {
  if (error instanceof AppError) return error;
  const { exchange, subject, status } = call;
  const is = (...names: string[]) =>
    names.some((name) => classes[name] !== undefined && error instanceof classes[name]);
  const rejected = (reason: ExchangeRejectedError['reason'], why: string) =>
    new ExchangeRejectedError(exchange, `${exchange} refused ${subject}: ${why}`, { reason, cause: error });
  const unavailable = (why: string, reason: ExchangeUnavailableError['reason'] = 'unreachable') =>
    new ExchangeUnavailableError(exchange, `${exchange} cannot give ${subject}: ${why}`, { reason, cause: error });

  if (is('BadSymbol')) return rejected('symbol', 'it does not know this market');
  if (is('DDoSProtection', 'RateLimitExceeded')) return unavailable('too many requests', 'throttled');
  if (is('AuthenticationError', 'RestrictedLocation')) return rejected('access', 'it does not serve this address');
  if (is('BadResponse'))
    return new ExchangeDataError(exchange, `${exchange} gave no usable answer for ${subject}`, { cause: error });
  if (is('RequestTimeout')) return unavailable('it did not answer in time');
  if (is('OnMaintenance')) return unavailable('it is under maintenance');
  // ccxt calls every unexplained 4xx "not available", though asking again gets the same answer.
  if (is('ExchangeNotAvailable') && status !== null && status >= 400 && status < 500) {
    return rejected('request', `it answered ${status}`);
  }
  if (is('OperationFailed')) return unavailable('it failed or the connection broke');
  if (is('BaseError')) return rejected('request', 'it says that the request is wrong');
  // Nothing came back: a socket. Something came back: ccxt fell over an answer of a shape that it does not know.
  if (status === null) return unavailable(messageOf(error));
  return new ExchangeDataError(exchange, `${exchange} answered ${subject} in a shape that cannot be read`, {
    cause: error,
  });
}
