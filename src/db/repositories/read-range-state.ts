import type { Kysely } from 'kysely';
import type { Series } from '../../market/instrument.ts';
import { ceilToTimeframe, floorToTimeframe, type Timeframe } from '../../market/timeframe.ts';
import type { Database } from '../schema.ts';
import { executeText, Parameters } from './statement-text.ts';
import { addKey, gapsSubquery, matchesKey, toGaps, type GapRow, type LedgerGap } from './ledger-gaps.ts';

export interface RangeStateRequest {
  /** The stored one. */
  readonly series: Series;
  /** Opening times [since, until), epoch ms; since null: from the first stored candle on. */
  readonly since: number | null;
  readonly until: number;
  /** Start at the newest so many candles, where that is later; null: do not. */
  readonly newest: number | null;
  /** End before the first candle after so many, where that is earlier; null or left out: do not. Wants `since`. */
  readonly oldest?: number | null;
  /** Only slots that have ended by then (epoch ms) can be a gap. */
  readonly now: number;
}

export interface RangeState {
  /** Where the range begins (epoch ms); null where no candle is stored in it and no since was given. */
  readonly since: number | null;
  /** Where the first candle that `oldest` leaves out opens (epoch ms); null where it leaves none out. */
  readonly next: number | null;
  readonly gaps: readonly LedgerGap[];
  /** Another text as soon as a candle of the range was stored, removed or rewritten, without reading the candles. */
  readonly digest: string;
}

/**
 * What can be told of a range of any size before it is read. The digest is over what the ledger says of it, and the
 * last of its candles that was rewritten.
 */
export async function readRangeState(
  kysely: Kysely<Database>,
  { series, since, until, newest, oldest = null, now }: RangeStateRequest,
): Promise<RangeState> {
  const { timeframe } = series;
  const parameters = new Parameters();
  const key = addKey(parameters, series);
  const end = parameters.addMoment(until);
  const last = parameters.addMoment(Math.min(ceilToTimeframe(until, timeframe), floorToTimeframe(now, timeframe)));
  const rows = `ohlcv_data where ${matchesKey(key)} and timestamp < ${end}`;
  const start = placeOfStart({ since, newest, timeframe }, rows, parameters);
  const next =
    oldest === null || since === null
      ? 'null::timestamptz'
      : `(select timestamp from ${rows} and timestamp >= ${parameters.addMoment(since)}
          order by timestamp offset ${parameters.add(oldest, 'int')} limit 1)`;
  const statement = `
    with start as materialized (select ${start} as first, ${next} as next)
    select (date_part('epoch', first) * 1000)::float8 as since, (date_part('epoch', next) * 1000)::float8 as next,
      ${gapsSubquery(key, 'ohlcv', { since: `coalesce(start.first, ${last})`, until: `least(start.next, ${last})` })} as gaps,
      (select concat(count(*), md5(string_agg(concat(since, ' ', until, ' ', state), ',' order by since)))
        from coverage where ${matchesKey(key)} and metric = 'ohlcv' and since < coalesce(next, ${end}) and until > first) as ledger,
      (select concat(count(*), ' ', max(id)) from candle_revisions
        where ${matchesKey(key)} and timestamp >= first and timestamp < coalesce(next, ${end})) as revised
    from start`;
  const [row] = await executeText<{
    since: number | null;
    next: number | null;
    gaps: GapRow[] | null;
    ledger: string;
    revised: string;
  }>(kysely, statement, parameters);
  return {
    since: row?.since ?? null,
    next: row?.next ?? null,
    gaps: toGaps(row?.gaps ?? null),
    digest: `${row?.since ?? ''} ${row?.next ?? ''} ${row?.ledger ?? ''} ${row?.revised ?? ''}`,
  };
}

/** Where the range begins, as SQL. */
function placeOfStart(
  { since, newest, timeframe }: Pick<RangeStateRequest, 'since' | 'newest'> & { readonly timeframe: Timeframe },
  rows: string,
  parameters: Parameters,
): string {
  if (newest === null && since !== null) return parameters.addMoment(ceilToTimeframe(since, timeframe));
  if (newest === null) return `(select timestamp from ${rows} order by timestamp limit 1)`;
  const floor = since === null ? '' : ` and timestamp >= ${parameters.addMoment(since)}`;
  const newestRows = `select timestamp from ${rows}${floor} order by timestamp desc limit ${parameters.add(newest, 'int')}`;
  return `(select min(timestamp) from (${newestRows}) as newest)`;
}
