import type { Logger } from '../../logger.ts';
import type { TimeRange } from '../../market/time-range.ts';
import { LONG_SLOTS } from './unsettled-range.ts';

export interface ConfirmedEmptyLogDeps {
  readonly fields: Readonly<Record<string, string>>;
  readonly stepMs: number;
  readonly logger: Logger;
}

/** The ranges of one source that were confirmed as empty, since the start: long ones are logged. */
export class ConfirmedEmptyLog {
  readonly #deps: ConfirmedEmptyLogDeps;
  #slots = 0;

  constructor(deps: ConfirmedEmptyLogDeps) {
    this.#deps = deps;
  }

  note(parts: readonly TimeRange[]): void {
    const { fields, stepMs, logger } = this.#deps;
    for (const { since, until } of parts) {
      const slots = (until - since) / stepMs;
      if (slots < LONG_SLOTS) continue;
      this.#slots += slots;
      const told = { since: new Date(since).toISOString(), until: new Date(until).toISOString(), slots };
      logger.warn(
        { ...fields, ...told, empty_slots: this.#slots },
        'the answers of the exchange hold nothing of a long stretch; it counts as empty',
      );
    }
  }
}
