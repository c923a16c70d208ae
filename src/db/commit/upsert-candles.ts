import { sql, type Kysely } from 'kysely';
import { AppError } from '../../errors.ts';
import type { Candle, WriteCounts } from '../../market/candle.ts';
import { compareDecimals } from '../../market/decimal.ts';
import { seriesKey, type Series } from '../../market/instrument.ts';
import { timeframeMs } from '../../market/timeframe.ts';
import type { Database } from '../schema.ts';
import { toCandleArrays } from '../repositories/candle-row.ts';
import { writeCandles } from './write-candles.ts';
import type { CandleChange } from '../../market/commit-entry.ts';

export interface CandleUpsert extends WriteCounts {
  /** As `CommitOutcome.changes`, of this series. */
  readonly changes: readonly CandleChange[];
}

/** One parse of the statement per so many rows; more gain nothing. */
const BATCH_ROWS = 5000;

/** A batch that spans more than so many opening times per row is compared key by key, not by reading the span. */
const SPARSE = 4;

const VALUES = ['open', 'high', 'low', 'close', 'volume'] as const;

/**
 * Sorts by opening time and drops repetitions; `1.10` repeats `1.1`.
 *
 * @throws AppError `CANDLES_CONTRADICT` where two candles with one opening time differ.
 */
export function normalizeCandles(series: Series, candles: readonly Candle[]): readonly Candle[] {
  if (candles.every((candle, index) => index === 0 || (candles[index - 1]?.timestamp ?? 0) < candle.timestamp))
    return candles;
  const sorted = candles.toSorted((a, b) => a.timestamp - b.timestamp);
  return sorted.filter((candle, index) => {
    const previous = sorted[index - 1];
    if (previous?.timestamp !== candle.timestamp) return true;
    if (VALUES.some((column) => compareDecimals(previous[column], candle[column]) !== 0))
      throw new AppError(
        'CANDLES_CONTRADICT',
        `two candles of ${seriesKey(series)} open at ${new Date(candle.timestamp).toISOString()} and differ: nothing was written`,
      );
    return false;
  });
}

/**
 * Stores candles in batches of 5,000, oldest first, one statement each. Rows that are stored with equal values cost a
 * read only: they are neither rewritten nor locked.
 *
 * @throws AppError `CANDLES_CONTRADICT` before anything is written.
 */
export async function upsertCandles(
  kysely: Kysely<Database>,
  series: Series,
  candles: readonly Candle[],
): Promise<CandleUpsert> {
  const rows = normalizeCandles(series, candles);
  const changes: CandleChange[] = [];
  let inserted = 0;
  let updated = 0;
  for (let start = 0; start < rows.length; start += BATCH_ROWS) {
    const written = await upsertBatch(kysely, series, rows.slice(start, start + BATCH_ROWS));
    inserted += written.inserted;
    updated += written.updated;
    for (const { before, after } of written.changes) changes.push({ before, after });
  }
  return { inserted, updated, unchanged: candles.length - inserted - updated, changes };
}

/** `batch` is sorted, without repetitions, and not empty. */
async function upsertBatch(kysely: Kysely<Database>, series: Series, batch: readonly Candle[]) {
  const [timestamps, opens, highs, lows, closes, volumes] = toCandleArrays(batch);
  const { exchange, symbol, timeframe } = series;
  const bounds = { first: batch[0]?.timestamp ?? 0, last: batch.at(-1)?.timestamp ?? 0 };
  const isDense = (bounds.last - bounds.first) / timeframeMs(timeframe) < SPARSE * batch.length;
  // The comparison comes first because ON CONFLICT locks, and so logs, every row that it meets, changed or not. It is a
  // set operation, not a join: after a load the statistics still say that the span is empty, and the planner then
  // joins by comparing each row with each (seen: 20 times slower).
  const differing = sql`
    select ${exchange}::text as exchange, ${symbol}::text as symbol, ${timeframe}::text as timeframe, candles.*
    from (
      select * from unnest(${timestamps}::timestamptz[], ${opens}::numeric[], ${highs}::numeric[],
        ${lows}::numeric[], ${closes}::numeric[], ${volumes}::numeric[])
        as incoming (timestamp, open, high, low, close, volume)
      except
      select timestamp, open, high, low, close, volume from ohlcv_data
      where exchange = ${exchange} and symbol = ${symbol} and timeframe = ${timeframe}
        and timestamp between ${new Date(bounds.first)}::timestamptz and ${new Date(bounds.last)}::timestamptz
        ${isDense ? sql`` : sql`and timestamp = any (${timestamps}::timestamptz[])`}
    ) as candles`;
  return await writeCandles(kysely, differing, bounds);
}
