/** Lets one holder in at a time, in the order of asking. */
export class Lock {
  #tail: Promise<void> = Promise.resolve();

  /** Resolves with how to give it back, once everybody who asked before has done so. */
  async acquire(): Promise<() => void> {
    const before = this.#tail;
    const held = Promise.withResolvers<undefined>();
    this.#tail = held.promise;
    await before;
    return () => held.resolve(undefined);
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    const release = await this.acquire();
    try {
      return await work();
    } finally {
      release();
    }
  }
}
