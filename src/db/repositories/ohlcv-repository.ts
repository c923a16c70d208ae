import { sql, type Kysely } from 'kysely';
import type { Candle } from '../../market/candle.ts';
import type { Decimal } from '../../market/decimal.ts';
import type { Series } from '../../market/instrument.ts';
import type { TimeRange } from '../../market/time-range.ts';
import { parseTimeframe, type Timeframe } from '../../market/timeframe.ts';
import type { Database } from '../schema.ts';
import { CANDLE_COLUMNS, fromCandleRow } from './candle-row.ts';
import { findCandleGaps } from './find-candle-gaps.ts';
import { readCandlePage, type CandlePage, type CandlePageRequest } from './read-candle-page.ts';
import { readRangeState, type RangeState, type RangeStateRequest } from './read-range-state.ts';
import { listSeriesCompleteness, type SeriesCompleteness } from './series-completeness.ts';
import { streamCandleText, type CandleLines, type CandleTextRequest } from './stream-candle-text.ts';
import { streamCandles } from './stream-candles.ts';

/** The opening times (epoch ms) of a series' oldest and newest candle. */
export interface Bounds {
  readonly first: number;
  readonly last: number;
}

/** What is stored of a series. */
export interface StoredRows extends Bounds {
  /** Rows. */
  readonly count: number;
}

/** A stored series with where it begins and ends. */
export interface StoredSeries extends Series, Bounds {
  /** The close of its newest candle. */
  readonly lastClose: Decimal;
}

/** ohlcv_data, to read: every candle that was stored, each (exchange, symbol, timeframe, opening time) once. */
export class OhlcvRepository {
  readonly #kysely: Kysely<Database>;

  constructor({ kysely }: { readonly kysely: Kysely<Database> }) {
    this.#kysely = kysely;
  }

  /** The first `limit` candles of the range, oldest first. */
  async list(series: Series, range: TimeRange, limit: number): Promise<Candle[]> {
    const rows = await this.#selectCandles(series)
      .where('timestamp', '>=', new Date(range.since))
      .where('timestamp', '<', new Date(range.until))
      .orderBy('timestamp')
      .limit(limit)
      .execute();
    return rows.map(fromCandleRow);
  }

  /** The newest `limit` candles of the series (those that open before `before`, epoch ms), oldest of them first. */
  async listNewest(series: Series, limit: number, before?: number): Promise<Candle[]> {
    let query = this.#selectCandles(series).orderBy('timestamp', 'desc').limit(limit);
    if (before !== undefined) query = query.where('timestamp', '<', new Date(before));
    const rows = await query.execute();
    return rows.map(fromCandleRow).reverse();
  }

  /**
   * All candles of the range, oldest first, in pages of up to 20,000, at the speed of COPY. No connection is held
   * between pages, so the consumer may take its time or stop; a row written meanwhile behind the page is not seen.
   */
  stream(series: Series, range: TimeRange): AsyncGenerator<Candle[], void> {
    return streamCandles(this.#kysely, series, range);
  }

  /** A page as JSON or CSV text that the server wrote, with the gaps in it: see `readCandlePage`. */
  readPage(request: CandlePageRequest): Promise<CandlePage> {
    return readCandlePage(this.#kysely, request);
  }

  /** All candles of the range as lines of text, in pages: see `streamCandleText`. */
  streamText(request: CandleTextRequest): AsyncGenerator<CandleLines, void> {
    return streamCandleText(this.#kysely, request);
  }

  /** The gaps of a range of any size, and a digest that changes when its candles do: see `readRangeState`. */
  readRangeState(request: RangeStateRequest): Promise<RangeState> {
    return readRangeState(this.#kysely, request);
  }

  async findLatest(series: Series): Promise<Candle | null> {
    const [candle] = await this.listNewest(series, 1);
    return candle ?? null;
  }

  /** What is stored of the series, or of its part inside `range`; null where nothing is. Counts by reading the index. */
  async findStoredRows(series: Series, range?: TimeRange): Promise<StoredRows | null> {
    let query = this.#kysely
      .selectFrom('ohlcv_data')
      .select(({ fn }) => [
        fn.min('timestamp').as('first'),
        fn.max('timestamp').as('last'),
        fn.countAll<string>().as('count'),
      ])
      .where('exchange', '=', series.exchange)
      .where('symbol', '=', series.symbol)
      .where('timeframe', '=', series.timeframe);
    if (range)
      query = query.where('timestamp', '>=', new Date(range.since)).where('timestamp', '<', new Date(range.until));
    const row = await query.executeTakeFirstOrThrow();
    const [first, last] = [row.first as Date | null, row.last as Date | null];
    return first && last && { first: first.getTime(), last: last.getTime(), count: Number(row.count) };
  }

  /**
   * Every stored series (of one market, where it is given) with its oldest and newest candle, ordered by exchange,
   * symbol, timeframe. Cheap on any number of rows: it skips through the primary key from series to series. Rows whose
   * timeframe is none of ours are left out.
   */
  async listBounds(market?: { readonly exchange: string; readonly symbol: string }): Promise<StoredSeries[]> {
    const { rows } = await sql<SeriesRow & { first: Date; last: Date; last_close: Decimal }>`${distinctSeries(market)}
      select s.*, oldest.timestamp as first, newest.timestamp as last, newest.close as last_close
      from series as s
      cross join lateral (
        select timestamp from ohlcv_data where exchange = s.exchange and symbol = s.symbol and timeframe = s.timeframe
        order by timestamp limit 1
      ) as oldest
      cross join lateral (
        select timestamp, close from ohlcv_data
        where exchange = s.exchange and symbol = s.symbol and timeframe = s.timeframe
        order by timestamp desc limit 1
      ) as newest
      order by exchange, symbol, timeframe`.execute(this.#kysely);
    return rows.flatMap((row) => {
      const series = toSeries(row);
      if (!series) return [];
      return [{ ...series, first: row.first.getTime(), last: row.last.getTime(), lastClose: row.last_close }];
    });
  }

  /** From when on each series is complete, and how much of it is lost: see `listSeriesCompleteness`. */
  listCompleteness(): Promise<SeriesCompleteness[]> {
    return listSeriesCompleteness(this.#kysely);
  }

  /** How much (ms) of each range of one market the ledger calls a gap, in the order of the ranges. */
  async sumGaps(
    market: { readonly exchange: string; readonly symbol: string },
    ranges: readonly (TimeRange & { readonly timeframe: Timeframe })[],
  ): Promise<number[]> {
    const moments = (name: keyof TimeRange) => ranges.map((range) => new Date(range[name]));
    const { rows } = await sql<{ ms: number }>`
      select (
        select coalesce(sum(extract(epoch from least(c.until, wanted.until) - greatest(c.since, wanted.since))), 0) * 1000
        from coverage as c
        where c.exchange = ${market.exchange} and c.symbol = ${market.symbol} and c.timeframe = wanted.timeframe
          and c.metric = 'ohlcv' and c.state not in ('have', 'confirmed_empty')
          and c.since < wanted.until and c.until > wanted.since
      )::float8 as ms
      from unnest(${ranges.map(({ timeframe }) => timeframe)}::text[], ${moments('since')}::timestamptz[],
        ${moments('until')}::timestamptz[]) with ordinality as wanted (timeframe, since, until, place)
      order by place`.execute(this.#kysely);
    return rows.map(({ ms }) => ms);
  }

  /**
   * `listBounds` with the number of rows of each series. Counting reads the whole index, about a second for ten
   * million rows: not for an endpoint that is asked often; `listBounds` is.
   */
  async listStoredRows(): Promise<(Series & StoredRows)[]> {
    const { rows } = await sql<SeriesRow & { first: Date; last: Date; count: string }>`
      select exchange, symbol, timeframe, min(timestamp) as first, max(timestamp) as last, count(*) as count
      from ohlcv_data group by exchange, symbol, timeframe order by exchange, symbol, timeframe`.execute(this.#kysely);
    return rows.flatMap((row) => {
      const series = toSeries(row);
      return series
        ? [{ ...series, first: row.first.getTime(), last: row.last.getTime(), count: Number(row.count) }]
        : [];
    });
  }

  /**
   * The opening times of the timeframe's grid inside the range that have no row, as half-open ranges on the grid,
   * oldest first. Reads the range once; rows off the grid do not count.
   */
  listGaps(series: Series, range: TimeRange): Promise<TimeRange[]> {
    return findCandleGaps(this.#kysely, series, range);
  }

  #selectCandles(series: Series) {
    return this.#kysely
      .selectFrom('ohlcv_data')
      .select(CANDLE_COLUMNS)
      .where('exchange', '=', series.exchange)
      .where('symbol', '=', series.symbol)
      .where('timeframe', '=', series.timeframe);
  }
}

interface SeriesRow {
  readonly exchange: string;
  readonly symbol: string;
  readonly timeframe: string;
}

/** The predecessor wrote this table too, and its owner may: a timeframe that we cannot read is not a series of ours. */
function toSeries({ exchange, symbol, timeframe }: SeriesRow): Series | null {
  try {
    return { exchange, symbol, timeframe: parseTimeframe(timeframe) };
  } catch {
    return null;
  }
}

/**
 * PostgreSQL has no skip scan before version 18: a recursive query that looks for the next key after the last one
 * reads one index entry per series. https://wiki.postgresql.org/wiki/Loose_indexscan
 */
function distinctSeries(market?: { readonly exchange: string; readonly symbol: string }) {
  const mine = market ? sql`exchange = ${market.exchange} and symbol = ${market.symbol}` : sql`true`;
  return sql`
  with recursive series as (
    (select exchange, symbol, timeframe from ohlcv_data where ${mine} order by exchange, symbol, timeframe limit 1)
    union all
    select following.* from series as s cross join lateral (
      select exchange, symbol, timeframe from ohlcv_data
      where (exchange, symbol, timeframe) > (s.exchange, s.symbol, s.timeframe) and ${mine}
      order by exchange, symbol, timeframe limit 1
    ) as following
  )`;
}
