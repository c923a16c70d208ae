import type { RawData, WebSocket } from 'ws';
import type { ConnectionFate } from './stream-faults.ts';

/** The limits that Binance puts on one connection, and its habits; by the exchange's clock. */
export interface ConnectionLimits {
  /** Most streams that one connection may carry. */
  readonly streams: number;
  /** More than `messages` (frames with text, pings and pongs) within `messageWindowMs` end the connection. */
  readonly messages: number;
  readonly messageWindowMs: number;
  /** A ping is sent this often; who does not answer within `pongTimeoutMs` is disconnected. */
  readonly pingMs: number;
  readonly pongTimeoutMs: number;
  /** No connection lasts longer. */
  readonly lifetimeMs: number;
}

/** A client that does not read is cut off rather than kept in memory. */
const BUFFERED_BYTES_MAX = 16 * 1024 * 1024;

export interface ClientSocketDeps {
  readonly socket: WebSocket;
  /** Whether messages come as `{ stream, data }` (path /stream) or bare (path /ws). */
  readonly isCombined: boolean;
  /** The streams that the address named. */
  readonly streams: readonly string[];
  readonly fate: ConnectionFate;
  readonly limits: ConnectionLimits;
  readonly now: () => number;
  /** Told when what is subscribed to changed. */
  readonly onChange: () => void;
}

/** One client of the WebSocket side: what it is subscribed to, and whether it keeps to the limits. */
export class ClientSocket {
  readonly #deps: ClientSocketDeps;
  readonly #openedMs: number;
  readonly #streams: Set<string>;
  #messageTimes: number[] = [];
  #pingedMs: number;
  #isAwaitingPong = false;

  constructor(deps: ClientSocketDeps) {
    this.#deps = deps;
    this.#openedMs = deps.now();
    this.#pingedMs = this.#openedMs;
    this.#streams = new Set(deps.streams);
    const { socket } = deps;
    socket.on('message', (data) => this.#receive(data));
    socket.on('ping', () => void this.#count());
    socket.on('pong', () => {
      this.#isAwaitingPong = false;
      this.#count();
    });
    // A broken socket closes right after; there is nothing else to do about it here.
    socket.on('error', () => socket.terminate());
    if (this.#streams.size > deps.limits.streams) socket.close(1008, 'Too many streams');
  }

  get streams(): ReadonlySet<string> {
    return this.#streams;
  }

  /** Sends a message of a stream: `json` is the bare one. */
  push(stream: string, json: string): void {
    this.#send(this.#deps.isCombined ? `{"stream":"${stream}","data":${json}}` : json);
  }

  /** Pings, and ends the connection where its time has come. */
  tend(): void {
    const { socket, fate, limits, now } = this.#deps;
    const ageMs = now() - this.#openedMs;
    if (ageMs >= (fate.dropAfterMs ?? Infinity)) socket.terminate();
    else if (ageMs >= limits.lifetimeMs) socket.close(1008, 'disconnected after 24 hours');
    else if (!this.#isSilent) this.#ping(now() - this.#pingedMs);
  }

  get #isSilent(): boolean {
    return this.#deps.now() - this.#openedMs >= (this.#deps.fate.silentAfterMs ?? Infinity);
  }

  #ping(sinceMs: number): void {
    const { socket, limits, now } = this.#deps;
    if (this.#isAwaitingPong) {
      if (sinceMs >= limits.pongTimeoutMs) socket.terminate();
    } else if (sinceMs >= limits.pingMs && socket.readyState === socket.OPEN) {
      this.#pingedMs = now();
      this.#isAwaitingPong = true;
      socket.ping(String(this.#pingedMs));
    }
  }

  #send(text: string): void {
    const { socket } = this.#deps;
    if (this.#isSilent || socket.readyState !== socket.OPEN) return;
    if (socket.bufferedAmount > BUFFERED_BYTES_MAX) socket.terminate();
    else socket.send(text);
  }

  /** Whether one more message is within the limit; ends the connection where it is not. */
  #count(): boolean {
    const { socket, limits, now } = this.#deps;
    const nowMs = now();
    this.#messageTimes = this.#messageTimes.filter((timeMs) => timeMs > nowMs - limits.messageWindowMs);
    this.#messageTimes.push(nowMs);
    if (this.#messageTimes.length <= limits.messages) return true;
    socket.close(1008, 'Too many requests');
    return false;
  }

  #receive(data: RawData): void {
    if (!this.#count()) return;
    const text = Buffer.isBuffer(data) ? data.toString() : '';
    let message: unknown;
    try {
      message = JSON.parse(text);
    } catch {
      this.#refuse(3, 'Invalid JSON: expected value at line 1 column 1', null);
      return;
    }
    const { method, params, id = null } = (message ?? {}) as { method?: unknown; params?: unknown; id?: unknown };
    if (method === 'LIST_SUBSCRIPTIONS') {
      this.#send(JSON.stringify({ result: [...this.#streams], id }));
    } else if (method !== 'SUBSCRIBE' && method !== 'UNSUBSCRIBE') {
      this.#refuse(2, `Invalid request: unknown variant ${JSON.stringify(method)}`, id);
    } else if (!Array.isArray(params) || !params.every((name) => typeof name === 'string')) {
      this.#refuse(2, 'Invalid request: params must be an array of strings', id);
    } else {
      this.#change(method === 'SUBSCRIBE', params, id);
    }
  }

  #change(isAdding: boolean, names: readonly string[], id: unknown): void {
    const { socket, limits, onChange } = this.#deps;
    for (const name of names) {
      if (isAdding) this.#streams.add(name);
      else this.#streams.delete(name);
    }
    if (this.#streams.size > limits.streams) {
      socket.close(1008, 'Too many streams');
      return;
    }
    // Names that mean nothing are taken without a word, as Binance does: no message ever comes for them.
    this.#send(JSON.stringify({ result: null, id }));
    onChange();
  }

  #refuse(code: number, msg: string, id: unknown): void {
    this.#send(JSON.stringify({ error: { code, msg }, id }));
  }
}
