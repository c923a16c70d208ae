import { sql, type Kysely } from 'kysely';
import { sqlStateOf } from '../../errors.ts';
import type { Candle, WriteCounts } from '../../market/candle.ts';
import type { Series } from '../../market/instrument.ts';
import { mergeRanges } from '../../market/time-range.ts';
import { isOnGrid, timeframeMs } from '../../market/timeframe.ts';
import type { Database } from '../schema.ts';
import { toCopyFields } from './candle-row.ts';
import { copyFrom, escapeCopyText } from './copy-stream.ts';
import { CoverageRepository } from './coverage-repository.ts';
import { haveRange } from './overlay-coverage.ts';
import { normalizeCandles, upsertCandles } from './upsert-candles.ts';

/** Rows that one transaction writes: what a crash takes back, and what is held in memory twice. */
const STEP_ROWS = 20_000;
/** Rows per piece of text that goes down the wire. */
const CHUNK_ROWS = 500;

const UNIQUE_VIOLATION = '23505';
const COPY_STATEMENT =
  'copy ohlcv_data (exchange, symbol, timeframe, timestamp, open, high, low, close, volume) from stdin';

/**
 * Stores any number of candles of one series, in steps of 20,000, each all or nothing. A step whose time span is still
 * empty goes straight into the table by COPY; otherwise it is compared and only the differences are written. The next
 * step is gathered while one is being written; no more than these two are in memory.
 *
 * Each step tells the coverage ledger, in its own transaction, which slots are stored now.
 *
 * Fastest where the batches come oldest first; any order gives the same rows. Where batches contradict each other the
 * later one stays.
 *
 * @throws AppError `CANDLES_CONTRADICT` where one step has different candles for one opening time, and whatever
 * `batches` throws. Steps before it stay written: run it again.
 */
export async function loadCandles(
  kysely: Kysely<Database>,
  series: Series,
  batches: AsyncIterable<readonly Candle[]> | Iterable<readonly Candle[]>,
): Promise<WriteCounts> {
  const total = { inserted: 0, updated: 0, unchanged: 0 };
  const steps = gatherSteps(batches);
  let next = await steps.next();
  while (next.done !== true) {
    const [written, following] = await Promise.allSettled([loadStep(kysely, series, next.value), steps.next()]);
    if (written.status === 'rejected') {
      await steps.return(undefined);
      throw written.reason;
    }
    total.inserted += written.value.inserted;
    total.updated += written.value.updated;
    total.unchanged += written.value.unchanged;
    if (following.status === 'rejected') throw following.reason;
    next = following.value;
  }
  return total;
}

async function* gatherSteps(
  batches: AsyncIterable<readonly Candle[]> | Iterable<readonly Candle[]>,
): AsyncGenerator<Candle[], undefined> {
  let step: Candle[] = [];
  for await (const batch of batches) {
    for (const candle of batch) {
      step.push(candle);
      if (step.length < STEP_ROWS) continue;
      yield step;
      step = [];
    }
  }
  if (step.length > 0) yield step;
}

async function loadStep(kysely: Kysely<Database>, series: Series, step: readonly Candle[]): Promise<WriteCounts> {
  const candles = normalizeCandles(series, step);
  try {
    const copied = await withSavepoint(kysely, async (transaction) => {
      if (!(await copyIntoEmptySpan(transaction, series, candles))) return false;
      await recordHave(transaction, series, candles);
      return true;
    });
    if (copied) return { inserted: candles.length, updated: 0, unchanged: step.length - candles.length };
  } catch (error) {
    // Another writer filled the span after the probe: compare with what it stored.
    if (sqlStateOf(error) !== UNIQUE_VIOLATION) throw error;
  }
  return await withSavepoint(kysely, async (transaction) => {
    const written = await upsertCandles(transaction, series, candles);
    await recordHave(transaction, series, candles);
    return { ...written, unchanged: step.length - written.inserted - written.updated };
  });
}

/** Tells the ledger of the slots that are stored now; candles off the grid fill none. */
async function recordHave(transaction: Kysely<Database>, series: Series, candles: readonly Candle[]): Promise<void> {
  const lengthMs = timeframeMs(series.timeframe);
  const slots = candles.filter(({ timestamp }) => isOnGrid(timestamp, series.timeframe));
  const stretches = mergeRanges(slots.map(({ timestamp }) => ({ since: timestamp, until: timestamp + lengthMs })));
  const { exchange, symbol, timeframe } = series;
  const ledger = new CoverageRepository({ kysely: transaction });
  await ledger.record({ exchange, symbol, timeframe, metric: 'ohlcv' }, stretches.map(haveRange));
}

/** Runs `fn` in a transaction, or in a savepoint of the one that `kysely` already is. */
async function withSavepoint<T>(kysely: Kysely<Database>, fn: (kysely: Kysely<Database>) => Promise<T>): Promise<T> {
  if (!kysely.isTransaction) return await kysely.transaction().execute(fn);
  await sql`savepoint load_step`.execute(kysely);
  try {
    const result = await fn(kysely);
    await sql`release savepoint load_step`.execute(kysely);
    return result;
  } catch (error) {
    await sql`rollback to savepoint load_step`.execute(kysely);
    throw error;
  }
}

async function copyIntoEmptySpan(kysely: Kysely<Database>, series: Series, candles: readonly Candle[]) {
  const [first, last] = [candles[0], candles.at(-1)];
  if (!first || !last) return true;
  const stored = await kysely
    .selectFrom('ohlcv_data')
    .select('timestamp')
    .where('exchange', '=', series.exchange)
    .where('symbol', '=', series.symbol)
    .where('timeframe', '=', series.timeframe)
    .where('timestamp', '>=', new Date(first.timestamp))
    .where('timestamp', '<=', new Date(last.timestamp))
    .limit(1)
    .executeTakeFirst();
  if (stored) return false;
  await copyFrom(kysely, COPY_STATEMENT, toLines(series, candles));
  return true;
}

function* toLines(series: Series, candles: readonly Candle[]): Generator<string> {
  const key = [series.exchange, series.symbol, series.timeframe].map(escapeCopyText).join('\t');
  for (let start = 0; start < candles.length; start += CHUNK_ROWS) {
    let chunk = '';
    for (const candle of candles.slice(start, start + CHUNK_ROWS)) chunk += `${key}\t${toCopyFields(candle)}`;
    yield chunk;
  }
}
