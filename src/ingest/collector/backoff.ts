/** What holds a collector back for a while, for one part of its work. */
interface Hold {
  readonly until: number;
  readonly failures: number;
  readonly error: string;
}

/**
 * The failures of one collector. When it is held, why, and whether it is refused always change together, so that they
 * cannot contradict each other. A failure of history leaves the live tail alone.
 */
export class Backoff {
  #all: Hold | null = null;
  #history: Hold | null = null;
  #isRefused = false;
  #count = 0;

  /** How many there were: to tell whether an answer was asked for before the latest one. */
  get count(): number {
    return this.#count;
  }

  /** Consecutive failures of the part that is worse off. */
  get failures(): number {
    return Math.max(this.#all?.failures ?? 0, this.#history?.failures ?? 0);
  }

  get isRefused(): boolean {
    return this.#isRefused;
  }

  get error(): string | null {
    return this.#all?.error ?? this.#history?.error ?? null;
  }

  /** Consecutive failures that hold everything. */
  get allFailures(): number {
    return this.#all?.failures ?? 0;
  }

  /** Nothing is asked before this moment; 0 where nothing holds it. */
  get heldUntil(): number {
    return this.#all?.until ?? 0;
  }

  /** No history is asked for before this moment; 0 where nothing holds it. */
  get historyHeldUntil(): number {
    return this.#history?.until ?? 0;
  }

  /** Notes a failure that holds everything until a moment. */
  hold(until: number, error: string): void {
    this.#count++;
    this.#all = { until, error, failures: this.allFailures + 1 };
  }

  /** Ends the wait of a failure that holds everything, unless it is a refusal; the failure still counts. */
  retryNow(): void {
    if (this.#all && !this.#isRefused) this.#all = { ...this.#all, until: 0 };
  }

  /** Notes a failure that holds history only. */
  holdHistory(until: number, error: string): void {
    this.#count++;
    this.#history = { until, error, failures: (this.#history?.failures ?? 0) + 1 };
  }

  /** Notes that the exchange does not serve this at all. */
  refuse(until: number, reason: string): void {
    this.hold(until, reason);
    this.#isRefused = true;
  }

  /**
   * Notes a success of a request that was sent when `count` was `countBefore`. One that was on its way when something
   * failed ends a refusal, because it disproves it, but no other wait.
   */
  noteSuccess(countBefore: number, isTail: boolean): void {
    if (countBefore !== this.#count && !this.#isRefused) return;
    this.#all = null;
    this.#isRefused = false;
    if (!isTail) this.#history = null;
  }
}
