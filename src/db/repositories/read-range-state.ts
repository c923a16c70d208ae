import type { Kysely } from 'kysely';
import { candleKey } from '../../market/coverage.ts';
import type { Series } from '../../market/instrument.ts';
import { ceilToTimeframe, floorToTimeframe, type Timeframe } from '../../market/timeframe.ts';
import type { Database } from '../schema.ts';
import { executeText, Parameters } from './statement-text.ts';
import { listReadingGaps } from './absent-rows.ts';
import { addKey, gapsSubquery, matchesKey, type KeyPlaces, type LedgerGap, type LedgerReading } from './ledger-gaps.ts';
import { startExpression } from './wanted-windows-repository.ts';

export interface RangeStateRequest {
  /** The stored one. */
  readonly series: Series;
  /** Opening times [since, until), epoch ms; since null: from where it is wanted, or from the first stored candle on. */
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
  /** Where the range begins and ends (epoch ms): it holds no slot that has not ended. */
  readonly since: number;
  readonly until: number;
  /** Where the first candle of the range opens; null where there is none, or `since` was given. */
  readonly first: number | null;
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
  const start = placeOfStart({ since, newest, timeframe }, { rows, key, last }, parameters);
  const next =
    oldest === null || since === null
      ? 'null::timestamptz'
      : `(select timestamp from ${rows} and timestamp >= ${parameters.addMoment(since)}
          order by timestamp offset ${parameters.add(oldest, 'int')} limit 1)`;
  const statement = `
    with start as materialized (select place.first, place.row, ${next} as next from ${start} as place)
    select (date_part('epoch', row) * 1000)::float8 as first, (date_part('epoch', next) * 1000)::float8 as next,
      ${gapsSubquery(
        key,
        'ohlcv',
        { since: 'start.first', until: `least(start.next, ${last})` },
        { source: `ohlcv_data where ${matchesKey(key)}`, timeframe, onlyWhereWhole: true },
      )} as reading,
      (select concat(count(*), md5(string_agg(concat(since, ' ', until, ' ', state), ',' order by since)))
        from coverage where ${matchesKey(key)} and metric = 'ohlcv' and since < coalesce(next, ${end}) and until > first) as ledger,
      (select concat(count(*), ' ', max(id)) from candle_revisions
        where ${matchesKey(key)} and timestamp >= first and timestamp < coalesce(next, ${end})) as revised
    from start`;
  const [row] = await executeText<{
    first: number | null;
    next: number | null;
    reading: LedgerReading;
    ledger: string;
    revised: string;
  }>(kysely, statement, parameters);
  if (!row) throw new Error('a state is one row');
  const { reading } = row;
  return {
    since: reading.first,
    until: Math.max(reading.first, reading.last),
    first: row.first,
    next: row.next,
    gaps: await listReadingGaps(kysely, candleKey(series), reading),
    digest: `${reading.first} ${row.next ?? ''} ${row.ledger} ${row.revised}`,
  };
}

/** Where the range begins (`first`), and where its first candle opens (`row`), as a table in SQL. */
function placeOfStart(
  { since, newest, timeframe }: Pick<RangeStateRequest, 'since' | 'newest'> & { readonly timeframe: Timeframe },
  { rows, key, last }: { readonly rows: string; readonly key: KeyPlaces; readonly last: string },
  parameters: Parameters,
): string {
  const from = since === null ? null : parameters.addMoment(ceilToTimeframe(since, timeframe));
  if (newest === null && from !== null) return `(select ${from} as first, null::timestamptz as row)`;
  const whole = from ?? startExpression(key, timeframe, { first: 'found.row', last });
  if (newest === null)
    return `(select ${whole} as first, found.row from (select min(timestamp) as row from ${rows}) as found)`;
  const floor = from === null ? '' : ` and timestamp >= ${from}`;
  const count = parameters.add(newest, 'int');
  const newestRows = `select timestamp from ${rows}${floor} order by timestamp desc limit ${count}`;
  return `(select case when found.count >= ${count} then found.row else ${whole} end as first, found.row
    from (select min(timestamp) as row, count(*) as count from (${newestRows}) as newest) as found)`;
}
