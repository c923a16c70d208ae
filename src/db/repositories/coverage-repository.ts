import type { Kysely } from 'kysely';
import type { CoverageKey, CoverageRange } from '../../market/coverage.ts';
import { subtractLists } from '../../market/range-lists.ts';
import type { TimeRange } from '../../market/time-range.ts';
import { ceilToTimeframe, parseTimeframe } from '../../market/timeframe.ts';
import type { Database } from '../schema.ts';
import { assertChanges } from './assert-changes.ts';
import {
  findFrame,
  inTransaction,
  lockCoverage,
  readAll,
  readMissing,
  readTouching,
  recordRanges,
} from './coverage-rows.ts';
import {
  listCoverageRanges,
  summarizeCoverage,
  type CoverageFilter,
  type CoveragePage,
  type CoverageSummary,
  type StoredCoverage,
} from './list-coverage.ts';
import { clipCoverage } from './overlay-coverage.ts';
import { surveyRows } from './survey-rows.ts';

/**
 * coverage: what is known of each range of each series and metric. Ranges of one key never overlap; who changes a key
 * holds its lock until the transaction ends. In a transaction write rows first, then the ledger, each key once.
 */
export class CoverageRepository {
  readonly #kysely: Kysely<Database>;

  constructor({ kysely }: { readonly kysely: Kysely<Database> }) {
    this.#kysely = kysely;
  }

  /** What the ledger says of the key (clipped to `range`), oldest first. Where it is silent nothing is listed. */
  async list(key: CoverageKey, range?: TimeRange): Promise<CoverageRange[]> {
    if (!range) return await readAll(this.#kysely, key);
    const touching = await readTouching(this.#kysely, key, range);
    return touching.map((stored) => clipCoverage(stored, range)).filter((part) => part !== null);
  }

  /** What the ledger calls missing inside `range`, oldest first, clipped to it. Reads no more than that. */
  async listMissing(key: CoverageKey, range: TimeRange): Promise<CoverageRange[]> {
    const missing = await readMissing(this.#kysely, key, range);
    return missing.map((stored) => clipCoverage(stored, range)).filter((part) => part !== null);
  }

  /** The opening times of the newest stored slot before `range` and of the oldest one behind it; null where there is none. */
  findFrame(
    key: CoverageKey,
    range: TimeRange,
  ): Promise<{ readonly before: number | null; readonly after: number | null }> {
    return findFrame(this.#kysely, key, range);
  }

  /**
   * Lays `changes` (oldest first, disjoint, on the key's grid) over what is stored: they win where they overlap it;
   * neighbours of one state and reason are joined (see `overlayCoverage`). In the transaction that the bundle is in, else
   * in its own.
   *
   * @throws AppError `COMMIT_INVALID` or RangeError, before anything is written, where `changes` is not that.
   */
  async record(key: CoverageKey, changes: readonly CoverageRange[]): Promise<void> {
    assertChanges(key, changes);
    if (changes.length === 0) return;
    await inTransaction(this.#kysely, async (transaction) => {
      await lockCoverage(transaction, [key]);
      await recordRanges(transaction, key, changes);
    });
  }

  /**
   * Has the rows speak for the parts of `range` that the ledger is silent on, slot by slot: `have` or `missing`. From
   * `missingUntil` on it stays silent of slots without a row.
   *
   * @returns what the ledger says of the range then, oldest first.
   */
  async survey(key: CoverageKey, range: TimeRange, missingUntil = Infinity): Promise<CoverageRange[]> {
    const silentFrom = Number.isFinite(missingUntil)
      ? ceilToTimeframe(missingUntil, parseTimeframe(key.timeframe))
      : missingUntil;
    return await inTransaction(this.#kysely, async (transaction) => {
      const ledger = new CoverageRepository({ kysely: transaction });
      await lockCoverage(transaction, [key]);
      const known = await ledger.list(key, range);
      const found: CoverageRange[] = [];
      // One by one: years with holes bring more ranges than a call has room for arguments.
      for (const silent of subtractLists([range], known))
        for (const part of await surveyRows(transaction, key, silent)) {
          const until = part.state === 'missing' ? Math.min(part.until, silentFrom) : part.until;
          if (part.since < until) found.push({ ...part, until });
        }
      if (found.length === 0) return known;
      await ledger.record(key, found);
      return await ledger.list(key, range);
    });
  }

  /** How many slots of each key are in which state, ordered by key. Reads all ranges that the filter leaves. */
  summarize(filter: Partial<CoverageKey> = {}): Promise<CoverageSummary[]> {
    return summarizeCoverage(this.#kysely, filter);
  }

  /**
   * A page of ranges, ordered by key and time, those of `filter.range` clipped to it; `next` is what the next page takes
   * as `after`, null after the last one.
   *
   * @throws AppError `CURSOR_INVALID` where `after` is none.
   */
  listRanges(
    filter: CoverageFilter,
    page: { readonly limit: number; readonly after?: string | undefined },
  ): Promise<CoveragePage> {
    return listCoverageRanges(this.#kysely, filter, page);
  }
}

export type { CoverageFilter, CoveragePage, CoverageSummary, StoredCoverage };
