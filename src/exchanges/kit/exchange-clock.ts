import type { Clock } from '../../clock.ts';
import { ExchangeDataError, messageOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { MINUTE_MS } from '../../market/moments.ts';
import { SharedCall } from './abort.ts';

/** Clocks drift; a machine that slept wakes with another offset. */
const REFRESH_MS = 10 * MINUTE_MS;
/** After a failed refresh the old offset serves on, and the next try is not made before this. */
const RETRY_MS = MINUTE_MS;
/** An exchange that tells no time: stay behind it rather than ahead, so that an open candle never looks closed. */
const UNKNOWN_MARGIN_MS = 5_000;
const EARLIEST_MS = Date.UTC(2020, 0, 1);
/** A time this far from the last measurement needs a second answer, and two answers this near agree. */
const JUMP_MS = 2_000;
/** So far a Date header may be from the time: it is cut to seconds, and may have been on its way. */
const DATE_TOLERANCE_MS = 5_000;
/** How often it is asked in one measurement where the answers contradict each other. */
const MOST_SAMPLES = 5;
/** Of a slow answer nobody knows which way was slow: half of it, but not more, counts as the way back. */
const LONGEST_WAY_BACK_MS = 500;

/** What it takes of the client. */
interface ClockClient {
  readonly id: string;
  /** Aborts when the client is closed. */
  readonly closeSignal: AbortSignal;
}

export interface ExchangeClockDeps {
  readonly client: ClockClient;
  /** Asks the exchange for its time, telling when the request leaves; null where it has no such call. */
  readonly askTime: ((signal: AbortSignal, onSent: () => void) => Promise<unknown>) | null;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * An exchange's clock, kept as an offset to ours that was measured at the middle of a request. No single answer moves
 * it: a time that jumps, contradicts the Date headers or is the first of all is believed when a second answer agrees.
 */
export class ExchangeClock {
  readonly #client: ClockClient;
  readonly #askTime: ExchangeClockDeps['askTime'];
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #measuring: SharedCall<void>;
  #offsetMs: number | null = null;
  #nextAt = 0;
  /** What the last Date headers made of our clock, newest first. */
  #dateOffsets: readonly number[] = [];
  /** How far the Date headers are known to be from the time, where that is more than they may. */
  #dateLagMs = 0;
  #isDoubted = false;

  constructor(deps: ExchangeClockDeps) {
    this.#client = deps.client;
    this.#askTime = deps.askTime;
    this.#clock = deps.clock;
    this.#logger = deps.logger;
    this.#measuring = new SharedCall(async () => await this.#measure());
  }

  /** The exchange's time in epoch milliseconds; null before it was measured. */
  now(): number | null {
    return this.#offsetMs === null ? null : this.#clock.now() + this.#offsetMs;
  }

  /** Asks anew. Throws what a call to the exchange throws. */
  async measure(signal: AbortSignal): Promise<number> {
    await this.#measuring.run(signal);
    return this.#clock.now() + (this.#offsetMs ?? 0);
  }

  /**
   * The exchange's time, asked for where it is not known, was measured more than ten minutes ago, or was contradicted by
   * a Date header since: one of the clocks was set.
   */
  async current(signal: AbortSignal): Promise<number> {
    const known = this.now();
    if (known !== null && this.#clock.now() < this.#nextAt) return known;
    try {
      return await this.measure(signal);
    } catch (error) {
      signal.throwIfAborted();
      if (known === null || this.#isDoubted) throw error;
      this.#nextAt = this.#clock.now() + RETRY_MS;
      this.#logger.warn(
        { exchange: this.#client.id, error: messageOf(error) },
        'exchange clock could not be read again',
      );
      return this.now() ?? known;
    }
  }

  /** Notes the Date header of an answer that came just now; null or what is no date says nothing. */
  noteDate(header: string | null): void {
    const dateMs = Date.parse(header ?? '');
    if (Number.isNaN(dateMs)) return;
    const offsetMs = dateMs - this.#clock.now();
    this.#dateOffsets = [offsetMs, ...this.#dateOffsets].slice(0, 2);
    if (this.#offsetMs === null) return;
    if (Math.abs(offsetMs - this.#offsetMs - this.#dateLagMs) <= DATE_TOLERANCE_MS) return;
    this.#isDoubted = true;
    this.#nextAt = 0;
  }

  async #measure(): Promise<void> {
    const offsetMs = this.#askTime === null ? this.#readDates() : await this.#confirm(this.#askTime);
    const lagMs = (this.#dateOffsets[0] ?? offsetMs) - offsetMs;
    this.#dateLagMs = Math.abs(lagMs) <= DATE_TOLERANCE_MS ? 0 : lagMs;
    this.#offsetMs = offsetMs;
    this.#isDoubted = false;
    const isSettled = this.#askTime !== null || this.#agreeOnDate();
    this.#nextAt = this.#clock.now() + (isSettled ? REFRESH_MS : 0);
    this.#logger.debug({ exchange: this.#client.id, offsetMs }, 'exchange clock read');
  }

  /** Asks until an answer is plausible or agrees with an earlier one. */
  async #confirm(askTime: NonNullable<ExchangeClockDeps['askTime']>): Promise<number> {
    const samples: number[] = [];
    while (samples.length < MOST_SAMPLES) {
      const offsetMs = await this.#ask(askTime);
      if (this.#isPlausible(offsetMs)) return offsetMs;
      const agreeing = samples.find((earlier) => Math.abs(earlier - offsetMs) <= JUMP_MS);
      if (agreeing !== undefined) {
        if (this.#offsetMs !== null && Math.abs(offsetMs - this.#offsetMs) > JUMP_MS) {
          const fields = { exchange: this.#client.id, beforeMs: this.#offsetMs, offsetMs };
          this.#logger.warn(fields, 'exchange clock and ours moved against each other');
        }
        return Math.min(agreeing, offsetMs);
      }
      samples.push(offsetMs);
    }
    const { id } = this.#client;
    const told = samples.map((offsetMs) => `${(offsetMs / 1_000).toFixed(1)} s`).join(', ');
    throw new ExchangeDataError(id, `${id} told times that contradict each other: ${told} ahead of ours`);
  }

  #isPlausible(offsetMs: number): boolean {
    if (this.#offsetMs === null || Math.abs(offsetMs - this.#offsetMs) > JUMP_MS) return false;
    const dateOffsetMs = this.#dateOffsets[0];
    return dateOffsetMs === undefined || Math.abs(offsetMs - dateOffsetMs) <= DATE_TOLERANCE_MS;
  }

  async #ask(askTime: NonNullable<ExchangeClockDeps['askTime']>): Promise<number> {
    let sentAt = this.#clock.now();
    const answer = await askTime(this.#client.closeSignal, () => {
      sentAt = this.#clock.now();
    });
    const answeredAt = this.#clock.now();
    const time = Number(answer);
    if (!Number.isSafeInteger(time) || time < EARLIEST_MS) {
      throw new ExchangeDataError(this.#client.id, `${this.#client.id} gave ${String(answer)} as its time`);
    }
    const wayBackMs = Math.min(LONGEST_WAY_BACK_MS, Math.max(0, Math.round((answeredAt - sentAt) / 2)));
    return time + wayBackMs - answeredAt;
  }

  /**
   * HTTP's Date is cut to seconds and was written before it came here, so it never runs ahead of the exchange; of two
   * that differ the earlier is taken, and a single one does not put the exchange ahead of us.
   */
  #readDates(): number {
    const [newest, older] = this.#dateOffsets;
    if (newest === undefined) return -UNKNOWN_MARGIN_MS;
    return Math.min(newest, older ?? 0);
  }

  #agreeOnDate(): boolean {
    const [newest, older] = this.#dateOffsets;
    return newest !== undefined && older !== undefined && Math.abs(newest - older) <= JUMP_MS;
  }
}
