import { SYSTEM_CLOCK, type Clock } from '../../clock.ts';
import type { CoverageSummary } from '../../db/repositories/coverage-repository.ts';
import { messageOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { COVERAGE_STATES, type CoverageState } from '../../market/coverage.ts';
import { toIso } from '../../market/moments.ts';
import type { SlotCounts } from './health-schema.ts';

/** All series of one exchange, timeframe and metric. */
export interface SlotGroup {
  readonly exchange: string;
  readonly timeframe: string;
  readonly metric: string;
  readonly slots: SlotCounts;
}

/** What the ledger, the quarantine and the log of rewrites held when they were last counted. */
export interface LedgerSnapshot {
  /** ISO 8601; null before the first time, and then so is the rest. */
  readonly as_of: string | null;
  readonly slots: SlotCounts | null;
  readonly groups: readonly SlotGroup[];
  readonly quarantine: number | null;
  readonly revisions: number | null;
  /** Why the latest attempt failed; null where it did not. */
  readonly last_error: string | null;
}

export interface LedgerTotalsDeps {
  readonly coverage: { summarize(): Promise<readonly CoverageSummary[]> };
  readonly quarantine: { count(): Promise<number> };
  readonly candleRewrites: { count(): Promise<number> };
  /** Whether the database may be asked now. */
  readonly isReady: () => boolean;
  readonly logger: Logger;
  readonly clock?: Pick<Clock, 'now'>;
}

const MAX_AGE_MS = 30_000;
/** Counting takes at most a twentieth of the time. */
const REST_RATIO = 20;

/**
 * Counts for /health and /metrics, from memory: who asks never waits for the database. Asking starts a count where the
 * last one is older than 30 s.
 */
export class LedgerTotals {
  readonly #deps: LedgerTotalsDeps;
  readonly #clock: Pick<Clock, 'now'>;
  #counting: Promise<void> | null = null;
  #nextAt = -Infinity;
  #snapshot: LedgerSnapshot = {
    as_of: null,
    slots: null,
    groups: [],
    quarantine: null,
    revisions: null,
    last_error: null,
  };

  constructor(deps: LedgerTotalsDeps) {
    this.#deps = deps;
    this.#clock = deps.clock ?? SYSTEM_CLOCK;
  }

  snapshot(): LedgerSnapshot {
    if (this.#counting === null && this.#clock.now() >= this.#nextAt && this.#deps.isReady()) void this.count();
    return this.#snapshot;
  }

  /** Counts now, or waits for the count that is going. Never rejects: a failure is told in the snapshot. */
  count(): Promise<void> {
    this.#counting ??= this.#count().finally(() => (this.#counting = null));
    return this.#counting;
  }

  async #count(): Promise<void> {
    const { coverage, quarantine, candleRewrites, logger } = this.#deps;
    const begunAt = this.#clock.now();
    try {
      const summaries = await coverage.summarize();
      this.#snapshot = {
        as_of: toIso(begunAt),
        slots: addSlots(summaries.map(({ slots }) => slots)),
        groups: groupSlots(summaries),
        quarantine: await quarantine.count(),
        revisions: await candleRewrites.count(),
        last_error: null,
      };
    } catch (error) {
      logger.debug({ err: error }, 'the ledger could not be summed up');
      this.#snapshot = { ...this.#snapshot, last_error: messageOf(error) };
    }
    const now = this.#clock.now();
    this.#nextAt = now + Math.max(MAX_AGE_MS, (now - begunAt) * REST_RATIO);
  }
}

/** The sum, state by state. */
export function addSlots(counts: readonly SlotCounts[]): SlotCounts {
  return Object.fromEntries(
    COVERAGE_STATES.map((state) => [state, counts.reduce((total, slots) => total + slots[state], 0)]),
  ) as Record<CoverageState, number>;
}

function groupSlots(summaries: readonly CoverageSummary[]): SlotGroup[] {
  const groups = Map.groupBy(summaries, ({ key }) => [key.exchange, key.timeframe, key.metric].join('\t'));
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (!first) return [];
    const { exchange, timeframe, metric } = first.key;
    return [{ exchange, timeframe, metric, slots: addSlots(group.map(({ slots }) => slots)) }];
  });
}
