import { sql, type Kysely } from 'kysely';
import type { Candle } from '../../market/candle.ts';
import type { Series } from '../../market/instrument.ts';
import type { Database } from '../schema.ts';
import { toCandleArrays } from '../repositories/candle-row.ts';
import { normalizeCandles } from './upsert-candles.ts';
import { writeCandles } from './write-candles.ts';
import type { CommitOutcome, SeriesCandles, SeriesChange } from '../../market/commit-entry.ts';

/** One statement for so many rows at most; more gain nothing. */
const BATCH_ROWS = 5000;

interface LiveRow {
  readonly series: Series;
  readonly candle: Candle;
}

/**
 * Stores candles of many series, each once, all in one statement up to 5,000 rows; rows that are stored with equal
 * values cost a read only.
 *
 * @throws AppError `CANDLES_CONTRADICT`, before anything is written, where a series has two candles for one time.
 */
export async function upsertLiveCandles(
  transaction: Kysely<Database>,
  entries: readonly SeriesCandles[],
): Promise<CommitOutcome> {
  const given = entries.reduce((sum, { candles }) => sum + candles.length, 0);
  const rows = entries.flatMap(({ series, candles }) =>
    normalizeCandles(series, candles).map((candle): LiveRow => ({ series, candle })),
  );
  const changes: SeriesChange[] = [];
  let inserted = 0;
  let updated = 0;
  for (let start = 0; start < rows.length; start += BATCH_ROWS) {
    const written = await writeBatch(transaction, rows.slice(start, start + BATCH_ROWS));
    inserted += written.inserted;
    updated += written.updated;
    changes.push(...written.changes);
  }
  return { inserted, updated, unchanged: given - inserted - updated, changes };
}

/** `batch` has no repetitions and is not empty. */
async function writeBatch(kysely: Kysely<Database>, batch: readonly LiveRow[]) {
  const [timestamps, opens, highs, lows, closes, volumes] = toCandleArrays(batch.map(({ candle }) => candle));
  const column = (name: keyof Series) => batch.map(({ series }) => series[name]);
  const times = batch.map(({ candle }) => candle.timestamp);
  const bounds = {
    first: times.reduce((least, time) => Math.min(least, time)),
    last: times.reduce((most, time) => Math.max(most, time)),
  };
  // Looked up one by one: the rows lie far apart, each at the end of its series.
  const differing = sql`
    select incoming.*
    from unnest(${column('exchange')}::text[], ${column('symbol')}::text[], ${column('timeframe')}::text[],
      ${timestamps}::timestamptz[], ${opens}::numeric[], ${highs}::numeric[], ${lows}::numeric[], ${closes}::numeric[],
      ${volumes}::numeric[]) as incoming (exchange, symbol, timeframe, timestamp, open, high, low, close, volume)
    left join lateral (
      select open, high, low, close, volume from ohlcv_data as stored
      where stored.exchange = incoming.exchange and stored.symbol = incoming.symbol
        and stored.timeframe = incoming.timeframe and stored.timestamp = incoming.timestamp
        and stored.timestamp between ${new Date(bounds.first)}::timestamptz and ${new Date(bounds.last)}::timestamptz
      offset 0
    ) as known on true
    where (incoming.open, incoming.high, incoming.low, incoming.close, incoming.volume)
      is distinct from (known.open, known.high, known.low, known.close, known.volume)`;
  return await writeCandles(kysely, differing, bounds);
}
