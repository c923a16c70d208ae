import type { Clock } from '../../clock.ts';
import type { Logger } from '../../logger.ts';
import type { Collector } from '../collector/collector.ts';
import { RowsRefusedError } from '../collector/database-gate.ts';

export interface UnansweredTailsDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether the exchange as a whole does not answer, or must not be asked now. */
  readonly isAway: () => boolean;
  /** The collectors of the moment. */
  readonly collectors: () => Iterable<Collector>;
}

const EVERY_MS = 30_000;

/**
 * Tells the ledger of what ended while nobody answered, so that an outage shows there and not only in the log. One small
 * write per series at most, one after the other; none for a series that the live stream or REST keeps current.
 */
export class UnansweredTails {
  readonly #deps: UnansweredTailsDeps;

  constructor(deps: UnansweredTailsDeps) {
    this.#deps = deps;
  }

  /** Works until the signal aborts; rejects with its reason then, or with a programming error. */
  async run(signal: AbortSignal): Promise<never> {
    const { clock, isAway, collectors } = this.#deps;
    for (;;) {
      await clock.sleep(EVERY_MS, signal);
      for (const collector of collectors()) if (isAway() || collector.failures > 0) await this.#tell(collector, signal);
    }
  }

  async #tell(collector: Collector, signal: AbortSignal): Promise<void> {
    try {
      await collector.recordUnanswered(signal);
    } catch (error) {
      if (!(error instanceof RowsRefusedError)) throw error;
      const { fields } = collector.source;
      this.#deps.logger.error({ ...fields, err: error }, 'the database refused to note what is missing');
    }
  }
}
