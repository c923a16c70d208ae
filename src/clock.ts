import { sleep } from './retry.ts';

/** Time as the service sees it, so that a test may let an hour pass in a second. */
export interface Clock {
  /** Epoch milliseconds of this machine; candles are judged by the exchange's clock, not by this one. */
  now(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** The real one. */
export const SYSTEM_CLOCK: Clock = { now: () => Date.now(), sleep };
