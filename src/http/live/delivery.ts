import { setImmediate as turn } from 'node:timers/promises';
import type { LiveClient } from './live-client.ts';
import type { LiveEvent } from './live-event.ts';
import { matchesEvent } from './stream-filter.ts';

/** An event with its place in the stream. */
export interface PublishedEvent {
  readonly id: string;
  /** Its number in this run. */
  readonly sequence: number;
  readonly event: LiveEvent;
}

/** Events that clients are given at once, and how long those who read are waited for then. */
const SLICE = 64;
const SLICE_MS = 25;

/**
 * Gives events to the clients that want them: what comes at one blow piece by piece, so that only who does not read
 * loses any. Events wait here once, and not in the queue of each client.
 */
export class Delivery {
  readonly #clients: ReadonlySet<LiveClient>;
  #waiting: PublishedEvent[] = [];
  #isUnderWay = false;

  constructor(clients: ReadonlySet<LiveClient>) {
    this.#clients = clients;
  }

  send(published: PublishedEvent): void {
    if (this.#clients.size === 0) return;
    this.#waiting.push(published);
    if (!this.#isUnderWay) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isUnderWay = true;
    while (this.#waiting.length > 0) {
      const slice = this.#waiting.splice(0, SLICE);
      for (const client of this.#clients)
        for (const { id, sequence, event } of slice)
          if (sequence > client.since && matchesEvent(client.wanted, event))
            client.offer({ id, type: event.type, data: event.render(client.wanted.numbers) });
      // What is published in the same moment is found then.
      await this.#letThemRead();
    }
    this.#isUnderWay = false;
  }

  async #letThemRead(): Promise<void> {
    const until = performance.now() + SLICE_MS;
    const isReading = (client: LiveClient) => client.isBehind && client.waitedMs < SLICE_MS;
    do await turn();
    while (performance.now() < until && [...this.#clients].some(isReading));
  }
}
