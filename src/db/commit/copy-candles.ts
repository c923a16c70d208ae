import type { Kysely } from 'kysely';
import type { Candle, WriteCounts } from '../../market/candle.ts';
import type { SeriesCandles } from '../../market/commit-entry.ts';
import type { Series } from '../../market/instrument.ts';
import type { Database } from '../schema.ts';
import { toCopyFields } from '../repositories/candle-row.ts';
import { copyFrom, escapeCopyText } from '../repositories/copy-stream.ts';
import { normalizeCandles } from './upsert-candles.ts';

/** Rows per piece of text that goes down the wire. */
const CHUNK_ROWS = 500;

const COPY_STATEMENT =
  'copy ohlcv_data (exchange, symbol, timeframe, timestamp, open, high, low, close, volume) from stdin';

/**
 * Writes the candles of one series straight into the table by COPY where their span of time holds none yet.
 *
 * @returns null, with nothing written, where it holds some.
 * @throws AppError `CANDLES_CONTRADICT` before anything is written; SQLSTATE 23505 where another writer filled the span
 * meanwhile, the transaction is of no more use then.
 */
export async function copyIntoEmptySpan(
  transaction: Kysely<Database>,
  { series, candles: given }: SeriesCandles,
): Promise<WriteCounts | null> {
  const candles = normalizeCandles(series, given);
  const [first, last] = [candles[0], candles.at(-1)];
  if (!first || !last) return { inserted: 0, updated: 0, unchanged: 0 };
  const stored = await transaction
    .selectFrom('ohlcv_data')
    .select('timestamp')
    .where('exchange', '=', series.exchange)
    .where('symbol', '=', series.symbol)
    .where('timeframe', '=', series.timeframe)
    .where('timestamp', '>=', new Date(first.timestamp))
    .where('timestamp', '<=', new Date(last.timestamp))
    .limit(1)
    .executeTakeFirst();
  if (stored) return null;
  await copyFrom(transaction, COPY_STATEMENT, toLines(series, candles));
  return { inserted: candles.length, updated: 0, unchanged: given.length - candles.length };
}

function* toLines(series: Series, candles: readonly Candle[]): Generator<string> {
  const key = [series.exchange, series.symbol, series.timeframe].map(escapeCopyText).join('\t');
  for (let start = 0; start < candles.length; start += CHUNK_ROWS) {
    let chunk = '';
    for (const candle of candles.slice(start, start + CHUNK_ROWS)) chunk += `${key}\t${toCopyFields(candle)}`;
    yield chunk;
  }
}
