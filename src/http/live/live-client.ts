import { Readable } from 'node:stream';
import { EventQueue, type EventQueueLimits, type QueuedEvent } from './event-queue.ts';
import type { StreamFilter } from './stream-filter.ts';

export interface LiveClientDeps {
  readonly filter: StreamFilter;
  /** It is not told what was published up to this place in the journal; 0 unless given. */
  readonly since?: number;
  readonly limits: EventQueueLimits;
  readonly now?: () => number;
}

/** How long a browser waits before it comes back after a stream has ended. */
const RETRY_MS = 3_000;

/**
 * The body of one client's stream: text of server-sent events. It is read as fast as the client takes it; meanwhile its
 * queue fills, and drops.
 */
export class LiveClient extends Readable {
  /** What it wants to be told. */
  readonly wanted: StreamFilter;
  readonly since: number;
  readonly #queue: EventQueue;
  readonly #now: () => number;
  /** Whether the reader has asked for more than there was. */
  #isWanting = false;
  /** Held back until the events before it are known. */
  #isHeld = true;
  #tookAt: number;

  constructor({ filter, since = 0, limits, now = Date.now }: LiveClientDeps) {
    super({ encoding: 'utf8' });
    this.wanted = filter;
    this.since = since;
    this.#queue = new EventQueue({ limits, now });
    this.#now = now;
    this.#tookAt = now();
    this.push(`retry: ${RETRY_MS}\n\n`);
  }

  /** How long something has waited for the client, in milliseconds; 0 where nothing does. */
  get waitedMs(): number {
    return this.#isWanting || this.#isHeld ? 0 : this.#now() - this.#tookAt;
  }

  /** Whether something waits for it. */
  get isBehind(): boolean {
    return !this.#queue.isEmpty;
  }

  offer(event: QueuedEvent): void {
    this.#queue.push(event);
    this.#fill();
  }

  /** Sends `backlog` before what was offered meanwhile, and lets all of it flow. */
  release(backlog: readonly string[]): void {
    for (const text of backlog) this.push(text);
    this.#isHeld = false;
    this.#fill();
  }

  /** Keeps the connection from looking dead, and tells an idle client the place that it has reached. */
  beat(id: string): void {
    if (this.#isWanting && this.#queue.isEmpty) this.push(`: heartbeat\nid: ${id}\n\n`);
  }

  /** Ends the stream once what waits is taken. */
  finish(): void {
    if (!this.destroyed && !this.readableEnded) this.push(null);
  }

  override _read(): void {
    this.#isWanting = true;
    this.#tookAt = this.#now();
    this.#fill();
  }

  #fill(): void {
    while (this.#isWanting && !this.#isHeld) {
      const text = this.#queue.take();
      if (text === null) return;
      this.#isWanting = this.push(text);
    }
  }
}
