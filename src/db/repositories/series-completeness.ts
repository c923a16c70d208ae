import { sql, type Kysely } from 'kysely';
import type { Series } from '../../market/instrument.ts';
import { parseTimeframe, timeframeMs } from '../../market/timeframe.ts';
import type { Database } from '../schema.ts';
import { IS_LOST, WANTED } from './wanted-windows-repository.ts';

/** What the ledger says of a series as a whole. */
export interface SeriesCompleteness extends Series {
  /** From this moment (epoch ms) to where the ledger ends nothing is missing and nothing is lost; null: its newest slot is. */
  readonly completeSince: number | null;
  /** Slots inside what is wanted that are refused, or that the exchange deleted before they were stored. */
  readonly lost: number;
}

/** Of each series that the ledger knows; series whose timeframe is none of ours are left out. Reads all its ranges once. */
export async function listSeriesCompleteness(kysely: Kysely<Database>): Promise<SeriesCompleteness[]> {
  const { rows } = await sql<{
    exchange: string;
    symbol: string;
    timeframe: string;
    complete_since: Date;
    ends: Date;
    lost: number;
  }>`
    with ranges as (
      select coverage.*, wanted_since,
        lag(until) over (partition by exchange, symbol, timeframe order by since) as previous
      from coverage left join ${sql.raw(WANTED)} using (exchange, symbol, timeframe, metric)
      where metric = 'ohlcv'
    )
    select exchange, symbol, timeframe, max(until) as ends,
      max(case when state not in ('have', 'confirmed_empty') then until
        when previous is null or previous < since then since end) as complete_since,
      coalesce(sum(extract(epoch from until - greatest(since, wanted_since))) filter (where ${sql.raw(IS_LOST)}), 0)::float8 as lost
    from ranges group by exchange, symbol, timeframe`.execute(kysely);
  return rows.flatMap(({ exchange, symbol, timeframe, complete_since: since, ends, lost }) => {
    const length = lengthOf(timeframe);
    if (length === null) return [];
    return [
      {
        exchange,
        symbol,
        timeframe: parseTimeframe(timeframe),
        completeSince: since < ends ? since.getTime() : null,
        lost: Math.ceil((lost * 1000) / length),
      },
    ];
  });
}

/** null where hands have put a timeframe there that is none. */
function lengthOf(timeframe: string): number | null {
  try {
    return timeframeMs(parseTimeframe(timeframe));
  } catch {
    return null;
  }
}
