import type { CoverageMetric, CoverageState } from '../../market/coverage.ts';
import type { TimeRange } from '../../market/time-range.ts';
import { floorToTimeframe, timeframeMs, type Timeframe } from '../../market/timeframe.ts';
import type { Parameters } from './statement-text.ts';

/**
 * A range without rows that may have had some. `unknown`: the ledger is silent on it; `absent`: the ledger calls its rows
 * stored, and they did not come. What the exchange confirmed as empty is no gap.
 */
export interface LedgerGap extends TimeRange {
  readonly state: Exclude<CoverageState, 'have' | 'confirmed_empty'> | 'unknown' | 'absent';
  /** For a person, where the ledger has one. */
  readonly reason?: string;
}

/** Gaps as `gapsSubquery` answers them. */
type GapRow = [since: number, until: number, state: LedgerGap['state'], reason: string | null];

/** What `gapsSubquery` answers: what the ledger says of [first, last), and the rows that are there. */
export interface LedgerReading {
  readonly first: number;
  readonly last: number;
  readonly gaps: GapRow[] | null;
  /** Slots that the ledger calls stored; rows on the grid that lie in them, null where they were not counted. */
  readonly have: number;
  readonly rows: number | null;
}

/** Where the rows are that the ledger's `have` is held against, as SQL. */
export interface CountedRows {
  /** What has their `timestamp`: the words between FROM and a further AND. */
  readonly source: string;
  readonly timeframe: Timeframe;
  /** Spares the counting where something is missing anyway. */
  readonly onlyWhereWhole: boolean;
}

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
 * A scalar subquery: the gaps between the moments `since` and `until` (SQL), oldest first, at most 101, as a JSON object
 * (LedgerReading).
 *
 * @param rows null: is not counted.
 */
export function gapsSubquery(
  key: KeyPlaces,
  metric: CoverageMetric,
  { since, until }: { readonly since: string; readonly until: string },
  rows: CountedRows | null,
): string {
  const mine = `${matchesKey(key)} and metric = '${metric}'`;
  const ms = (column: string) => `(date_part('epoch', ${column}) * 1000)::float8`;
  return `(
    with edges as (select ${since} as first, ${until} as last),
    known as (
      select greatest(c.since, first) as since, least(c.until, last) as until, state, reason from edges, coverage c
      where first < last and ${mine} and c.since < last and c.until > first
        and c.since >= coalesce((select b.since from coverage b where ${mine} and b.since <= first
          order by b.since desc limit 1), first)
    ), silences as (
      select coalesce(lag(until) over (order by since), first) as since, since as until from known, edges
      union all
      select coalesce((select max(until) from known), first), last from edges where first < last
    ), gaps as (
      select since, until, state, reason from known where state not in ('have', 'confirmed_empty')
      union all
      select since, until, 'unknown', null from silences where since < until
      order by since limit ${MAX_LISTED_GAPS + 1}
    )
    select json_build_object('first', ${ms('first')}, 'last', ${ms('last')},
      'gaps', (select json_agg(json_build_array(${ms('since')}, ${ms('until')}, state, reason) order by since) from gaps),
      'have', (select coalesce(${ms('sum(until - since)')}, 0) from known where state = 'have') / ${rows ? timeframeMs(rows.timeframe) : 1},
      'rows', ${rows ? countExpression(rows) : 'null'})
    from edges
  )`;
}

/**
 * Rows on the grid in what is `known` as stored: who counted all would let a row in a slot that is called empty stand for
 * one that is not there. A row lies in a stored range where an odd number of their edges lies before it.
 */
function countExpression({ source, timeframe, onlyWhereWhole }: CountedRows): string {
  const isSlot = `timestamp = ${gridExpression('timestamp', timeframe)}`;
  const count = `select count(*) from edges, ${source} and timestamp >= first and timestamp < last and ${isSlot}`;
  const stored = `(select array_agg(edge order by edge) from (
    select since as edge from known where state = 'have' union all select until from known where state = 'have') as ends)`;
  return `case
    when ${onlyWhereWhole ? 'exists (select from gaps)' : 'false'} then null
    when exists (select from known where state <> 'have') then (${count} and width_bucket(timestamp, ${stored}) % 2 = 1)
    else (${count}) end`;
}

/** The slot that a moment (SQL) lies in. Seconds, not days: see findSlotGaps. */
export function gridExpression(moment: string, timeframe: Timeframe): string {
  const origin = new Date(floorToTimeframe(0, timeframe)).toISOString();
  return `date_bin(make_interval(secs => ${timeframeMs(timeframe) / 1000}), ${moment}, '${origin}'::timestamptz)`;
}

export function toGaps(rows: readonly GapRow[] | null): LedgerGap[] {
  return (rows ?? []).map(([since, until, state, reason]) => ({
    since,
    until,
    state,
    ...(reason === null ? {} : { reason }),
  }));
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
