/** Hands what happens in one part to others that it does not know. */
export class Topic<T> {
  readonly #listeners: ((value: T) => void)[] = [];

  /** Listeners are called at once, in the order in which they came; they must not throw. */
  subscribe(listener: (value: T) => void): void {
    this.#listeners.push(listener);
  }

  readonly publish = (value: T): void => {
    for (const listener of this.#listeners) listener(value);
  };
}
