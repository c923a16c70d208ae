import { sql, type Kysely } from 'kysely';
import type { Decimal } from '../../market/decimal.ts';
import type { TimeRange } from '../../market/time-range.ts';
import type { Database } from '../schema.ts';

/** An hour whose candle is not what its minutes add up to. */
export interface CandleSumDeviation {
  /** The hour's opening time (epoch ms). */
  readonly timestamp: number;
  /** Which values differ, such as `high, volume`. */
  readonly values: string;
  readonly hourVolume: Decimal;
  readonly minutesVolume: Decimal;
}

const MAX_DEVIATIONS = 100;

/**
 * Compares each stored 1h candle with its 1m candles, exactly: the first one's open, the highest high, the lowest low,
 * the last one's close, the sum of volumes. Only hours of which all minutes are known: 60 rows, or none but those that
 * the ledger has as confirmed_empty lacking.
 *
 * @returns how many hours were compared, and those that differ, oldest first, at most 100.
 */
export async function checkCandleSums(
  kysely: Kysely<Database>,
  { exchange, symbol }: { readonly exchange: string; readonly symbol: string },
  range: TimeRange,
): Promise<{ compared: number; deviations: CandleSumDeviation[] }> {
  const bounds = sql`timestamp >= ${new Date(range.since)} and timestamp < ${new Date(range.until)}`;
  const hour = sql`interval '1 hour'`;
  const { rows } = await sql<SumRow>`
    with minutes as (
      select date_bin(${hour}, timestamp, 'epoch'::timestamptz) as timestamp, count(*) as count,
        (array_agg(open order by timestamp))[1] as open, max(high) as high, min(low) as low,
        (array_agg(close order by timestamp desc))[1] as close, sum(volume) as volume
      from ohlcv_data
      where exchange = ${exchange} and symbol = ${symbol} and timeframe = '1m' and ${bounds}
      group by 1
    ), compared as (
      select h.timestamp, h.volume as hour_volume, m.volume as minutes_volume, concat_ws(', ',
        case when h.open <> m.open then 'open' end, case when h.high <> m.high then 'high' end,
        case when h.low <> m.low then 'low' end, case when h.close <> m.close then 'close' end,
        case when h.volume <> m.volume then 'volume' end) as values
      from minutes m join ohlcv_data h on h.timestamp = m.timestamp
        and h.exchange = ${exchange} and h.symbol = ${symbol} and h.timeframe = '1h'
        and h.timestamp >= ${new Date(range.since)} and h.timestamp < ${new Date(range.until)}
      where m.count = 60 or (
        select sum(least(c.until, m.timestamp + ${hour}) - greatest(c.since, m.timestamp)) from coverage c
        where c.exchange = ${exchange} and c.symbol = ${symbol} and c.timeframe = '1m' and c.metric = 'ohlcv'
          and c.since < m.timestamp + ${hour} and c.until > m.timestamp and c.state in ('have', 'confirmed_empty')
      ) = ${hour}
    )
    select timestamp, values, hour_volume, minutes_volume, (select count(*)::int from compared) as compared
    from compared order by values = '', timestamp limit ${MAX_DEVIATIONS}`.execute(kysely);
  return {
    compared: rows[0]?.compared ?? 0,
    deviations: rows
      .filter(({ values }) => values !== '')
      .map(({ timestamp, values, hour_volume, minutes_volume }) => ({
        timestamp: timestamp.getTime(),
        values,
        hourVolume: hour_volume,
        minutesVolume: minutes_volume,
      })),
  };
}

interface SumRow {
  readonly timestamp: Date;
  readonly values: string;
  readonly hour_volume: Decimal;
  readonly minutes_volume: Decimal;
  readonly compared: number;
}
