import type { Logger } from '../../logger.ts';
import type { TimeRange } from '../../market/time-range.ts';
import { LONG_SLOTS } from './stretch.ts';

export interface BelievedStretchesDeps {
  readonly fields: Readonly<Record<string, string>>;
  readonly stepMs: number;
  readonly logger: Logger;
}

/** The stretches of one source that were confirmed as empty, since the start: long ones are logged. */
export class BelievedStretches {
  readonly #deps: BelievedStretchesDeps;
  #slots = 0;

  constructor(deps: BelievedStretchesDeps) {
    this.#deps = deps;
  }

  note(stretches: readonly TimeRange[]): void {
    const { fields, stepMs, logger } = this.#deps;
    for (const { since, until } of stretches) {
      const slots = (until - since) / stepMs;
      if (slots < LONG_SLOTS) continue;
      this.#slots += slots;
      const told = { since: new Date(since).toISOString(), until: new Date(until).toISOString(), slots };
      logger.warn(
        { ...fields, ...told, believed_slots: this.#slots },
        'the answers of the exchange hold nothing of a long stretch; it counts as empty',
      );
    }
  }
}
