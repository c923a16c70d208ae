import { ExchangeDataError, ExchangeRejectedError, ExchangeUnavailableError } from '../../errors.ts';
import { quoteInexactNumbers } from './exact-json.ts';
import { excerpt, mapStatus } from './map-exchange-error.ts';

/**
 * The largest body that is read, unpacked. Binance's list of markets, the longest answer that is asked for, has 10 to
 * 15 MB.
 */
const LARGEST_BODY_BYTES = 64 * 1024 * 1024;

/** One call of ours, as the guard sees it; a call may take several requests. */
export interface GuardedCall {
  readonly exchange: string;
  readonly subject: string;
  readonly signal: AbortSignal;
  /** Numbers of the answer that a float may not hold are turned into strings of the same digits. */
  readonly exact: boolean;
  /** The status of the last answer; null before it. Written by the guard. */
  status: number | null;
  /** Called as a request leaves. */
  readonly onSent: () => void;
}

export interface GuardedFetchDeps {
  /** Where every request must go; null: wherever ccxt sends it. */
  readonly origin: string | null;
  /** For the whole exchange of request and answer, its body included. */
  readonly timeoutMs: number;
  /** Our clock in epoch milliseconds. */
  readonly now: () => number;
  /** The exchange's, null where it is not known. */
  readonly exchangeNow: () => number | null;
  /** The call that a request belongs to. */
  readonly currentCall: () => GuardedCall;
  /** Throws where the exchange asked us to wait. */
  readonly assertMaySend: () => void;
  /** Told of every answer's headers; `sentAt` by our clock. */
  readonly onAnswer: (url: URL, headers: Headers, sentAt: number) => void;
}

type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/**
 * The `fetchImplementation` for ccxt, through which each of its requests goes: it keeps them on the origin, ends them in
 * time (a stalled body too, which ccxt would wait for without end), follows no redirect, reads no body without end, and
 * lets no answer pass that is not JSON: from HTML, `null` or cut JSON with status 200 ccxt makes rows of undefined.
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
    call.onSent();
    const sentAt = deps.now();
    const { response, text } = await send(target, init, call, deps.timeoutMs);
    call.status = response.status;
    deps.onAnswer(target, response.headers, sentAt);
    const { status, headers } = response;
    const nowMs = deps.exchangeNow() ?? readDate(headers) ?? deps.now();
    const failure = mapStatus(call, { status, headers, body: text ?? '' }, nowMs);
    if (failure) throw failure;
    if (text === null) throw describeOversize(call, target, response);
    const body = readJson(text, response, call);
    return new Response(body, { status: response.status, statusText: response.statusText, headers: response.headers });
  };
}

function readDate(headers: Headers): number | null {
  const dateMs = Date.parse(headers.get('date') ?? '');
  return Number.isNaN(dateMs) ? null : dateMs;
}

/** The answer; `text` is null where the body is larger than any that is read, and its connection closed. */
async function send(
  url: URL,
  init: RequestInit,
  call: GuardedCall,
  timeoutMs: number,
): Promise<{ response: Response; text: string | null }> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const oversize = new AbortController();
  const signal = AbortSignal.any([call.signal, timeout, oversize.signal, ...(init.signal ? [init.signal] : [])]);
  try {
    const response = await fetch(url, {
      method: init.method ?? 'GET',
      headers: init.headers ?? {},
      body: init.body ?? null,
      redirect: 'manual',
      signal,
    });
    const text = await readBody(response);
    if (text === null) oversize.abort();
    return { response, text: text?.trim() ?? null };
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

/** The whole body, or null as soon as it is known to be too large. */
async function readBody({ headers, body }: Response): Promise<string | null> {
  if (Number(headers.get('content-length') ?? 0) > LARGEST_BODY_BYTES) return null;
  const decoder = new TextDecoder();
  const parts: string[] = [];
  let bytes = 0;
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    // Counted unpacked: a small body may unpack to a huge one.
    bytes += chunk.byteLength;
    if (bytes > LARGEST_BODY_BYTES) return null;
    parts.push(decoder.decode(chunk, { stream: true }));
  }
  return parts.join('') + decoder.decode();
}

function describeOversize(call: GuardedCall, url: URL, { status }: Response): ExchangeDataError {
  const limit = `more than ${LARGEST_BODY_BYTES / 1024 / 1024} MB, which were not read`;
  return new ExchangeDataError(
    call.exchange,
    `${call.exchange} answered ${call.subject} with status ${status} and ${limit}; check what answers at ${url.origin}`,
  );
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
