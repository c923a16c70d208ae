import { formatEvent } from './live-event.ts';
import { toIso } from '../../market/moments.ts';

/** One event that waits for its client. */
export interface QueuedEvent {
  /** The place after it. */
  readonly id: string;
  readonly type: string;
  /** JSON. */
  readonly data: string;
}

export interface EventQueueLimits {
  readonly events: number;
  /** Characters of data. */
  readonly characters: number;
}

interface Waiting extends QueuedEvent {
  readonly queuedAt: number;
}

/**
 * What one client has not taken yet, within bounds: a client that is too slow loses the oldest events, and reads a
 * `dropped` event in their place: `count`, `since` when (ISO 8601), and the id to `resume_from`, null where it has
 * taken none.
 */
export class EventQueue {
  readonly #limits: EventQueueLimits;
  readonly #now: () => number;
  #waiting: Waiting[] = [];
  /** The waiting ones begin here; what lies before has been taken. */
  #start = 0;
  #characters = 0;
  #dropped = 0;
  #droppedSince = 0;
  #lastTaken: string | null = null;

  constructor({ limits, now = Date.now }: { readonly limits: EventQueueLimits; readonly now?: () => number }) {
    this.#limits = limits;
    this.#now = now;
  }

  get isEmpty(): boolean {
    return this.#start === this.#waiting.length && this.#dropped === 0;
  }

  push(event: QueuedEvent): void {
    this.#waiting.push({ ...event, queuedAt: this.#now() });
    this.#characters += event.data.length;
    while (
      this.#waiting.length - this.#start > this.#limits.events ||
      (this.#characters > this.#limits.characters && this.#waiting.length - this.#start > 1)
    )
      this.#drop();
  }

  /** The text of the next event, of a notice where some were lost before it; null where nothing waits. */
  take(): string | null {
    if (this.#dropped > 0) {
      const notice = {
        count: this.#dropped,
        since: toIso(this.#droppedSince),
        resume_from: this.#lastTaken,
      };
      this.#dropped = 0;
      return formatEvent('dropped', JSON.stringify(notice));
    }
    const event = this.#shift();
    if (!event) return null;
    this.#lastTaken = event.id;
    return formatEvent(event.type, event.data, event.id);
  }

  #drop(): void {
    const event = this.#shift();
    if (!event) return;
    if (this.#dropped === 0) this.#droppedSince = event.queuedAt;
    this.#dropped++;
  }

  #shift(): Waiting | undefined {
    const event = this.#waiting[this.#start];
    if (!event) return undefined;
    this.#start++;
    this.#characters -= event.data.length;
    // Cutting what was taken off at each step would move all the others each time.
    if (this.#start > this.#waiting.length / 2) {
      this.#waiting = this.#waiting.slice(this.#start);
      this.#start = 0;
    }
    return event;
  }
}
