import type { Clock } from '../../clock.ts';
import type { Exchange, RequestBlock } from '../../exchanges/exchange.ts';
import type { Logger } from '../../logger.ts';
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
  /** Called when a block was taken over. */
  readonly onAdopted: () => void;
}

const LOOK_EVERY_MS = 5_000;

/**
 * Keeps what an exchange told us to wait for in the database: noted as soon as it is told, looked up before the first
 * request and every five seconds. Binance bans an address, not a process, and for longer with each one that asks on.
 */
export class SharedBlocks {
  readonly #deps: SharedBlocksDeps;
  readonly #wakeup: Wakeup;
  #noted: RequestBlock | null = null;

  constructor(deps: SharedBlocksDeps) {
    this.#deps = deps;
    this.#wakeup = new Wakeup({ clock: deps.clock });
  }

  /** A request failed: perhaps the exchange said that we shall wait. */
  noteFailure(): void {
    this.#wakeup.wake();
  }

  /**
   * Notes what the exchange told us and takes over what it told others. Waits for the database.
   *
   * @throws the signal's reason.
   */
  async exchangeNews(signal: AbortSignal): Promise<void> {
    const { exchange, store, database, clock, logger, onAdopted } = this.#deps;
    const own = exchange.access().block;
    if (own !== null && !this.#isNoted(own)) {
      await database.run(() => store.note(exchange.id, own), signal);
      this.#noted = own;
      return;
    }
    const told = await database.run(() => store.find(exchange.id), signal);
    if (told === null || told.until <= Math.max(clock.now(), own?.until ?? 0)) return;
    exchange.adoptBlock(told);
    this.#noted = exchange.access().block;
    const { reason, message, until } = told;
    logger.warn(
      { exchange: exchange.id, reason, until: new Date(until).toISOString(), said: message },
      'the exchange told this address to wait; nothing is asked until then',
    );
    onAdopted();
  }

  /** Keeps both sides informed until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#wakeup.wait(LOOK_EVERY_MS, signal);
      try {
        await this.exchangeNews(signal);
      } catch (error) {
        if (isAborted(signal)) return;
        if (!(error instanceof RowsRefusedError)) throw error;
        this.#deps.logger.error({ err: error }, 'the database refused to note that an exchange told us to wait');
      }
    }
  }

  #isNoted({ until, reason }: RequestBlock): boolean {
    return this.#noted?.until === until && this.#noted.reason === reason;
  }
}

/** A function, because the answer may change while one waits. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
