import type { Clock } from '../../clock.ts';
import type { Exchange, RequestBlock } from '../../exchanges/exchange.ts';
import type { Logger } from '../../logger.ts';
import { isAborted } from '../../retry.ts';
import { RowsRefusedError, type DatabaseGate } from '../collector/database-gate.ts';
import { Wakeup } from '../../wakeup.ts';

/** Where blocks outlive a process, and others on our address learn of them. */
export interface BlockStore {
  /** The last block of an exchange that was noted for our address, or null; it may have ended. */
  find(exchange: string): Promise<RequestBlock | null>;
  note(exchange: string, block: RequestBlock): Promise<void>;
}

/** For a process that keeps them to itself. */
export const NO_BLOCKS: BlockStore = {
  find: () => Promise.resolve(null),
  note: () => Promise.resolve(),
};

export interface SharedBlocksDeps {
  readonly exchange: Exchange;
  readonly store: BlockStore;
  readonly database: DatabaseGate;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether requests are under way. */
  readonly isAsking: () => boolean;
  /** Called after each look: who waited for it may go on, or has to wait for the block that was found. */
  readonly onLooked: () => void;
}

/** Nothing is sent on what was looked up longer ago. */
const FRESH_MS = 5_000;

/**
 * Keeps what an exchange told us to wait for in the database: noted as soon as it is told, looked up before a request
 * that follows the last look by five seconds or more, and every five seconds while requests are under way. Where nothing
 * is sent nobody looks. Binance bans an address, not a process, and for longer with each one that asks on.
 */
export class SharedBlocks {
  readonly #deps: SharedBlocksDeps;
  readonly #wakeup: Wakeup;
  #noted: RequestBlock | null = null;
  /** By our clock. */
  #lookedAt = -Infinity;
  #isWanted = false;
  #isLooking = false;
  /** Whether the loop sleeps until it is woken, as nothing is under way. */
  #isAsleep = false;

  constructor(deps: SharedBlocksDeps) {
    this.#deps = deps;
    this.#wakeup = new Wakeup({ clock: deps.clock });
  }

  /** A request failed: perhaps the exchange said that we shall wait. */
  noteFailure(): void {
    this.#want();
  }

  /**
   * To be asked before each request: whether what others were told is known well enough to send it. Where it is not, it is
   * looked up, and `onLooked` called.
   */
  isFresh(): boolean {
    if (this.#isStale()) {
      if (!this.#isLooking) this.#want();
      return false;
    }
    if (this.#isAsleep) this.#wakeup.wake();
    return true;
  }

  /**
   * Notes what the exchange told us and takes over what it told others. Waits for the database.
   *
   * @throws the signal's reason.
   */
  async exchangeNews(signal: AbortSignal): Promise<void> {
    const { exchange, store, database, clock, logger } = this.#deps;
    const own = exchange.access().block;
    if (own !== null && !this.#isNoted(own)) {
      await database.run(() => store.note(exchange.id, own), signal);
      this.#noted = own;
      return;
    }
    const told = await database.run(() => store.find(exchange.id), signal);
    this.#lookedAt = clock.now();
    if (told === null || told.until <= Math.max(clock.now(), own?.until ?? 0)) return;
    exchange.adoptBlock(told);
    this.#noted = exchange.access().block;
    const { reason, message, until } = told;
    logger.warn(
      { exchange: exchange.id, reason, until: new Date(until).toISOString(), said: message },
      'the exchange told this address to wait; nothing is asked until then',
    );
  }

  /** Keeps both sides informed until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, isAsking, logger, onLooked } = this.#deps;
    while (!signal.aborted) {
      this.#isAsleep = !isAsking();
      const waitMs = this.#isAsleep ? Infinity : this.#lookedAt + FRESH_MS - clock.now();
      if (!this.#isWanted) await this.#wakeup.wait(waitMs, signal);
      this.#isAsleep = false;
      if (!this.#isWanted && !(isAsking() && this.#isStale())) continue;
      this.#isWanted = false;
      this.#isLooking = true;
      try {
        await this.exchangeNews(signal);
      } catch (error) {
        if (isAborted(signal)) return;
        if (!(error instanceof RowsRefusedError)) throw error;
        this.#lookedAt = clock.now();
        logger.error({ err: error }, 'the database refused to note that an exchange told us to wait');
      } finally {
        this.#isLooking = false;
      }
      onLooked();
    }
  }

  #want(): void {
    this.#isWanted = true;
    this.#wakeup.wake();
  }

  #isStale(): boolean {
    return this.#deps.clock.now() - this.#lookedAt >= FRESH_MS;
  }

  #isNoted({ until, reason }: RequestBlock): boolean {
    return this.#noted?.until === until && this.#noted.reason === reason;
  }
}
