import type { Kysely } from 'kysely';
import { sqlStateOf } from '../../errors.ts';
import {
  toSeriesCandles,
  type CommitEntry,
  type CommitOutcome,
  type SeriesCandles,
} from '../../market/commit-entry.ts';
import type { Database } from '../schema.ts';
import { QuarantineRepository } from '../repositories/quarantine-repository.ts';
import { assertEntries } from './assert-entries.ts';
import { copyIntoEmptySpan } from './copy-candles.ts';
import { recordLedger } from './record-ledger.ts';
import { upsertCandles } from './upsert-candles.ts';
import { upsertLiveCandles } from './upsert-live-candles.ts';
import { upsertSnapshots } from './upsert-snapshots.ts';

const UNIQUE_VIOLATION = '23505';
/** From so many candles of one series on it is worth looking whether their time is still empty. */
const COPY_ROWS = 5_000;
const NOTHING: CommitOutcome = { inserted: 0, updated: 0, unchanged: 0, changes: [] };

/**
 * The one door through which candles and futures data are written: the rows, what they mean for the ledger, what was
 * refused, and the log of candles that were rewritten are one transaction, so that no end of the process leaves one
 * without the others.
 *
 * How candles are written follows from what comes: one statement over all series where there are several (the live
 * stream), one for each 5,000 candles of one series (a page of an answer), and COPY where more than that of one series
 * fall into a time that holds none yet (a file). Rows that are stored with equal values are neither rewritten nor locked.
 *
 * @throws AppError `COMMIT_INVALID`, `CANDLES_CONTRADICT` or `SNAPSHOTS_CONTRADICT` before anything is written; what
 * the database answers. Nothing of the entries is stored then.
 */
export async function commitEntries(kysely: Kysely<Database>, entries: readonly CommitEntry[]): Promise<CommitOutcome> {
  assertEntries(entries);
  const told = entries
    .filter(({ rows, changes, quarantine }) => rows.length + changes.length + quarantine.length > 0)
    .toSorted(compareKeys);
  if (told.length === 0) return NOTHING;
  const write = (mayCopy: boolean) =>
    kysely.transaction().execute((transaction) => writeEntries(transaction, told, mayCopy));
  try {
    return await write(true);
  } catch (error) {
    // Another writer filled the span after the look at it: compare with what it stored.
    if (sqlStateOf(error) !== UNIQUE_VIOLATION) throw error;
    return await write(false);
  }
}

/** In one order, so that two commits never wait for each other in a circle; `writeCandles` sorts rows the same way. */
function compareKeys({ key: a }: CommitEntry, { key: b }: CommitEntry): number {
  for (const part of ['exchange', 'symbol', 'timeframe', 'metric'] as const)
    if (a[part] !== b[part]) return a[part] < b[part] ? -1 : 1;
  return 0;
}

/** Rows first, then the ledger: see `lockCoverage`. */
async function writeEntries(transaction: Kysely<Database>, entries: readonly CommitEntry[], mayCopy: boolean) {
  const series = entries.map(toSeriesCandles).filter((each) => each !== null);
  const outcomes: CommitOutcome[] = [await writeCandleRows(transaction, series, mayCopy)];
  for (const { key, rows } of entries)
    if (key.metric !== 'ohlcv' && rows.length > 0) {
      const counts = await upsertSnapshots(transaction, key.exchange, key.symbol, rows);
      outcomes.push({ ...counts, changes: [] });
    }
  await recordLedger(transaction, entries);
  await new QuarantineRepository({ kysely: transaction }).add(entries.flatMap(({ quarantine }) => quarantine));
  return outcomes.reduce((sum, one) => ({
    inserted: sum.inserted + one.inserted,
    updated: sum.updated + one.updated,
    unchanged: sum.unchanged + one.unchanged,
    changes: [...sum.changes, ...one.changes],
  }));
}

async function writeCandleRows(
  transaction: Kysely<Database>,
  series: readonly SeriesCandles[],
  mayCopy: boolean,
): Promise<CommitOutcome> {
  const [first, ...others] = series;
  if (!first) return NOTHING;
  if (others.length > 0) return await upsertLiveCandles(transaction, series);
  if (mayCopy && first.candles.length > COPY_ROWS) {
    const copied = await copyIntoEmptySpan(transaction, first);
    if (copied) return { ...copied, changes: [] };
  }
  const { changes, ...counts } = await upsertCandles(transaction, first.series, first.candles);
  return { ...counts, changes: changes.map((change) => ({ series: first.series, ...change })) };
}
