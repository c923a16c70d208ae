import type { Logger } from '../logger.ts';
import type { TimeRange } from '../market/time-range.ts';

export interface BelievedStretchesDeps {
  readonly fields: Readonly<Record<string, string>>;
  readonly stepMs: number;
  readonly logger: Logger;
}

/** Real gaps are minutes long: an hour of them is worth a line. */
const LONG_SLOTS = 60;

/** The stretches of one source that a second answer confirmed as empty, since the start: long ones are logged. */
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
        'two answers of the exchange hold nothing of a long stretch; it counts as empty',
      );
    }
  }
}
