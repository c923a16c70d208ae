/**
 * The promise's outcome, or a rejection with the signal's reason as soon as it aborts. ccxt takes no abort signal, so
 * work that is waiting in its queue goes on without a listener until it notices.
 */
export async function raceAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    // The service's signal lives as long as the process: a listener for each request would pile up.
    signal.removeEventListener('abort', onAbort);
  }
}

/**
 * One run of `operation` at a time: whoever asks while it runs waits for the same run, each with a signal of its own,
 * so that one caller who gives up does not take the answer from the others. A failed run is not kept.
 */
export class SharedCall<T> {
  readonly #operation: () => Promise<T>;
  #running: Promise<T> | null = null;

  constructor(operation: () => Promise<T>) {
    this.#operation = operation;
  }

  async run(signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    this.#running ??= this.#operation().finally(() => {
      this.#running = null;
    });
    return await raceAbort(this.#running, signal);
  }
}
