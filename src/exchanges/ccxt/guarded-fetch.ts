import { ExchangeDataError, ExchangeRejectedError, ExchangeUnavailableError } from '../../errors.ts';
import { quoteInexactNumbers } from './exact-json.ts';
import { excerpt, mapStatus } from './map-exchange-error.ts';

/** One call of ours, as the guard sees it; a call may take several requests. */
export interface GuardedCall {
  readonly exchange: string;
  readonly subject: string;
  readonly signal: AbortSignal;
  /** Numbers of the answer that a float may not hold are turned into strings of the same digits. */
  readonly exact: boolean;
  /** The status of the last answer; null before it. Written by the guard. */
  status: number | null;
}

export interface GuardedFetchDeps {
  /** Where every request must go; null: wherever ccxt sends it. */
  readonly origin: string | null;
  /** For the whole exchange of request and answer, its body included. */
  readonly timeoutMs: number;
  readonly now: () => number;
  /** The call that a request belongs to. */
  readonly currentCall: () => GuardedCall;
  /** Throws where the exchange asked us to wait. */
  readonly assertMaySend: () => void;
  /** Told of every answer's headers. */
  readonly onAnswer: (url: URL, headers: Headers) => void;
}

type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/**
 * The `fetchImplementation` for ccxt, through which each of its requests goes: it keeps them on the origin, ends them in
 * time (a stalled body too, which ccxt would wait for without end), follows no redirect, and lets no answer pass that is
 * not JSON: from HTML, `null` or cut JSON with status 200 ccxt makes rows of undefined.
 */
export function createGuardedFetch(deps: GuardedFetchDeps): Fetch {
  return async (url, init) => {
    const call = deps.currentCall();
    const target = new URL(url);
    if (deps.origin !== null && target.origin !== deps.origin) {
      throw new ExchangeRejectedError(
        call.exchange,
        `a request of ${call.exchange} to ${target.origin} was held back: EXCHANGE_URLS sends all of them to ${deps.origin}`,
        { reason: 'request' },
      );
    }
    // Calls wait in ccxt's queue; a pause may have begun or the caller gone since this one entered it.
    call.signal.throwIfAborted();
    deps.assertMaySend();
    const { response, text } = await send(target, init, call, deps.timeoutMs);
    call.status = response.status;
    deps.onAnswer(target, response.headers);
    const failure = mapStatus(call, { status: response.status, headers: response.headers, body: text }, deps.now());
    if (failure) throw failure;
    const body = readJson(text, response, call);
    return new Response(body, { status: response.status, statusText: response.statusText, headers: response.headers });
  };
}

async function send(
  url: URL,
  init: RequestInit,
  call: GuardedCall,
  timeoutMs: number,
): Promise<{ response: Response; text: string }> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = AbortSignal.any([call.signal, timeout, ...(init.signal ? [init.signal] : [])]);
  try {
    const response = await fetch(url, {
      method: init.method ?? 'GET',
      headers: init.headers ?? {},
      body: init.body ?? null,
      redirect: 'manual',
      signal,
    });
    return { response, text: (await response.text()).trim() };
  } catch (error) {
    call.signal.throwIfAborted();
    const why = timeout.aborted ? `no complete answer within ${timeoutMs} ms` : 'the connection failed';
    throw new ExchangeUnavailableError(
      call.exchange,
      `${call.exchange} cannot be reached at ${url.origin} for ${call.subject}: ${why}`,
      { cause: error },
    );
  }
}

/** The body where it is a JSON object or list, with its numbers exact where the call wants it. */
function readJson(text: string, response: Response, call: GuardedCall): string {
  const fault = findBodyFault(text, response);
  if (fault === null) return call.exact ? quoteInexactNumbers(text) : text;
  const { exchange, subject } = call;
  const { status } = response;
  const answer = `${exchange} answered ${subject} with status ${status} and ${fault}: ${excerpt(text)}`;
  if (status >= 400) throw new ExchangeRejectedError(exchange, answer, { reason: 'request' });
  throw new ExchangeDataError(exchange, answer);
}

function findBodyFault(text: string, response: Response): string | null {
  if (text === '') return 'no body';
  if (response.headers.get('content-type')?.includes('html') === true || text.startsWith('<'))
    return 'HTML instead of JSON';
  if (!text.startsWith('{') && !text.startsWith('[')) return 'neither a JSON object nor a list';
  try {
    JSON.parse(text);
    return null;
  } catch {
    return 'JSON that is cut or broken';
  }
}
