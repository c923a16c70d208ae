import { sql, type Kysely } from 'kysely';
import { toIso } from '../../market/moments.ts';
import type { TimeRange } from '../../market/time-range.ts';
import { timeframeMs, type Timeframe } from '../../market/timeframe.ts';
import type { Database } from '../schema.ts';
import { quoteLiteral } from './quote-literal.ts';

/** Longer candles in a row that a shorter series repeats: stored rows of another timeframe than the series says. */
export interface RepeatedCandles extends TimeRange {
  readonly candles: number;
  /** What deletes the shorter series' rows there, to be run by whoever may. */
  readonly deletion: string;
}

/** Fewer in a row may be a market that traded only in the first minutes of some hours. */
const LEAST = 20;

/**
 * Where the rows of `shorter` are the candles of `longer`, and not what these are made of: at least twenty longer candles
 * with volume in a row of which each has exactly one shorter row in its time, at its own opening time and with its own
 * values. Longer candles without any shorter row say nothing, and end no run.
 *
 * @param range Runs are looked for inside of it; one that reaches over its end is told as far as it lies inside.
 * @returns how many longer candles were compared, and the runs, oldest first.
 */
export async function findRepeatedCandles(
  kysely: Kysely<Database>,
  { exchange, symbol }: { readonly exchange: string; readonly symbol: string },
  { shorter, longer }: { readonly shorter: Timeframe; readonly longer: Timeframe },
  range: TimeRange,
): Promise<{ compared: number; repeated: RepeatedCandles[] }> {
  const lengthMs = timeframeMs(longer);
  // Two shorter rows tell enough of a longer candle: of most only those are read.
  const { rows } = await sql<{ since: Date; last: Date; candles: number; is_copy: boolean }>`
    with compared as (
      select l.timestamp, s.count = 1 and s.is_equal as is_copy
      from ohlcv_data l
      cross join lateral (
        select count(*) as count, bool_and(m.timestamp = l.timestamp and
          (m.open, m.high, m.low, m.close, m.volume) = (l.open, l.high, l.low, l.close, l.volume)) as is_equal
        from (
          select * from ohlcv_data m
          where m.exchange = ${exchange} and m.symbol = ${symbol} and m.timeframe = ${shorter}
            and m.timestamp >= l.timestamp and m.timestamp < l.timestamp + make_interval(secs => ${lengthMs / 1000})
          order by m.timestamp limit 2
        ) m
      ) s
      where l.exchange = ${exchange} and l.symbol = ${symbol} and l.timeframe = ${longer} and l.volume > 0
        and l.timestamp >= ${new Date(range.since)} and l.timestamp < ${new Date(range.until)} and s.count > 0
    ), numbered as (
      select timestamp, is_copy, row_number() over (order by timestamp)
        - row_number() over (partition by is_copy order by timestamp) as run
      from compared
    )
    select min(timestamp) as since, max(timestamp) as last, count(*)::int as candles, is_copy
    from numbered group by is_copy, run order by 1`.execute(kysely);
  return {
    compared: rows.reduce((sum, { candles }) => sum + candles, 0),
    repeated: rows
      .filter(({ is_copy, candles }) => is_copy && candles >= LEAST)
      .map(({ since: first, last, candles }) => {
        const [since, until] = [first.getTime(), last.getTime() + lengthMs];
        const deletion =
          `delete from ohlcv_data where exchange = ${quoteLiteral(exchange)} and symbol = ${quoteLiteral(symbol)} ` +
          `and timeframe = '${shorter}' and timestamp >= '${toIso(since)}' and timestamp < '${toIso(until)}'`;
        return { since, until, candles, deletion };
      }),
  };
}
