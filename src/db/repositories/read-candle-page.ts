import type { Kysely } from 'kysely';
import { candleKey } from '../../market/coverage.ts';
import type { Series } from '../../market/instrument.ts';
import type { TimeRange } from '../../market/time-range.ts';
import { ceilToTimeframe, floorToTimeframe, type Timeframe } from '../../market/timeframe.ts';
import type { Database } from '../schema.ts';
import { listReadingGaps } from './absent-rows.ts';
import { aggregateSource, planAggregate } from './aggregate-candles.ts';
import { startExpression } from './wanted-windows-repository.ts';
import { executeText, Parameters } from './statement-text.ts';
import { candleTextExpression, withoutNonFinite, type CandleShape, type DecimalStyle } from './candle-text.ts';
import { addKey, gapsSubquery, matchesKey, type KeyPlaces, type LedgerGap, type LedgerReading } from './ledger-gaps.ts';

export interface CandlePageRequest {
  readonly series: Series;
  /** Opening times [since, until), epoch ms; since null: the newest before `until`. */
  readonly since: number | null;
  readonly until: number;
  /** Candles at most. */
  readonly limit: number;
  readonly shape: CandleShape;
  readonly numbers: DecimalStyle;
  /** Built from the candles of this timeframe; null: read as stored. */
  readonly from: Timeframe | null;
  /** Only slots that have ended by then (epoch ms) can be a gap. */
  readonly now: number;
}

export interface CandlePage {
  /** The candles as JSON or CSV, oldest first, separated by `separator`; empty where there are none. */
  readonly text: string;
  /** How many the page has, with those that the shape `array` leaves out because they are partial. */
  readonly count: number;
  /** Where the following page begins (epoch ms); null where none follows. */
  readonly nextSince: number | null;
  /**
   * What this page answers for, epoch ms. Without `since` a full page (and one of built candles) begins with its first
   * candle, another where its series is wanted from; it ends with nextSince, `until`, or the newest slot that has ended.
   */
  readonly answered: TimeRange;
  /** Of what this page answers for, oldest first, 101 at most. */
  readonly gaps: readonly LedgerGap[];
}

interface PageRow {
  readonly text: string | null;
  readonly count: number;
  readonly next: number | null;
  readonly reading: LedgerReading;
}

/**
 * A page of candles as text, with the gaps in it, by one statement (three where they are built from a finer
 * timeframe). A page of built candles ends early where it would read too many of the finer ones.
 */
export async function readCandlePage(
  kysely: Kysely<Database>,
  request: CandlePageRequest,
  separator = ',',
): Promise<CandlePage> {
  const { from, series } = request;
  const parameters = new Parameters();
  if (from === null) {
    const key = addKey(parameters, series);
    const source = storedSource(request, key, parameters);
    return await readPage(kysely, { request, key, source, parameters, separator, end: null });
  }
  const plan = await planAggregate(kysely, { ...request, from });
  const key = addKey(parameters, { ...series, timeframe: from });
  const source = aggregateSource({ ...request, from }, plan, key, parameters);
  return await readPage(kysely, { request, key, source, parameters, separator, end: plan });
}

/** The rows of a page and, of a range, the one that begins the next page. */
function storedSource({ since, until, limit }: CandlePageRequest, key: KeyPlaces, parameters: Parameters): string {
  const before = `timestamp < ${parameters.addMoment(until)}`;
  const columns = `select timestamp, open, high, low, close, volume from ohlcv_data where ${matchesKey(key)} and ${before}`;
  return since === null
    ? `${columns} order by timestamp desc limit ${parameters.add(limit, 'int')}`
    : `${columns} and timestamp >= ${parameters.addMoment(since)} order by timestamp limit ${parameters.add(limit + 1, 'int')}`;
}

async function readPage(
  kysely: Kysely<Database>,
  asked: {
    readonly request: CandlePageRequest;
    readonly key: KeyPlaces;
    readonly source: string;
    readonly parameters: Parameters;
    readonly separator: string;
    /** Of built candles: where the next page begins is known already. */
    readonly end: { readonly nextSince: number | null } | null;
  },
): Promise<CandlePage> {
  const { request, key, source, parameters, end } = asked;
  const { series, since, until, shape, numbers, from, now } = request;
  const { timeframe } = series;
  const text = candleTextExpression(shape, numbers, { hasPartial: from !== null });
  // Slots from the first opening time on; a slot that has not ended yet lacks nothing.
  const first = since === null ? null : ceilToTimeframe(since, timeframe);
  // Of a candle that is built and still forming, the parts that have ended.
  const last = Math.min(ceilToTimeframe(until, timeframe), floorToTimeframe(now, from ?? timeframe));
  const isLast = parameters.addMoment(last);
  const next = placeOfNext(request, end, parameters);
  const separator = parameters.add(asked.separator, 'text');
  const wanted = from !== null && shape === 'array' ? ' and not partial' : '';
  const statement = `
    with page as materialized (${source}),
    bounds as (select count(*)::int as count, min(timestamp) as first, ${next} as next from page)
    select
      (select string_agg(${text}, ${separator} order by timestamp) from page
        where (bounds.next is null or timestamp < bounds.next)${wanted}) as text,
      count - (case when next is not null and ${end === null ? 'true' : 'false'} then 1 else 0 end) as count,
      (date_part('epoch', next) * 1000)::float8 as next,
      ${gapsSubquery(
        key,
        'ohlcv',
        {
          since: first === null ? placeOfFirst(asked, isLast) : parameters.addMoment(first),
          until: `least(bounds.next, ${isLast})`,
        },
        {
          source: from === null ? 'page where true' : `ohlcv_data where ${matchesKey(key)}`,
          timeframe: from ?? timeframe,
          onlyWhereWhole: false,
        },
      )} as reading
    from bounds`;
  const [row] = await executeText<PageRow>(kysely, statement, parameters);
  if (!row) throw new Error('a page is one row');
  return {
    text: withoutNonFinite(row.text ?? '', shape, numbers),
    count: row.count,
    nextSince: row.next,
    answered: { since: row.reading.first, until: Math.max(row.reading.first, row.reading.last) },
    gaps: await listReadingGaps(kysely, candleKey({ ...series, timeframe: from ?? timeframe }), row.reading),
  };
}

/** Where the page of the newest candles begins, as SQL. */
function placeOfFirst(
  { request, key }: { readonly request: CandlePageRequest; readonly key: KeyPlaces },
  last: string,
): string {
  const { from, limit, series } = request;
  if (from !== null) return `coalesce(bounds.first, ${last})`;
  return `case when bounds.count >= ${limit} then bounds.first else ${startExpression(key, series.timeframe, { first: 'bounds.first', last })} end`;
}

/** Where the next page begins, as SQL over the page's rows: at the row that was read with one more than the limit. */
function placeOfNext(
  { since, limit }: CandlePageRequest,
  end: { readonly nextSince: number | null } | null,
  parameters: Parameters,
): string {
  if (since === null || (end !== null && end.nextSince === null)) return 'null::timestamptz';
  if (end !== null && end.nextSince !== null) return parameters.addMoment(end.nextSince);
  return `case when count(*) > ${parameters.add(limit, 'int')} then max(timestamp) end`;
}
