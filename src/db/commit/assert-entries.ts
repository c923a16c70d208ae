import { AppError } from '../../errors.ts';
import type { CommitEntry } from '../../market/commit-entry.ts';
import type { CoverageRange } from '../../market/coverage.ts';
import { floorToTimeframe, isOnGrid, parseTimeframe, type Timeframe } from '../../market/timeframe.ts';
import { assertCoverage } from '../repositories/overlay-coverage.ts';
import { coverageKeyText } from '../repositories/coverage-rows.ts';

/**
 * Whoever commits has judged what the rows mean; here, before anything is written, that judgement must hold together:
 * each key once, what the ledger is told in order, disjoint and on the grid, and no row in a slot that is told to be
 * anything but `have`.
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
  const isOfCandles = key.metric === 'ohlcv';
  let at = 0;
  for (const row of rows) {
    if ('open' in row !== isOfCandles) throw invalid({ key }, 'its rows are of another kind');
    const slot = floorToTimeframe(row.timestamp, timeframe);
    // Mostly rows come oldest first: the range of one is that of the row before, or the next.
    if (!holds(changes[at], slot)) at = changes.findIndex((change) => holds(change, slot));
    if (changes[at]?.state !== 'have')
      throw invalid({ key }, `the ledger is not told that the row at ${text(row.timestamp)} is stored`);
  }
}

function holds(range: CoverageRange | undefined, slot: number): boolean {
  return range !== undefined && range.since <= slot && slot < range.until;
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
