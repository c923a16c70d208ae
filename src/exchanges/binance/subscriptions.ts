import type { Clock } from '../../clock.ts';
import { raceAbort } from '../kit/abort.ts';
import type { StreamLimits } from './stream-limits.ts';

export interface SubscriptionsDeps {
  readonly clock: Clock;
  readonly limits: Pick<StreamLimits, 'streamsPerMessage' | 'messageSpacingMs' | 'answerTimeoutMs'>;
  /** Sends a text to the exchange. */
  readonly send: (text: string) => void;
  /** The exchange has confirmed that these are pushed from now on. */
  readonly onCarried: (streams: readonly string[]) => void;
  /** The exchange has refused this one stream; it is not asked for again on this connection. */
  readonly onRefused: (stream: string, reason: string) => void;
}

interface Request {
  readonly method: 'SUBSCRIBE' | 'UNSUBSCRIBE';
  readonly streams: readonly string[];
}

/**
 * What one connection is subscribed to, brought in line with what is wanted by one request at a time, paced.
 *
 * @see https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams#live-subscribingunsubscribing-to-streams
 */
export class Subscriptions {
  readonly #deps: SubscriptionsDeps;
  readonly #carried = new Set<string>();
  /** Why, by stream. */
  readonly #refused = new Map<string, string>();
  /** Halves of a refused request: asked for apart, until the one that is to blame stands alone. */
  #halves: string[][] = [];
  #wanted: ReadonlySet<string> = new Set();
  /** Nothing is settled before anything was wanted. */
  #isAsked = false;
  #changed = Promise.withResolvers<undefined>();
  #settled = Promise.withResolvers<undefined>();
  #isSettled = false;
  #lastId = 0;
  #pending: { id: number; answer: (error: string | null) => void } | null = null;

  constructor(deps: SubscriptionsDeps) {
    this.#deps = deps;
  }

  /** Replaces what is wanted. */
  want(streams: ReadonlySet<string>): void {
    this.#wanted = streams;
    this.#isAsked = true;
    this.#changed.resolve(undefined);
  }

  /** Whether the exchange has confirmed this one. */
  carries(stream: string): boolean {
    return this.#carried.has(stream);
  }

  get carried(): ReadonlySet<string> {
    return this.#carried;
  }

  /** Why the exchange refused this one; undefined where it did not. */
  refusalOf(stream: string): string | undefined {
    return this.#refused.get(stream);
  }

  /** Resolves when all that is wanted has been answered for the first time. */
  get settled(): Promise<void> {
    return this.#settled.promise;
  }

  /** Whether it has. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Takes the exchange's answer to a request. False: nobody waits for one with this id. */
  answer(id: number, error: string | null): boolean {
    if (this.#pending?.id !== id) return false;
    this.#pending.answer(error);
    this.#pending = null;
    return true;
  }

  /** Works until the signal aborts (rejects with its reason); resolves with the reason why the connection is no good. */
  async run(signal: AbortSignal): Promise<string> {
    for (;;) {
      const request = this.#next();
      if (request === null) {
        if (this.#isAsked) {
          this.#isSettled = true;
          this.#settled.resolve(undefined);
        }
        await raceAbort(this.#changed.promise, signal);
        this.#changed = Promise.withResolvers();
        continue;
      }
      const answer = await this.#ask(request, signal);
      if (answer === undefined)
        return `no answer to ${request.method} in ${this.#deps.limits.answerTimeoutMs / 1000} s`;
      this.#take(request, answer);
      await this.#deps.clock.sleep(this.#deps.limits.messageSpacingMs, signal);
    }
  }

  #next(): Request | null {
    const gone: string[] = [];
    for (const stream of this.#carried) if (!this.#wanted.has(stream)) gone.push(stream);
    const { streamsPerMessage } = this.#deps.limits;
    // First, so that a connection never carries more than it may.
    if (gone.length > 0) return { method: 'UNSUBSCRIBE', streams: gone.slice(0, streamsPerMessage) };
    for (const stream of this.#refused.keys()) if (!this.#wanted.has(stream)) this.#refused.delete(stream);
    while (this.#halves.length > 0) {
      const streams = this.#halves.pop()?.filter((stream) => this.#wanted.has(stream)) ?? [];
      if (streams.length > 0) return { method: 'SUBSCRIBE', streams };
    }
    const missing: string[] = [];
    for (const stream of this.#wanted) {
      if (this.#carried.has(stream) || this.#refused.has(stream)) continue;
      missing.push(stream);
      if (missing.length === streamsPerMessage) break;
    }
    return missing.length === 0 ? null : { method: 'SUBSCRIBE', streams: missing };
  }

  /** The error text, null where it was done, undefined where no answer came. */
  async #ask({ method, streams }: Request, signal: AbortSignal): Promise<string | null | undefined> {
    const id = ++this.#lastId;
    const { promise, resolve } = Promise.withResolvers<string | null>();
    this.#pending = { id, answer: resolve };
    this.#deps.send(JSON.stringify({ method, params: streams, id }));
    const waiting = new AbortController();
    try {
      const late = this.#deps.clock.sleep(this.#deps.limits.answerTimeoutMs, AbortSignal.any([signal, waiting.signal]));
      return await Promise.race([promise, late.then(() => undefined)]);
    } finally {
      waiting.abort();
    }
  }

  #take({ method, streams }: Request, error: string | null): void {
    if (method === 'UNSUBSCRIBE') {
      // Refused or not: nobody listens to them any more.
      for (const stream of streams) this.#carried.delete(stream);
    } else if (error === null) {
      for (const stream of streams) this.#carried.add(stream);
      this.#deps.onCarried(streams);
    } else if (streams.length === 1) {
      for (const stream of streams) {
        this.#refused.set(stream, error);
        this.#deps.onRefused(stream, error);
      }
    } else {
      const middle = Math.ceil(streams.length / 2);
      this.#halves.push(streams.slice(middle), streams.slice(0, middle));
    }
  }
}
