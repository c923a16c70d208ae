import { findCandleFault } from '../../market/candle.ts';
import type { CommitEntry } from '../../market/commit-entry.ts';
import { isDecimal } from '../../market/decimal.ts';
import {
  FEED_METRICS,
  FUTURES_METRICS,
  FUTURES_SLOT_MS,
  type FuturesFeed,
  type FuturesSnapshot,
} from '../../market/futures-snapshot.ts';
import { findIndexAfter } from '../../market/range-lists.ts';
import { isOnGrid, parseTimeframe, timeframeMs, type Timeframe } from '../../market/timeframe.ts';
import { assertChanges, invalidCommit, timeText } from '../repositories/assert-changes.ts';
import { coverageKeyText } from '../repositories/coverage-rows.ts';

/**
 * Whoever commits has judged what the rows mean; here, before anything is written, that judgement must hold together:
 * each key once, what the ledger is told in order, disjoint and on the grid, each row of the key's kind, on the grid, in
 * a slot that is told to be `have` and with values that can be some, and what was refused of the key's series.
 *
 * @throws AppError `COMMIT_INVALID` for a fault of the program; RangeError where a range is none.
 */
export function assertEntries(entries: readonly CommitEntry[]): void {
  const keys = new Set<string>();
  for (const entry of entries) {
    const { key } = entry;
    const name = coverageKeyText(key);
    if (keys.has(name)) throw invalidCommit(key, 'the key is given twice');
    keys.add(name);
    const timeframe = parseTimeframe(key.timeframe);
    if (key.metric !== 'ohlcv' && timeframeMs(timeframe) !== FUTURES_SLOT_MS)
      throw invalidCommit(key, 'futures data is kept per hour');
    assertChanges(key, entry.changes);
    assertRows(entry, timeframe);
    assertQuarantine(entry);
  }
}

function assertRows({ key, rows, changes }: CommitEntry, timeframe: Timeframe): void {
  let told = changes[0];
  for (const row of rows) {
    if ('open' in row !== (key.metric === 'ohlcv')) throw invalidCommit(key, 'its rows are of another kind');
    const { timestamp } = row;
    if (!isOnGrid(timestamp, timeframe)) throw invalidCommit(key, `the row at ${timeText(timestamp)} is off the grid`);
    const fault = findFault(row, key.metric, timeframe);
    if (fault !== null) throw invalidCommit(key, `the row at ${timeText(timestamp)} ${fault}`);
    // Mostly rows come oldest first, so that the range of one is that of the row before.
    if (!told || timestamp < told.since || timestamp >= told.until) told = changes[findIndexAfter(changes, timestamp)];
    if (told?.state !== 'have' || timestamp < told.since)
      throw invalidCommit(key, `the ledger is not told that the row at ${timeText(timestamp)} is stored`);
  }
}

/** What is wrong with a row of the key's kind, whatever the time is now: the exchange's clock is known where it is read. */
function findFault(
  row: CommitEntry['rows'][number],
  metric: CommitEntry['key']['metric'],
  timeframe: Timeframe,
): string | null {
  if ('open' in row) {
    const fault = findCandleFault(row, timeframe, Infinity);
    return fault === null ? null : `is no candle: ${fault}`;
  }
  return metric === 'ohlcv' ? null : findSnapshotFault(row, metric);
}

function findSnapshotFault(row: FuturesSnapshot, feed: FuturesFeed): string | null {
  if (row[feed] === undefined) return 'does not hold it';
  for (const metric of FUTURES_METRICS) {
    const value = row[metric];
    if (value === undefined) continue;
    if (!FEED_METRICS[feed].includes(metric)) return `holds ${metric}, of which the key does not speak`;
    if (!isDecimal(value)) return `holds a ${metric} that is not a decimal number`;
    if (metric !== 'funding_rate' && value.startsWith('-')) return `holds a ${metric} that is negative`;
  }
  return null;
}

/** A refused row may belong to no grid. */
function assertQuarantine({ key, quarantine }: CommitEntry): void {
  for (const { exchange, symbol, timeframe, metric } of quarantine)
    if (
      exchange !== key.exchange ||
      symbol !== key.symbol ||
      metric !== key.metric ||
      (timeframe !== null && timeframe !== key.timeframe)
    )
      throw invalidCommit(key, `a refused row is of ${exchange} ${symbol} ${timeframe ?? 'no grid'} ${metric}`);
}
