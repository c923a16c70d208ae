import type { CoverageMetric, CoverageState } from '../../market/coverage.ts';
import type { TimeRange } from '../../market/time-range.ts';
import type { Parameters } from './statement-text.ts';

/**
 * A range without rows that may have had some. `unknown`: the ledger is silent on it. What the exchange confirmed as
 * empty is no gap.
 */
export interface LedgerGap extends TimeRange {
  readonly state: Exclude<CoverageState, 'have' | 'confirmed_empty'> | 'unknown';
}

/** Gaps as `gapsSubquery` answers them. */
export type GapRow = [since: number, until: number, state: LedgerGap['state']];

/** So many gaps are listed at most; the ledger's own list has all. */
export const MAX_LISTED_GAPS = 100;

/** Places of the key's values in a statement. */
export interface KeyPlaces {
  readonly exchange: string;
  readonly symbol: string;
  readonly timeframe: string;
}

/** The condition on the columns of ohlcv_data, or of the ledger, that they are of this key. */
export function matchesKey({ exchange, symbol, timeframe }: KeyPlaces): string {
  return `exchange = ${exchange} and symbol = ${symbol} and timeframe = ${timeframe}`;
}

/**
 * A scalar subquery: the gaps between the moments `since` and `until` (SQL), oldest first, at most 101, as a JSON array
 * of GapRow; null where there are none or the range is empty.
 */
export function gapsSubquery(
  key: KeyPlaces,
  metric: CoverageMetric,
  { since, until }: { readonly since: string; readonly until: string },
): string {
  const mine = `${matchesKey(key)} and metric = '${metric}'`;
  const ms = (column: string) => `(date_part('epoch', ${column}) * 1000)::float8`;
  return `(
    with edges as (select ${since} as first, ${until} as last),
    known as (
      select greatest(c.since, first) as since, least(c.until, last) as until, state from edges, coverage c
      where first < last and ${mine} and c.since < last and c.until > first
        and c.since >= coalesce((select b.since from coverage b where ${mine} and b.since <= first
          order by b.since desc limit 1), first)
    ), silences as (
      select coalesce(lag(until) over (order by since), first) as since, since as until from known, edges
      union all
      select coalesce((select max(until) from known), first), last from edges where first < last
    ), gaps as (
      select since, until, state from known where state not in ('have', 'confirmed_empty')
      union all
      select since, until, 'unknown' from silences where since < until
      order by since limit ${MAX_LISTED_GAPS + 1}
    )
    select json_agg(json_build_array(${ms('since')}, ${ms('until')}, state) order by since) from gaps
  )`;
}

export function toGaps(rows: readonly GapRow[] | null): LedgerGap[] {
  return (rows ?? []).map(([since, until, state]) => ({ since, until, state }));
}

/** The places of a key's values. */
export function addKey(
  parameters: Parameters,
  { exchange, symbol, timeframe }: { readonly exchange: string; readonly symbol: string; readonly timeframe: string },
): KeyPlaces {
  return {
    exchange: parameters.add(exchange, 'text'),
    symbol: parameters.add(symbol, 'text'),
    timeframe: parameters.add(timeframe, 'text'),
  };
}
