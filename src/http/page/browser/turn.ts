/** So that what is asked for in one moment is done once, and what is asked for all the time twice a second at most. */
const SOON_MS = 100;
const AGAIN_MS = 500;

/** Does something again and again, never twice at once. */
export class Turn {
  readonly #work: () => Promise<number>;
  readonly #afterFailureMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isAtWork = false;
  #isWanted = false;
  #isPaused = false;

  /**
   * @param work answers after how many milliseconds it wants its next turn
   * @param afterFailureMs the same where it throws: an error of ours must not end the watch
   */
  constructor(work: () => Promise<number>, afterFailureMs: number) {
    this.#work = work;
    this.#afterFailureMs = afterFailureMs;
  }

  /** At once, or right after the turn that is under way. Asked for often in a moment, it is done once. */
  soon(): void {
    if (this.#isAtWork) this.#isWanted = true;
    else this.#schedule(SOON_MS);
  }

  /** No more turns until `resume`: nobody looks. */
  pause(): void {
    this.#isPaused = true;
    clearTimeout(this.#timer);
  }

  resume(): void {
    this.#isPaused = false;
    this.soon();
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#isPaused) return;
    this.#timer = setTimeout(() => void this.#run(), ms);
  }

  async #run(): Promise<void> {
    this.#isAtWork = true;
    let nextMs = this.#afterFailureMs;
    try {
      nextMs = await this.#work();
    } finally {
      this.#isAtWork = false;
      this.#schedule(this.#takeWanted() ? AGAIN_MS : nextMs);
    }
  }

  #takeWanted(): boolean {
    const isWanted = this.#isWanted;
    this.#isWanted = false;
    return isWanted;
  }
}
