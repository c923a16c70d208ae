import type { Clock } from '../clock.ts';
import type { AuditedKey, AuditedRange } from '../db/repositories/audit-repository.ts';
import type { CoverageKey, CoverageRange } from '../market/coverage.ts';
import { toIso } from '../market/moments.ts';
import type { TimeRange } from '../market/time-range.ts';
import { parseTimeframe, timeframeMs, type Timeframe } from '../market/timeframe.ts';
import {
  compareCoverage,
  DIFFERENCE_KINDS,
  planLedgerRepair,
  type CoverageDifference,
  type DifferenceKind,
} from './compare-coverage.ts';
import { CrossCheck, type CrossCheckReport, type CrossCheckStores } from './cross-check.ts';

/** What an audit needs of the repositories. */
export interface AuditStores extends CrossCheckStores {
  readonly audit: CrossCheckStores['audit'] & {
    listKeys(): Promise<readonly AuditedKey[]>;
    inspect(key: CoverageKey, range: TimeRange): Promise<AuditedRange | null>;
    repair(
      key: CoverageKey,
      range: TimeRange,
      decide: (part: AuditedRange) => readonly CoverageRange[],
    ): Promise<readonly CoverageRange[]>;
  };
}

export interface AuditDeps {
  readonly stores: AuditStores;
  readonly clock: Clock;
  /** Told what was noted as missing, after it was written: whoever collects the key may fetch it at once. */
  readonly onMissing?: (key: CoverageKey, ranges: readonly TimeRange[]) => void;
}

export interface AuditOptions {
  /** Whether the ledger is made true; otherwise nothing is written. */
  readonly repairs: boolean;
  /** From when on (epoch ms) values are checked against each other; null: not at all. */
  readonly crossCheckSince: number | null;
  /** Rests so many times as long as each look at the database took. */
  readonly restRatio: number;
  /** Which keys; all where it is left out. */
  readonly includes?: (key: CoverageKey) => boolean;
}

/** What an audit found; ready for JSON. */
export interface AuditReport {
  readonly begun_at: string;
  readonly duration_ms: number;
  /** Series and feeds, and their slots, that were looked at. */
  readonly series: number;
  readonly slots: number;
  /** Ranges in which ledger and rows differ, and how many of them were put right. */
  readonly differences: number;
  readonly repaired: number;
  /** Slots (of `row_off_grid` rows, of `key_invalid` keys) by kind; kinds without any are left out. */
  readonly by_kind: { readonly [K in DifferenceKind]?: number };
  /** The first hundred. */
  readonly examples: readonly DifferenceObject[];
  /** Values that contradict each other: told, never repaired. Null where they were not checked. */
  readonly cross_checks: CrossCheckReport | null;
}

interface DifferenceObject extends CoverageKey {
  readonly kind: DifferenceKind;
  readonly since: string;
  readonly until: string;
  readonly slots: number;
}

/** A look at so many slots takes a tenth of a second. */
const RANGE_SLOTS = 100_000;
const MAX_EXAMPLES = 100;
const LONGEST_REST_MS = 2_000;
const UNREPAIRABLE: readonly DifferenceKind[] = ['row_off_grid', 'key_invalid'];

/**
 * Recomputes the ledger from the rows, range by range, and tells every difference. No transaction is longer than
 * one range of one series.
 *
 * @throws whatever the database throws, and the signal's reason; what was repaired until then stays so.
 */
export async function runAudit(deps: AuditDeps, options: AuditOptions, signal: AbortSignal): Promise<AuditReport> {
  const { stores, clock } = deps;
  const begunAt = clock.now();
  const keys = (await stores.audit.listKeys()).filter(({ key }) => options.includes?.(key) ?? true);
  const tally = new Tally();
  for (const { key, since, until } of keys) {
    const timeframe = readTimeframe(key.timeframe);
    if (timeframe === null) {
      tally.add([{ key, kind: 'key_invalid', since, until, slots: 1 }]);
      continue;
    }
    const rangeMs = RANGE_SLOTS * timeframeMs(timeframe);
    for (let start = since; start < until; start += rangeMs) {
      signal.throwIfAborted();
      const askedAt = clock.now();
      const range = { since: start, until: Math.min(start + rangeMs, until) };
      const part = await stores.audit.inspect(key, range);
      if (part === null) continue;
      tally.slots += Math.round((part.range.until - part.range.since) / timeframeMs(timeframe));
      const differences = compareCoverage(part);
      tally.add(differences);
      if (options.repairs && differences.some(({ kind }) => !UNREPAIRABLE.includes(kind)))
        await repair(deps, part, tally);
      await rest(clock, (clock.now() - askedAt) * options.restRatio, signal);
    }
  }
  const crossChecks =
    options.crossCheckSince === null
      ? null
      : await new CrossCheck({ stores }).run(keys, options.crossCheckSince, signal);
  return {
    begun_at: toIso(begunAt),
    duration_ms: clock.now() - begunAt,
    series: keys.length,
    slots: tally.slots,
    differences: tally.differences,
    repaired: tally.repaired,
    by_kind: tally.kinds(),
    examples: tally.examples,
    cross_checks: crossChecks,
  };
}

/** The difference may have gone meanwhile: what counts is what is seen while nobody else writes. */
async function repair({ stores, onMissing }: AuditDeps, { key, range }: AuditedRange, tally: Tally): Promise<void> {
  let seen: readonly CoverageDifference[] = [];
  const changes = await stores.audit.repair(key, range, (part) => {
    seen = compareCoverage(part);
    return planLedgerRepair(part);
  });
  tally.repaired += seen.filter(({ kind }) => !UNREPAIRABLE.includes(kind)).length;
  const missing = changes.filter(({ state }) => state === 'missing');
  if (missing.length > 0) onMissing?.(key, missing);
}

async function rest(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 0) await clock.sleep(Math.min(ms, LONGEST_REST_MS), signal);
}

function readTimeframe(text: string): Timeframe | null {
  try {
    return parseTimeframe(text);
  } catch {
    return null;
  }
}

class Tally {
  slots = 0;
  differences = 0;
  repaired = 0;
  readonly examples: DifferenceObject[] = [];
  readonly #slotsByKind = new Map<DifferenceKind, number>();

  add(differences: readonly CoverageDifference[]): void {
    this.differences += differences.length;
    for (const { key, kind, since, until, slots } of differences) {
      this.#slotsByKind.set(kind, (this.#slotsByKind.get(kind) ?? 0) + slots);
      if (this.examples.length < MAX_EXAMPLES)
        this.examples.push({
          ...key,
          kind,
          since: toIso(since),
          until: toIso(until),
          slots,
        });
    }
  }

  kinds(): { [K in DifferenceKind]?: number } {
    return Object.fromEntries(
      DIFFERENCE_KINDS.flatMap((kind) => {
        const slots = this.#slotsByKind.get(kind);
        return slots === undefined ? [] : [[kind, slots]];
      }),
    );
  }
}
