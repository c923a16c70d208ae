import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../../src/clock.ts';

/** Turns of the event loop within which work that needs no network has come to rest. */
const TURNS_AT_REST = 3;

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

/**
 * A clock that stands still while anything is being done, requests of this process's `fetch` included, and then jumps to
 * the next moment for which somebody waits: an hour takes as long as the work in it.
 */
export class StepClock implements Clock, Disposable {
  #nowMs: number;
  #sleepers: Sleeper[] = [];
  #underWay = 0;
  readonly #onSent = () => {
    this.#underWay++;
  };
  readonly #onEnded = () => {
    this.#underWay--;
  };

  constructor(nowMs: number) {
    this.#nowMs = nowMs;
    subscribe('undici:request:create', this.#onSent);
    subscribe('undici:request:trailers', this.#onEnded);
    subscribe('undici:request:error', this.#onEnded);
  }

  now(): number {
    return this.#nowMs;
  }

  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const sleeper = { at: this.#nowMs + Math.max(0, ms), wake: () => resolve(undefined) };
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    this.#sleepers.push(sleeper);
    try {
      await promise;
    } finally {
      this.#sleepers = this.#sleepers.filter((each) => each !== sleeper);
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Lets time pass until `work` has ended, and gives its outcome. */
  async during<T>(work: Promise<T>): Promise<T> {
    const state = { isDone: false };
    const done = () => {
      state.isDone = true;
    };
    work.then(done, done);
    while (!state.isDone) {
      await this.#rest();
      if (this.#sleepers.length > 0) this.#step();
    }
    return await work;
  }

  async #rest(): Promise<void> {
    for (let turns = 0; turns < TURNS_AT_REST; turns++) {
      await turn();
      if (this.#underWay > 0) turns = -1;
    }
  }

  #step(): void {
    const next = Math.min(...this.#sleepers.map(({ at }) => at));
    this.#nowMs = Math.max(this.#nowMs, next);
    for (const { at, wake } of this.#sleepers) if (at <= this.#nowMs) wake();
  }

  [Symbol.dispose](): void {
    unsubscribe('undici:request:create', this.#onSent);
    unsubscribe('undici:request:trailers', this.#onEnded);
    unsubscribe('undici:request:error', this.#onEnded);
  }
}
