import type { Logger } from '../../logger.ts';
import {
  toSeriesCandles,
  type CommitEntry,
  type CommitOutcome,
  type SeriesCandles,
  type SeriesChange,
} from '../../market/commit-entry.ts';

/** What one answer, or one batch of the live stream, did. */
export interface AnswerTally {
  /** Rows: read, new, changed, refused. */
  readonly read: number;
  readonly stored: number;
  readonly revised: number;
  readonly quarantined: number;
  /** The candles among the rows read, by series; they are committed. */
  readonly candles: readonly SeriesCandles[];
}

/** What became of the rows of one answer that were committed. */
export function tallyAnswer(
  { key, rows, quarantine }: Omit<CommitEntry, 'changes'>,
  { inserted, updated }: CommitOutcome,
): AnswerTally {
  const counts = { read: rows.length, quarantined: quarantine.length };
  // An hour of futures data is filled by several calls: taking in another metric rewrites nothing.
  if (key.metric !== 'ohlcv') return { ...counts, stored: inserted + updated, revised: 0, candles: [] };
  const candles = toSeriesCandles({ key, rows });
  return { ...counts, stored: inserted, revised: updated, candles: candles ? [candles] : [] };
}

const LOGGED_CHANGES = 5;

/** Tells of candles that the exchange tells otherwise now, the first five of each series. */
export function logChanges(logger: Logger, changes: readonly SeriesChange[]): void {
  const bySeries = Map.groupBy(changes, ({ series: { exchange, symbol, timeframe } }) =>
    JSON.stringify([exchange, symbol, timeframe]),
  );
  for (const group of bySeries.values())
    for (const { series, before, after } of group.slice(0, LOGGED_CHANGES))
      logger.warn({ ...series, before, after, updated: group.length }, 'the exchange rewrote a closed candle');
}
