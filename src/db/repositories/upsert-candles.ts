import { sql, type Kysely } from 'kysely';
import { AppError } from '../../errors.ts';
import type { Candle } from '../../market/candle.ts';
import { compareDecimals, type Decimal } from '../../market/decimal.ts';
import { seriesKey, type Series } from '../../market/instrument.ts';
import { timeframeMs } from '../../market/timeframe.ts';
import type { Database } from '../schema.ts';
import { toCandleArrays } from './candle-row.ts';

/** What a write did, in rows; a repetition inside the input counts as unchanged. */
export interface WriteCounts {
  readonly inserted: number;
  readonly updated: number;
  readonly unchanged: number;
}

/** A stored candle whose values were replaced. */
export interface CandleChange {
  readonly before: Candle;
  readonly after: Candle;
}

export interface CandleUpsert extends WriteCounts {
  /**
   * History that was rewritten, oldest first. Not in it, though counted as updated: a row that another writer stored
   * in the same moment with other values.
   */
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
 * read only: they are neither rewritten nor locked. Each batch commits by itself unless `kysely` is a transaction.
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
    for (const change of written.changes) changes.push(change);
  }
  return { inserted, updated, unchanged: candles.length - inserted - updated, changes };
}

interface BatchResult {
  inserted: number;
  updated: number;
  /** Opening time in milliseconds, then the values before and after. */
  replaced: [number, ...Decimal[]][] | null;
}

/** `batch` is sorted, without repetitions, and not empty. */
async function upsertBatch(kysely: Kysely<Database>, series: Series, batch: readonly Candle[]) {
  const [timestamps, opens, highs, lows, closes, volumes] = toCandleArrays(batch);
  const { exchange, symbol, timeframe } = series;
  const ofSeries = sql`exchange = ${exchange} and symbol = ${symbol} and timeframe = ${timeframe}`;
  const spanMs = (batch.at(-1)?.timestamp ?? 0) - (batch[0]?.timestamp ?? 0);
  const isDense = spanMs / timeframeMs(series.timeframe) < SPARSE * batch.length;
  // The comparison comes first because ON CONFLICT locks, and so logs, every row that it meets, changed or not. It is a
  // set operation, not a join: after a load the statistics still say that the span is empty, and the planner then
  // joins by comparing each row with each (seen: 20 times slower). Bounds in time let a hypertable leave chunks out.
  // ON CONFLICT has the last word where two writers meet; ordered by time they never wait for each other in a circle.
  const result = await sql<BatchResult>`
    with written as (
      insert into ohlcv_data as target (exchange, symbol, timeframe, timestamp, open, high, low, close, volume)
      select ${exchange}, ${symbol}, ${timeframe}, timestamp, open, high, low, close, volume
      from (
        select * from unnest(${timestamps}::timestamptz[], ${opens}::numeric[], ${highs}::numeric[],
          ${lows}::numeric[], ${closes}::numeric[], ${volumes}::numeric[])
          as incoming (timestamp, open, high, low, close, volume)
        except
        select timestamp, open, high, low, close, volume from ohlcv_data
        where ${ofSeries} and timestamp between ${toIso(batch[0])}::timestamptz and ${toIso(batch.at(-1))}::timestamptz
          ${isDense ? sql`` : sql`and timestamp = any (${timestamps}::timestamptz[])`}
      ) as differing order by timestamp
      on conflict (exchange, symbol, timeframe, timestamp) do update set
        open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close, volume = excluded.volume
      where (target.open, target.high, target.low, target.close, target.volume)
        is distinct from (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume)
      returning timestamp, open, high, low, close, volume, xmax = 0 as is_new
    )
    select (count(*) filter (where is_new))::int as inserted, (count(*) filter (where not is_new))::int as updated, (
        select json_agg(json_build_array((extract(epoch from timestamp) * 1000)::bigint,
          old.open::text, old.high::text, old.low::text, old.close::text, old.volume::text,
          new.open::text, new.high::text, new.low::text, new.close::text, new.volume::text) order by timestamp)
        from written as new cross join lateral (
          select open, high, low, close, volume from ohlcv_data
          where ${ofSeries} and ohlcv_data.timestamp = new.timestamp offset 0
        ) as old where not new.is_new
      ) as replaced
    from written`.execute(kysely);
  const row = result.rows[0] ?? { inserted: 0, updated: 0, replaced: null };
  return { ...row, changes: (row.replaced ?? []).map(toChange) };
}

function toChange([timestamp, ...values]: [number, ...Decimal[]]): CandleChange {
  const [open0, high0, low0, close0, volume0, open, high, low, close, volume] = values as TenDecimals;
  return {
    before: { timestamp, open: open0, high: high0, low: low0, close: close0, volume: volume0 },
    after: { timestamp, open, high, low, close, volume },
  };
}

type FiveDecimals = [Decimal, Decimal, Decimal, Decimal, Decimal];
type TenDecimals = [...FiveDecimals, ...FiveDecimals];

function toIso(candle: Candle | undefined): string {
  return new Date(candle?.timestamp ?? 0).toISOString();
}
