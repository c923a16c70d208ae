import { AppError } from '../../errors.ts';
import type { CommitEntry } from '../../market/commit-entry.ts';
import type { CoverageMetric } from '../../market/coverage.ts';
import { findIndexAfter } from '../../market/range-lists.ts';
import { isOnGrid, parseTimeframe, type Timeframe } from '../../market/timeframe.ts';
import { assertCoverage } from '../repositories/overlay-coverage.ts';
import { coverageKeyText } from '../repositories/coverage-rows.ts';

/**
 * Whoever commits has judged what the rows mean; here, before anything is written, that judgement must hold together:
 * each key once, what the ledger is told in order, disjoint and on the grid, and each row of the key's kind, on the grid
 * and in a slot that is told to be `have`.
 *
 * @throws AppError `COMMIT_INVALID` for a fault of the program; RangeError where a range is none.
 */
export function assertEntries(entries: readonly CommitEntry[]): void {
  const keys = new Set<string>();
  for (const entry of entries) {
    const name = coverageKeyText(entry.key);
    if (keys.has(name)) throw invalid(entry, 'the key is given twice');
    keys.add(name);
    const timeframe = parseTimeframe(entry.key.timeframe);
    assertCoverage(entry.changes);
    assertChanges(entry, timeframe);
    assertRows(entry, timeframe);
  }
}

function assertChanges(entry: CommitEntry, timeframe: Timeframe): void {
  let end = -Infinity;
  for (const { since, until } of entry.changes) {
    if (since < end) throw invalid(entry, `the ledger's range at ${text(since)} overlaps the one before it`);
    if (!isOnGrid(since, timeframe) || !isOnGrid(until, timeframe))
      throw invalid(entry, `the ledger's range from ${text(since)} to ${text(until)} is off the grid`);
    end = until;
  }
}

function assertRows({ key, rows, changes }: CommitEntry, timeframe: Timeframe): void {
  let told = changes[0];
  for (const row of rows) {
    if ('open' in row !== (key.metric === 'ohlcv')) throw invalid({ key }, 'its rows are of another kind');
    if (!holdsMetric(row, key.metric)) throw invalid({ key }, `the row at ${text(row.timestamp)} does not hold it`);
    const { timestamp } = row;
    if (!isOnGrid(timestamp, timeframe)) throw invalid({ key }, `the row at ${text(timestamp)} is off the grid`);
    // Mostly rows come oldest first, so that the range of one is that of the row before.
    if (!told || timestamp < told.since || timestamp >= told.until) told = changes[findIndexAfter(changes, timestamp)];
    if (told?.state !== 'have' || timestamp < told.since)
      throw invalid({ key }, `the ledger is not told that the row at ${text(timestamp)} is stored`);
  }
}

function holdsMetric(row: CommitEntry['rows'][number], metric: CoverageMetric): boolean {
  return metric === 'ohlcv' || (!('open' in row) && row[metric] !== undefined);
}

function invalid({ key }: Pick<CommitEntry, 'key'>, reason: string): AppError {
  const { exchange, symbol, timeframe, metric } = key;
  return new AppError(
    'COMMIT_INVALID',
    `what was to be stored of ${exchange} ${symbol} ${timeframe} ${metric} contradicts itself: ${reason}; nothing was written`,
  );
}

function text(timeMs: number): string {
  return Number.isFinite(timeMs) && Math.abs(timeMs) <= 8.64e15 ? new Date(timeMs).toISOString() : String(timeMs);
}
