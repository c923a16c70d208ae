import { AppError } from '../../errors.ts';
import type { CoverageKey, CoverageRange } from '../../market/coverage.ts';
import { isOnGrid, parseTimeframe } from '../../market/timeframe.ts';
import { assertCoverage } from './overlay-coverage.ts';

/**
 * What the ledger is told of a key: ranges in order, disjoint, and on the key's grid.
 *
 * @throws AppError `COMMIT_INVALID` for a fault of the program; RangeError where a range, or the key's timeframe, is none.
 */
export function assertChanges(key: CoverageKey, changes: readonly CoverageRange[]): void {
  const timeframe = parseTimeframe(key.timeframe);
  assertCoverage(changes);
  let end = -Infinity;
  for (const { since, until } of changes) {
    if (since < end) throw invalidCommit(key, `the ledger's range at ${timeText(since)} overlaps the one before it`);
    if (!isOnGrid(since, timeframe) || !isOnGrid(until, timeframe))
      throw invalidCommit(key, `the ledger's range from ${timeText(since)} to ${timeText(until)} is off the grid`);
    end = until;
  }
}

/** What is thrown where that which is to be stored of a key cannot be. */
export function invalidCommit({ exchange, symbol, timeframe, metric }: CoverageKey, reason: string): AppError {
  return new AppError(
    'COMMIT_INVALID',
    `what was to be stored of ${exchange} ${symbol} ${timeframe} ${metric} contradicts itself: ${reason}; nothing was written`,
  );
}

/** A moment in ISO 8601, or the number where it is none. */
export function timeText(timeMs: number): string {
  return Number.isFinite(timeMs) && Math.abs(timeMs) <= 8.64e15 ? new Date(timeMs).toISOString() : String(timeMs);
}
