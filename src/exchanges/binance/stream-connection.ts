import type { IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import type { Clock } from '../../clock.ts';
import { ExchangeRejectedError, ExchangeUnavailableError } from '../../errors.ts';
import { readMessage, type ClosedPush, type MisshapenPush } from './read-message.ts';
import { SilenceWatch } from './silence-watch.ts';
import type { StreamLimits } from './stream-limits.ts';
import { Subscriptions } from './subscriptions.ts';

const EXCHANGE = 'binance';
/** A push is some 350 bytes; nothing that Binance sends comes near. */
const MAX_MESSAGE_BYTES = 1024 * 1024;
/** Real milliseconds that the exchange has to say goodbye. */
const CLOSE_TIMEOUT_MS = 1_000;
/** So many messages in a row that make no sense: whatever is at the other end, it is not Binance. */
const MOST_UNREADABLE = 10;

export interface StreamConnectionDeps {
  readonly url: string;
  readonly clock: Clock;
  readonly limits: StreamLimits;
  readonly onPush: (push: ClosedPush | MisshapenPush) => void;
  readonly onMessage: () => void;
  readonly onCarried: (streams: readonly string[]) => void;
  readonly onRefused: (stream: string, reason: string) => void;
  /** The longest that the series of these streams may go without any push. */
  readonly quietestMs: (streams: ReadonlySet<string>) => number;
}

/** One connection: open from the start, until it ends for whatever reason; it is never opened again. */
export class StreamConnection {
  readonly #deps: StreamConnectionDeps;
  readonly #socket: WebSocket;
  readonly #watch: SilenceWatch;
  readonly #subscriptions: Subscriptions;
  readonly #controller = new AbortController();
  readonly #ended = Promise.withResolvers<string>();
  readonly #shutdown = Promise.withResolvers<undefined>();
  #reason: string | null = null;
  #fault: { error: unknown } | null = null;
  #unreadable = 0;

  private constructor(socket: WebSocket, deps: StreamConnectionDeps) {
    this.#deps = deps;
    this.#socket = socket;
    this.#watch = new SilenceWatch({ clock: deps.clock, silenceMs: deps.limits.silenceMs });
    this.#subscriptions = new Subscriptions({ ...deps, send: (text) => socket.send(text) });
    socket.on('message', (bytes: Buffer) => this.#guard(() => this.#receive(bytes)));
    socket.on('ping', () => this.#watch.noteFrame());
    socket.on('error', (error) => this.drop(error.message));
    socket.on('close', (code, reason) => this.#onClose(code, reason.toString()));
    const { signal } = this.#controller;
    const quietestMs = (): number => deps.quietestMs(this.#subscriptions.carried);
    void this.#untilFault(this.#watch.run(quietestMs, signal));
    void this.#untilFault(this.#subscriptions.run(signal));
  }

  /**
   * Connects.
   *
   * @throws ExchangeUnavailableError, with `retryAfterMs` where the exchange asks us to wait, ExchangeRejectedError
   * where it refuses us (403, 451), or the signal's reason.
   */
  static async open(deps: StreamConnectionDeps, signal: AbortSignal): Promise<StreamConnection> {
    signal.throwIfAborted();
    // A variable, because the types of ws do not know closeTimeout yet.
    const options = {
      handshakeTimeout: deps.limits.handshakeTimeoutMs,
      closeTimeout: CLOSE_TIMEOUT_MS,
      maxPayload: MAX_MESSAGE_BYTES,
      // Costs more than the bandwidth that it saves here.
      perMessageDeflate: false,
      skipUTF8Validation: true,
    };
    const socket = new WebSocket(deps.url, options);
    const { promise, resolve, reject } = Promise.withResolvers<StreamConnection>();
    const onAbort = (): void => {
      reject(signal.reason);
      socket.terminate();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    const onError = (error: Error): void => reject(unavailable(error.message, { cause: error }));
    socket.on('error', onError);
    socket.on('unexpected-response', (_request, response: IncomingMessage) => {
      reject(toRefusal(response));
      response.resume();
      socket.terminate();
    });
    // Built inside the event: the first message may follow in the same packet.
    socket.once('open', () => resolve(new StreamConnection(socket, deps)));
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Why it ended; resolves once, when nothing more can come. Rejects where a listener of ours threw. */
  get ended(): Promise<string> {
    return this.#ended.promise;
  }

  /** Resolves when the exchange says that it is about to end this connection. */
  get shutdown(): Promise<void> {
    return this.#shutdown.promise;
  }

  /** Resolves when all that is wanted has been answered for the first time; never where it ends before. */
  get settled(): Promise<void> {
    return this.#subscriptions.settled;
  }

  get isOpen(): boolean {
    return this.#reason === null;
  }

  get isSettled(): boolean {
    return this.#reason === null && this.#subscriptions.isSettled;
  }

  /** Whether pushes came lately. */
  get isPushing(): boolean {
    return this.#watch.isPushing;
  }

  get carried(): ReadonlySet<string> {
    return this.#subscriptions.carried;
  }

  carries(stream: string): boolean {
    return this.#reason === null && this.#subscriptions.carries(stream);
  }

  /** Why the exchange refused this stream on this connection; undefined where it did not. */
  refusalOf(stream: string): string | undefined {
    return this.#subscriptions.refusalOf(stream);
  }

  want(streams: ReadonlySet<string>): void {
    this.#subscriptions.want(streams);
  }

  /** Ends it with a farewell. */
  close(reason: string): void {
    if (this.#setReason(reason)) this.#socket.close(1000);
  }

  /** Ends it at once: the other end does not listen, or makes no sense. */
  drop(reason: string): void {
    if (this.#setReason(reason)) this.#socket.terminate();
  }

  #setReason(reason: string): boolean {
    if (this.#reason !== null) return false;
    this.#reason = reason;
    this.#controller.abort(new Error(reason));
    return true;
  }

  #onClose(code: number, text: string): void {
    this.#setReason(`the exchange closed the connection (${code}${text === '' ? '' : ` ${text}`})`);
    if (this.#fault !== null) this.#ended.reject(this.#fault.error);
    else this.#ended.resolve(this.#reason ?? '');
  }

  async #untilFault(work: Promise<string>): Promise<void> {
    try {
      this.drop(await work);
    } catch (error) {
      if (!this.#controller.signal.aborted) this.#fail(error);
    }
  }

  /** What our own listeners throw is a bug, and must not pass as a fault of the exchange's. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#fault = { error };
    this.drop('a listener failed');
  }

  #receive(bytes: Buffer): void {
    if (this.#reason !== null) return;
    const message = readMessage(bytes);
    this.#deps.onMessage();
    if (message.kind === 'unreadable') {
      this.#watch.noteFrame();
      this.#unreadable++;
      if (this.#unreadable >= MOST_UNREADABLE) this.drop(`${MOST_UNREADABLE} times in a row ${message.reason}`);
      return;
    }
    this.#unreadable = 0;
    switch (message.kind) {
      case 'open':
        this.#watch.notePush();
        break;
      case 'closed':
      case 'misshapen':
        this.#watch.notePush();
        this.#deps.onPush(message);
        break;
      case 'answer':
        this.#watch.noteFrame();
        this.#subscriptions.answer(message.id, message.error);
        break;
      case 'shutdown':
        this.#watch.noteFrame();
        this.#shutdown.resolve(undefined);
    }
  }
}

function unavailable(
  message: string,
  options: ConstructorParameters<typeof ExchangeUnavailableError>[2],
): ExchangeUnavailableError {
  return new ExchangeUnavailableError(
    EXCHANGE,
    `the live stream of ${EXCHANGE} cannot be reached: ${message}`,
    options,
  );
}

/** The answer to an upgrade that was none, as what to do about it. */
function toRefusal({ statusCode = 0, headers }: IncomingMessage): Error {
  if (statusCode === 403 || statusCode === 451) {
    const message = `the live stream of ${EXCHANGE} refuses this address (HTTP ${statusCode}); REST polling goes on`;
    return new ExchangeRejectedError(EXCHANGE, message, { reason: 'access' });
  }
  const seconds = Number(headers['retry-after'] ?? Number.NaN);
  const retryAfterMs = Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : null;
  const reason = statusCode === 429 ? 'throttled' : statusCode === 418 ? 'banned' : 'unreachable';
  return unavailable(`it answered HTTP ${statusCode} instead of switching protocols`, { reason, retryAfterMs });
}
