import { SYSTEM_CLOCK, type Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Job } from './job.ts';
import { runAudit, type AuditDeps, type AuditReport } from './run-audit.ts';
import { DAY_MS } from '../market/moments.ts';
import type { AuditState } from '../market/service-state.ts';

export interface AuditCoverageDeps extends Pick<AuditDeps, 'stores' | 'onMissing'> {
  readonly cron: string;
  readonly logger: Logger;
  readonly clock?: Clock;
}

/** Every day is checked by several turns; older ones were then. */
const CROSS_CHECKED_MS = 8 * DAY_MS;
const LOGGED_EXAMPLES = 10;

/** Holds the ledger against the rows on a schedule, makes it true where it is not, and says so. */
export class AuditCoverage implements Job {
  readonly name = 'audit-coverage';
  readonly cron: string;
  readonly #deps: AuditCoverageDeps;
  readonly #clock: Clock;
  #snapshot: AuditState = {
    at: null,
    duration_ms: null,
    differences: null,
    repaired: null,
    deviations: null,
    last_error: null,
  };

  constructor(deps: AuditCoverageDeps) {
    this.cron = deps.cron;
    this.#deps = deps;
    this.#clock = deps.clock ?? SYSTEM_CLOCK;
  }

  snapshot(): AuditState {
    return this.#snapshot;
  }

  async run(signal: AbortSignal): Promise<void> {
    const crossCheckSince = this.#clock.now() - CROSS_CHECKED_MS;
    try {
      const report = await runAudit(
        { ...this.#deps, clock: this.#clock },
        { repairs: true, crossCheckSince, restRatio: 1 },
        signal,
      );
      this.#tell(report);
    } catch (error) {
      if (!signal.aborted) this.#snapshot = { ...this.#snapshot, last_error: messageOf(error) };
      throw error;
    }
  }

  #tell({ begun_at, duration_ms, series, slots, differences, repaired, by_kind, examples, cross_checks }: AuditReport) {
    const { logger } = this.#deps;
    const deviations =
      (cross_checks?.candle_sums.deviations ?? 0) +
      (cross_checks?.open_interest_value.deviations ?? 0) +
      (cross_checks?.repeated_candles.deviations ?? 0);
    this.#snapshot = { at: begun_at, duration_ms, differences, repaired, deviations, last_error: null };
    const fields = { series, slots, duration_ms, differences, repaired, deviations };
    if (differences > 0)
      logger.warn(
        { ...fields, by_kind, examples: examples.slice(0, LOGGED_EXAMPLES) },
        'the audit found the ledger different from the rows',
      );
    else logger.info(fields, 'the audit found the ledger true');
    if (deviations > 0)
      logger.warn(
        { deviations, examples: cross_checks?.examples.slice(0, LOGGED_EXAMPLES) },
        'the audit found values that contradict each other',
      );
  }
}
