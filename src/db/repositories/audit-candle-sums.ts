import { sql, type Kysely } from 'kysely';
import type { Decimal } from '../../market/decimal.ts';
import { mergeRanges, type TimeRange } from '../../market/time-range.ts';
import { parseTimeframe, timeframeMs, type Timeframe } from '../../market/timeframe.ts';
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
 * the ledger has as confirmed_empty lacking. An hour that lacks any other minute contradicts nothing.
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
      where interval '1 minute' * m.count + coalesce((
        select sum(least(c.until, m.timestamp + ${hour}) - greatest(c.since, m.timestamp)) from coverage c
        where c.exchange = ${exchange} and c.symbol = ${symbol} and c.timeframe = '1m' and c.metric = 'ohlcv'
          and c.since < m.timestamp + ${hour} and c.until > m.timestamp and c.state = 'confirmed_empty'
      ), interval '0') = ${hour}
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

/** Every length that a stored candle may have, shortest first; months have no length of their own. */
const LENGTHS = ['1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '6h', '8h', '12h', '1d', '3d', '1w'].map(
  (timeframe) => ({ timeframe, ms: timeframeMs(parseTimeframe(timeframe)) }),
);

/**
 * The ranges in which a longer candle with volume is stored and not one shorter candle with volume: whatever the
 * ledger calls confirmed_empty there is not. Oldest first, joined, clipped to `range`.
 */
export async function findVolumeWithoutCandles(
  kysely: Kysely<Database>,
  {
    exchange,
    symbol,
    timeframe,
  }: { readonly exchange: string; readonly symbol: string; readonly timeframe: Timeframe },
  range: TimeRange,
): Promise<TimeRange[]> {
  const stepMs = timeframeMs(timeframe);
  const found: TimeRange[] = [];
  for (const { timeframe: longer, ms } of LENGTHS.filter((length) => length.ms > stepMs)) {
    const shorter = [...LENGTHS.filter((length) => length.ms < ms).map((length) => length.timeframe), timeframe];
    const length = sql`make_interval(secs => ${ms / 1000})`;
    const { rows } = await sql<{ timestamp: Date }>`
      select h.timestamp from ohlcv_data h
      where h.exchange = ${exchange} and h.symbol = ${symbol} and h.timeframe = ${longer} and h.volume > 0
        and h.timestamp > ${new Date(range.since - ms)} and h.timestamp < ${new Date(range.until)}
        and exists (
          select from coverage c where c.exchange = ${exchange} and c.symbol = ${symbol}
            and c.timeframe = ${timeframe} and c.metric = 'ohlcv' and c.state = 'confirmed_empty'
            and c.since < h.timestamp + ${length} and c.until > h.timestamp
        ) and not exists (
          select from ohlcv_data m where m.exchange = ${exchange} and m.symbol = ${symbol}
            and m.timeframe in (${sql.join(shorter)}) and m.volume > 0
            and m.timestamp >= h.timestamp and m.timestamp < h.timestamp + ${length}
        )
      order by h.timestamp`.execute(kysely);
    for (const { timestamp } of rows) {
      const since = timestamp.getTime();
      found.push({ since: Math.max(since, range.since), until: Math.min(since + ms, range.until) });
    }
  }
  return mergeRanges(found);
}
