import { sql, type Kysely, type RawBuilder } from 'kysely';
import type { SeriesChange } from '../../market/commit-entry.ts';
import type { Decimal } from '../../market/decimal.ts';
import type { Timeframe } from '../../market/timeframe.ts';
import type { Database } from '../schema.ts';

interface WrittenCandles {
  readonly inserted: number;
  readonly updated: number;
  /** Oldest first within a series. */
  readonly changes: readonly SeriesChange[];
}

interface ResultRow {
  inserted: number;
  updated: number;
  /** The series, the opening time in milliseconds, then the values before and after. */
  replaced: [...SeriesParts, number, ...TenDecimals][] | null;
}

/**
 * Writes the candles that the subquery `differing` answers (exchange, symbol, timeframe, CANDLE_COLUMNS), in one
 * statement, and keeps those that it replaces in candle_revisions. `bounds` (epoch ms, both included) holds all of
 * their opening times, so that a hypertable leaves chunks out.
 *
 * Not in `changes` nor among the rewrites, though counted as updated: a row that another writer stored in the same
 * moment with other values.
 */
export async function writeCandles(
  kysely: Kysely<Database>,
  differing: RawBuilder<unknown>,
  bounds: { readonly first: number; readonly last: number },
): Promise<WrittenCandles> {
  const [first, last] = [new Date(bounds.first).toISOString(), new Date(bounds.last).toISOString()];
  // ON CONFLICT has the last word where two writers meet; in one order they never wait for each other in a circle.
  // `offset 0` has each row looked up by its key, whatever the statistics say.
  const result = await sql<ResultRow>`
    with written as (
      insert into ohlcv_data as target (exchange, symbol, timeframe, timestamp, open, high, low, close, volume)
      select exchange, symbol, timeframe, timestamp, open, high, low, close, volume from (${differing}) as differing
      order by exchange collate "C", symbol collate "C", timeframe collate "C", timestamp
      on conflict (exchange, symbol, timeframe, timestamp) do update set
        open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close, volume = excluded.volume
      where (target.open, target.high, target.low, target.close, target.volume)
        is distinct from (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume)
      returning exchange, symbol, timeframe, timestamp, open, high, low, close, volume, xmax = 0 as is_new
    ), replaced as materialized (
      select new.*, old.open as old_open, old.high as old_high, old.low as old_low, old.close as old_close,
        old.volume as old_volume
      from written as new cross join lateral (
        select open, high, low, close, volume from ohlcv_data as stored
        where stored.exchange = new.exchange and stored.symbol = new.symbol and stored.timeframe = new.timeframe
          and stored.timestamp = new.timestamp and stored.timestamp between ${first}::timestamptz and ${last}::timestamptz
        offset 0
      ) as old where not new.is_new
    ), logged as (
      insert into candle_revisions (exchange, symbol, timeframe, timestamp,
        old_open, old_high, old_low, old_close, old_volume, new_open, new_high, new_low, new_close, new_volume)
      select exchange, symbol, timeframe, timestamp,
        old_open, old_high, old_low, old_close, old_volume, open, high, low, close, volume from replaced
    )
    select (count(*) filter (where is_new))::int as inserted, (count(*) filter (where not is_new))::int as updated, (
        select json_agg(json_build_array(exchange, symbol, timeframe, (extract(epoch from timestamp) * 1000)::bigint,
          old_open::text, old_high::text, old_low::text, old_close::text, old_volume::text,
          open::text, high::text, low::text, close::text, volume::text) order by exchange, symbol, timeframe, timestamp)
        from replaced
      ) as replaced
    from written`.execute(kysely);
  const row = result.rows[0] ?? { inserted: 0, updated: 0, replaced: null };
  return { inserted: row.inserted, updated: row.updated, changes: (row.replaced ?? []).map(toChange) };
}

function toChange([exchange, symbol, timeframe, timestamp, ...values]: NonNullable<ResultRow['replaced']>[number]) {
  const [open0, high0, low0, close0, volume0, open, high, low, close, volume] = values;
  return {
    series: { exchange, symbol, timeframe },
    before: { timestamp, open: open0, high: high0, low: low0, close: close0, volume: volume0 },
    after: { timestamp, open, high, low, close, volume },
  };
}

type SeriesParts = [exchange: string, symbol: string, timeframe: Timeframe];
type FiveDecimals = [Decimal, Decimal, Decimal, Decimal, Decimal];
type TenDecimals = [...FiveDecimals, ...FiveDecimals];
