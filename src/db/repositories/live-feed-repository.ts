import { sql, type Kysely } from 'kysely';
import type { Candle } from '../../market/candle.ts';
import type { Series } from '../../market/instrument.ts';
import { parseTimeframe, timeframeMs } from '../../market/timeframe.ts';
import type { Database } from '../schema.ts';
import { fromCandleRow, type CandleRow } from './candle-row.ts';
import { fromRewriteRow, type CandleRewrite } from './candle-rewrites-repository.ts';
import { inTransaction } from './coverage-rows.ts';
import { IS_LOST, WANTED } from './wanted-windows-repository.ts';

/** What the ledger says of the candles of one series in all. */
export interface SeriesLook {
  readonly series: Series;
  /** The end (epoch ms) of the newest stored range; null where nothing is stored. */
  readonly tail: number | null;
  /** Slots that are stored, and slots that are missing. */
  readonly have: number;
  readonly missing: number;
  /** Slots that are lost inside what is wanted: refused, or deleted by the exchange before they were stored. */
  readonly lost: number;
  /** From the first to the last missing slot, epoch ms; null where none is. */
  readonly gaps: { readonly since: number; readonly until: number } | null;
}

/** The state of all series at one moment. */
export interface LiveLook {
  /** Epoch ms by the database's clock, taken before the look. */
  readonly at: number;
  /** The id of the newest entry in candle_revisions, `0` where there is none. */
  readonly revision: string;
  readonly series: readonly SeriesLook[];
}

/** A candle and the series that it belongs to. */
export interface StoredCandle {
  readonly series: Series;
  readonly candle: Candle;
}

export interface StoredSince {
  readonly series: readonly Series[];
  /** Epoch ms by the database's clock. */
  readonly since: number;
  /** Looks at so many of the newest candles of each series. */
  readonly perSeries: number;
  readonly limit: number;
}

/** A look that takes longer is given up: the next one comes soon. */
const TIMEOUT_MS = 5_000;

/** What changed lately in ohlcv_data, whoever wrote it: for those who follow it live. */
export class LiveFeedRepository {
  readonly #kysely: Kysely<Database>;

  constructor({ kysely }: { readonly kysely: Kysely<Database> }) {
    this.#kysely = kysely;
  }

  /** Sums up the ledger in one pass over it; no candle is read. Series whose timeframe is none of ours are left out. */
  async look(): Promise<LiveLook> {
    return await this.#bounded(async (kysely) => {
      const { rows: moments } = await sql<{ at: Date; revision: string }>`
        select clock_timestamp() as at, coalesce((select max(id) from candle_revisions), 0)::text as revision`.execute(
        kysely,
      );
      const { rows } = await sql<LookRow>`
        select exchange, symbol, timeframe,
          max(until) filter (where state = 'have') as tail,
          coalesce(sum(extract(epoch from until - since)) filter (where state = 'have'), 0)::float8 as have,
          coalesce(sum(extract(epoch from until - since)) filter (where state = 'missing'), 0)::float8 as missing,
          coalesce(sum(extract(epoch from until - greatest(since, wanted_since))) filter (where ${sql.raw(IS_LOST)}), 0)::float8 as lost,
          min(since) filter (where state = 'missing') as gaps_since,
          max(until) filter (where state = 'missing') as gaps_until
        from coverage left join ${sql.raw(WANTED)} using (exchange, symbol, timeframe, metric)
        where metric = 'ohlcv' group by exchange, symbol, timeframe`.execute(kysely);
      return {
        at: moments[0]?.at.getTime() ?? 0,
        revision: moments[0]?.revision ?? '0',
        series: rows.map(toLook).filter((look) => look !== null),
      };
    });
  }

  /**
   * The candles that were inserted since a moment, of those that are among the newest `perSeries` of their series;
   * oldest first, at most `limit`. Rewritten candles are not among them.
   */
  async listStoredSince({ series, since, perSeries, limit }: StoredSince): Promise<StoredCandle[]> {
    if (series.length === 0) return [];
    const column = (name: keyof Series) => series.map((each) => each[name]);
    return await this.#bounded(async (kysely) => {
      const { rows } = await sql<CandleRow & Record<keyof Series, string>>`
        select wanted.exchange, wanted.symbol, wanted.timeframe, newest.timestamp,
          newest.open, newest.high, newest.low, newest.close, newest.volume
        from unnest(${column('exchange')}::text[], ${column('symbol')}::text[], ${column('timeframe')}::text[])
          as wanted (exchange, symbol, timeframe)
        cross join lateral (
          select * from ohlcv_data as stored
          where stored.exchange = wanted.exchange and stored.symbol = wanted.symbol
            and stored.timeframe = wanted.timeframe
          order by stored.timestamp desc limit ${perSeries}
        ) as newest
        where newest.created_at >= ${new Date(since)}
        order by newest.timestamp, wanted.exchange, wanted.symbol, wanted.timeframe limit ${limit}`.execute(kysely);
      return rows.map(({ exchange, symbol, timeframe, ...row }) => ({
        series: { exchange, symbol, timeframe: parseTimeframe(timeframe) },
        candle: fromCandleRow(row),
      }));
    });
  }

  /** The first `limit` entries of candle_revisions after this id, in the order in which they were written. */
  async listRevisions(after: string, limit: number): Promise<CandleRewrite[]> {
    return await this.#bounded(async (kysely) => {
      const rows = await kysely
        .selectFrom('candle_revisions')
        .selectAll()
        .where('id', '>', after)
        .orderBy('id')
        .limit(limit)
        .execute();
      return rows.map(fromRewriteRow);
    });
  }

  async #bounded<T>(fn: (kysely: Kysely<Database>) => Promise<T>): Promise<T> {
    return await inTransaction(this.#kysely, async (transaction) => {
      await sql`set local statement_timeout = ${sql.lit(TIMEOUT_MS)}`.execute(transaction);
      return await fn(transaction);
    });
  }
}

interface LookRow {
  readonly exchange: string;
  readonly symbol: string;
  readonly timeframe: string;
  readonly tail: Date | null;
  /** Seconds. */
  readonly have: number;
  readonly missing: number;
  readonly lost: number;
  readonly gaps_since: Date | null;
  readonly gaps_until: Date | null;
}

function toLook({ exchange, symbol, timeframe, tail, have, missing, lost, gaps_since, gaps_until }: LookRow) {
  let series: Series;
  try {
    series = { exchange, symbol, timeframe: parseTimeframe(timeframe) };
  } catch {
    return null;
  }
  const countSlots = (seconds: number) => Math.ceil((seconds * 1000) / timeframeMs(series.timeframe));
  return {
    series,
    tail: tail?.getTime() ?? null,
    have: countSlots(have),
    missing: countSlots(missing),
    lost: countSlots(lost),
    gaps: gaps_since && gaps_until && { since: gaps_since.getTime(), until: gaps_until.getTime() },
  };
}
