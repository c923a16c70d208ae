import { randomBytes } from 'node:crypto';
import { messageOf } from '../../errors.ts';
import type { Service, ServiceContext } from '../../lifecycle.ts';
import type { Logger } from '../../logger.ts';
import { sleep } from '../../retry.ts';
import { RequestError } from '../protocol/errors.ts';
import { formatCursor, parseCursor } from './cursor.ts';
import { Delivery, type PublishedEvent } from './delivery.ts';
import type { EventQueueLimits } from './event-queue.ts';
import { LiveClient } from './live-client.ts';
import { createHealthEvent, formatEvent, type LiveEvent } from './live-event.ts';
import { LiveWatch, type LiveFeed, type StoredCandles } from './live-watch.ts';
import { readBacklog } from './read-backlog.ts';
import { matchesEvent, type StreamFilter } from './stream-filter.ts';
import { MINUTE_MS } from '../../market/moments.ts';

export interface LiveHubDeps {
  readonly feed: LiveFeed;
  /** The service's state in short; answers at once. */
  readonly readHealth: () => object;
  readonly logger: Logger;
  readonly limits?: Partial<LiveLimits>;
}

export interface LiveLimits {
  readonly clients: number;
  /** Of these, how many may be one client's. */
  readonly perClient: number;
  /** What may wait for one client. */
  readonly queue: EventQueueLimits;
  /** Events that are kept for those who come back. */
  readonly journal: number;
  readonly lookEveryMs: number;
  readonly beatEveryMs: number;
  /** A client that takes nothing for so long is cut off. */
  readonly patienceMs: number;
  /** How long the last client may be gone before nobody looks any more. */
  readonly lingerMs: number;
}

const LIMITS: LiveLimits = {
  clients: 200,
  perClient: 20,
  queue: { events: 1_000, characters: 512 * 1024 },
  journal: 2_000,
  lookEveryMs: 1_000,
  beatEveryMs: 15_000,
  patienceMs: 120_000,
  lingerMs: MINUTE_MS,
};
/** Looking takes at most a tenth of the time. */
const REST_RATIO = 10;

/** Everybody who listens to GET /v1/stream. Asks the database nothing while nobody does. */
export class LiveHub implements Service {
  readonly name = 'live';
  readonly #deps: LiveHubDeps;
  readonly #limits: LiveLimits;
  readonly #watch: LiveWatch;
  readonly #clients = new Set<LiveClient>();
  readonly #delivery = new Delivery(this.#clients);
  readonly #run = randomBytes(6).toString('hex');
  #journal: PublishedEvent[] = [];
  #sequence = 0;
  /** Clients that were let in and wait for the first look. */
  #arriving = 0;
  /** Streams by client, with those that are arriving. */
  readonly #streams = new Map<string, number>();
  #loops: Promise<void> | null = null;
  #opening: Promise<void> | null = null;
  #stopping = new AbortController();
  #fail: ServiceContext['fail'] = () => undefined;
  #health = '';
  #hasFailed = false;

  constructor(deps: LiveHubDeps) {
    this.#deps = deps;
    this.#limits = { ...LIMITS, ...deps.limits };
    this.#watch = new LiveWatch({ feed: deps.feed, publish: (event) => this.#publish(event) });
  }

  start({ signal, fail }: ServiceContext): Promise<void> {
    this.#stopping = new AbortController();
    this.#fail = fail;
    signal.addEventListener('abort', () => this.#stopping.abort(), { once: true });
    return Promise.resolve();
  }

  /** Ends all streams; browsers come back by themselves. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const client of this.#clients) client.finish();
    await this.#loops;
  }

  /** How many listen. */
  get size(): number {
    return this.#clients.size;
  }

  /** To be called with candles that this process has committed. */
  note(stored: readonly StoredCandles[]): void {
    this.#watch.note(stored);
  }

  /**
   * The body of a new stream: how the service is, then what was stored since `lastEventId`, then what comes. `owner` is
   * the client that it counts for.
   *
   * @throws RequestError STREAMS_EXHAUSTED (429, with Retry-After), and what the database throws where nobody has
   * looked yet.
   */
  async subscribe(filter: StreamFilter, lastEventId: string | null, owner: string): Promise<LiveClient> {
    const { perClient } = this.#limits;
    if ((this.#streams.get(owner) ?? 0) >= perClient)
      throw new RequestError(
        'STREAMS_EXHAUSTED',
        `One client may listen to ${perClient} streams: close one, or ask for more series in one.`,
        { headers: { 'retry-after': '30' } },
      );
    if (this.#clients.size + this.#arriving >= this.#limits.clients)
      throw new RequestError(
        'STREAMS_EXHAUSTED',
        `${this.#limits.clients} clients are listening, which is the limit: close one, or come back later.`,
        { headers: { 'retry-after': '30' } },
      );
    this.#arriving++;
    this.#count(owner, 1);
    try {
      await this.#open();
    } catch (error) {
      this.#count(owner, -1);
      throw error;
    } finally {
      this.#arriving--;
    }
    const client = new LiveClient({ filter, since: this.#sequence, limits: this.#limits.queue });
    this.#clients.add(client);
    client.once('close', () => {
      this.#clients.delete(client);
      this.#count(owner, -1);
    });
    const hello = filter.events.includes('health') ? JSON.stringify(this.#deps.readHealth()) : null;
    const id = this.#currentId();
    if (lastEventId === null) client.release([hello === null ? `id: ${id}\n\n` : formatEvent('health', hello, id)]);
    else
      client.release([
        ...(hello === null ? [] : [formatEvent('health', hello)]),
        ...(await this.#resume(filter, lastEventId, id)),
      ]);
    return client;
  }

  #count(owner: string, change: number): void {
    const streams = (this.#streams.get(owner) ?? 0) + change;
    if (streams === 0) this.#streams.delete(owner);
    else this.#streams.set(owner, streams);
  }

  /** What a client that has seen everything up to `lastEventId` has missed; `id` is the place after it. */
  async #resume(filter: StreamFilter, lastEventId: string, id: string): Promise<string[]> {
    const cursor = parseCursor(lastEventId);
    const reset = (reason: string) => [formatEvent('reset', JSON.stringify({ reason }), id)];
    if (!cursor)
      return reset(`"${lastEventId.slice(0, 60)}" is no id of this stream: read what you need from /v1/ohlcv`);
    const missed = this.#readJournal(cursor.run, cursor.sequence);
    if (missed)
      return missed
        .filter(({ event }) => matchesEvent(filter, event))
        .map((entry) => formatEvent(entry.event.type, entry.event.render(filter.numbers), entry.id));
    const { feed, logger } = this.#deps;
    try {
      const backlog = await readBacklog(feed, { filter, cursor, series: this.#watch.series, place: this.#watch.place });
      if ('reason' in backlog) return reset(backlog.reason);
      // Who goes away in the middle begins at the old place again: only the end of it has an id.
      return [...backlog.events.map((event) => formatEvent(event.type, event.render(filter.numbers))), `id: ${id}\n\n`];
    } catch (error) {
      logger.debug({ err: error }, 'what a client has missed could not be read');
      return reset('what was stored meanwhile could not be read: read what you need from /v1/ohlcv');
    }
  }

  /** The events after a place in this run; null where the journal does not reach back so far. */
  #readJournal(run: string, sequence: number): PublishedEvent[] | null {
    const oldest = this.#journal[0]?.sequence ?? this.#sequence + 1;
    if (run !== this.#run || sequence > this.#sequence || sequence < oldest - 1 || this.#loops === null) return null;
    return this.#journal.filter((entry) => entry.sequence > sequence);
  }

  #publish(event: LiveEvent): void {
    this.#sequence++;
    const id = this.#currentId();
    this.#journal.push({ id, sequence: this.#sequence, event });
    if (this.#journal.length > this.#limits.journal * 2) this.#journal = this.#journal.slice(-this.#limits.journal);
    this.#delivery.send({ id, sequence: this.#sequence, event });
  }

  #currentId(): string {
    return formatCursor({ run: this.#run, sequence: this.#sequence, ...this.#watch.place });
  }

  /** Resolves once the first look is done; begins to look where nobody did. */
  async #open(): Promise<void> {
    if (this.#loops) return;
    this.#opening ??= this.#watch
      .look()
      .then(() => {
        this.#health = JSON.stringify(this.#deps.readHealth());
        this.#loops = this.#runLoops().finally(() => (this.#loops = null));
      })
      .finally(() => (this.#opening = null));
    await this.#opening;
  }

  async #runLoops(): Promise<void> {
    const ending = new AbortController();
    const signal = AbortSignal.any([this.#stopping.signal, ending.signal]);
    const loops = [this.#lookAgain(signal), this.#pulse(signal, ending)];
    const settled = await Promise.allSettled(loops.map((loop) => loop.finally(() => ending.abort())));
    // What happens from now on is not in the journal: who comes back later is served from the database.
    this.#watch.pause();
    this.#journal = [];
    const fault = settled.find((loop) => loop.status === 'rejected' && loop.reason !== signal.reason);
    if (fault?.status === 'rejected') this.#fail(fault.reason);
  }

  async #lookAgain(signal: AbortSignal): Promise<void> {
    let restMs = this.#limits.lookEveryMs;
    for (;;) {
      await sleep(restMs, signal);
      const begunAt = performance.now();
      await this.#look();
      restMs = Math.max(this.#limits.lookEveryMs, (performance.now() - begunAt) * REST_RATIO);
    }
  }

  async #look(): Promise<void> {
    const { logger } = this.#deps;
    try {
      await this.#watch.look();
      if (this.#hasFailed) logger.info('the live stream reads the database again');
      this.#hasFailed = false;
    } catch (error) {
      logger[this.#hasFailed ? 'debug' : 'warn'](
        { reason: messageOf(error) },
        'the live stream could not read the database',
      );
      this.#hasFailed = true;
    }
  }

  /** What goes on while the database is away too: health, heartbeats, clients that take nothing. */
  async #pulse(signal: AbortSignal, ending: AbortController): Promise<void> {
    const { lookEveryMs, beatEveryMs, patienceMs, lingerMs } = this.#limits;
    let [beatAt, aloneSince] = [performance.now() + beatEveryMs, performance.now()];
    for (;;) {
      await sleep(lookEveryMs, signal);
      const now = performance.now();
      if (this.#clients.size + this.#arriving > 0) aloneSince = now;
      if (now - aloneSince > lingerMs) ending.abort();
      const health = JSON.stringify(this.#deps.readHealth());
      if (health !== this.#health) this.#publish(createHealthEvent(this.#deps.readHealth()));
      this.#health = health;
      for (const client of this.#clients) if (client.waitedMs > patienceMs) client.destroy();
      if (now < beatAt) continue;
      beatAt = now + beatEveryMs;
      for (const client of this.#clients) client.beat(this.#currentId());
    }
  }
}
