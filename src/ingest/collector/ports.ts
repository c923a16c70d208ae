import type { CommitEntry, CommitOutcome } from '../../market/commit-entry.ts';
import type { CoverageKey, CoverageRange } from '../../market/coverage.ts';
import type { TimeRange } from '../../market/time-range.ts';

/** The completeness ledger, to read. */
export interface CoverageStore {
  /**
   * What the ledger says of `range`, oldest first, clipped to it and without a break: what it was silent on has become
   * `have` or `missing` by the rows that are stored. From `missingUntil` (default: the end) on it stays silent of slots
   * without a row.
   */
  survey(key: CoverageKey, range: TimeRange, missingUntil?: number): Promise<CoverageRange[]>;
  /** What the ledger calls missing inside `range`, oldest first, clipped to it. */
  listMissing(key: CoverageKey, range: TimeRange): Promise<CoverageRange[]>;
  /** The opening times of the newest stored slot before `range` and of the oldest one behind it; null where there is none. */
  findFrame(
    key: CoverageKey,
    range: TimeRange,
  ): Promise<{ readonly before: number | null; readonly after: number | null }>;
  /** What the ledger says of `range`, oldest first, clipped to it. */
  list(key: CoverageKey, range: TimeRange): Promise<CoverageRange[]>;
}

/** What the ingest needs of the database; the repositories fit. */
export interface IngestStores {
  readonly coverage: CoverageStore;
  /** Commits rows, ledger, quarantine and the log of rewritten candles of all entries together, or nothing. */
  commit(entries: readonly CommitEntry[]): Promise<CommitOutcome>;
}
