import { ExchangeDataError, messageOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { SharedCall } from './abort.ts';
import type { CcxtClient } from './ccxt-client.ts';

/** Clocks drift; a machine that slept wakes with another offset. */
const REFRESH_MS = 10 * 60_000;
/** After a failed refresh the old offset serves on, and the next try is not made before this. */
const RETRY_MS = 60_000;
/** An exchange that tells no time: stay behind it rather than ahead, so that an open candle never looks closed. */
const UNKNOWN_MARGIN_MS = 5_000;
const EARLIEST_MS = Date.UTC(2020, 0, 1);

/** What it takes of the client. */
type ClockClient = Pick<CcxtClient, 'id' | 'closeSignal' | 'serverDate'>;

export interface ExchangeClockDeps {
  readonly client: ClockClient;
  /** Asks the exchange for its time; null where it has no such call. */
  readonly askTime: ((signal: AbortSignal) => Promise<unknown>) | null;
  readonly now: () => number;
  readonly logger: Logger;
}

/** An exchange's clock, kept as an offset to ours that was measured at the middle of a request. */
export class ExchangeClock {
  readonly #client: ClockClient;
  readonly #askTime: ExchangeClockDeps['askTime'];
  readonly #now: () => number;
  readonly #logger: Logger;
  readonly #measuring: SharedCall<void>;
  #offsetMs: number | null = null;
  #nextAt = 0;

  constructor(deps: ExchangeClockDeps) {
    this.#client = deps.client;
    this.#askTime = deps.askTime;
    this.#now = deps.now;
    this.#logger = deps.logger;
    this.#measuring = new SharedCall(async () => await this.#measure());
  }

  /** The exchange's time in epoch milliseconds; null before it was measured. */
  now(): number | null {
    return this.#offsetMs === null ? null : this.#now() + this.#offsetMs;
  }

  /** Asks anew. Throws what a call to the exchange throws. */
  async measure(signal: AbortSignal): Promise<number> {
    await this.#measuring.run(signal);
    return this.#now() + (this.#offsetMs ?? 0);
  }

  /** The exchange's time, asked for where it is not known or was measured more than ten minutes ago. */
  async current(signal: AbortSignal): Promise<number> {
    const known = this.now();
    if (known !== null && this.#now() < this.#nextAt) return known;
    try {
      return await this.measure(signal);
    } catch (error) {
      signal.throwIfAborted();
      if (known === null) throw error;
      this.#nextAt = this.#now() + RETRY_MS;
      this.#logger.warn(
        { exchange: this.#client.id, error: messageOf(error) },
        'exchange clock could not be read again',
      );
      return this.now() ?? known;
    }
  }

  async #measure(): Promise<void> {
    this.#offsetMs = this.#askTime === null ? this.#readDateHeader() : await this.#ask(this.#askTime);
    this.#nextAt = this.#now() + REFRESH_MS;
    this.#logger.debug({ exchange: this.#client.id, offsetMs: this.#offsetMs }, 'exchange clock read');
  }

  async #ask(askTime: (signal: AbortSignal) => Promise<unknown>): Promise<number> {
    const sentAt = this.#now();
    const answer = await askTime(this.#client.closeSignal);
    const answeredAt = this.#now();
    const time = Number(answer);
    if (!Number.isSafeInteger(time) || time < EARLIEST_MS) {
      throw new ExchangeDataError(this.#client.id, `${this.#client.id} gave ${String(answer)} as its time`);
    }
    return time - Math.round((sentAt + answeredAt) / 2);
  }

  /** HTTP's Date is cut to seconds and was written before it came here, so it never runs ahead of the exchange. */
  #readDateHeader(): number {
    const date = this.#client.serverDate;
    return date === null ? -UNKNOWN_MARGIN_MS : date.exchangeMs - date.oursMs;
  }
}
