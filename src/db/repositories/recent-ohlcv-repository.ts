import { sql, type Kysely } from 'kysely';
import { sqlStateOf } from '../../errors.ts';
import type { Candle } from '../../market/candle.ts';
import type { Series } from '../../market/instrument.ts';
import type { TimeRange } from '../../market/time-range.ts';
import type { Database } from '../schema.ts';
import { CANDLE_COLUMNS, fromCandleRow } from './candle-row.ts';

/** What PostgreSQL answers to a concurrent refresh of a view that was never populated. */
const FEATURE_NOT_SUPPORTED = '0A000';

/** recent_ohlcv: a materialized copy of the last seven days of ohlcv_data, as of its last refresh. */
export class RecentOhlcvRepository {
  readonly #kysely: Kysely<Database>;

  constructor({ kysely }: { readonly kysely: Kysely<Database> }) {
    this.#kysely = kysely;
  }

  /**
   * Brings the view up to date through refresh_recent_ohlcv(), which any role may run: concurrently, so that readers
   * go on, or plainly where the view was never populated (then there is nothing to read yet).
   */
  async refresh(): Promise<void> {
    try {
      await sql`select refresh_recent_ohlcv()`.execute(this.#kysely);
    } catch (error) {
      // A function as the predecessor made it cannot do the first population; only the view's owner can.
      if (sqlStateOf(error) !== FEATURE_NOT_SUPPORTED || (await this.isPopulated())) throw error;
      await sql`refresh materialized view recent_ohlcv`.execute(this.#kysely);
    }
  }

  /** Whether the view has ever been refreshed. Until then `list` fails with SQLSTATE 55000. */
  async isPopulated(): Promise<boolean> {
    const { rows } = await sql<{ relispopulated: boolean }>`
      select relispopulated from pg_class where oid = 'recent_ohlcv'::regclass`.execute(this.#kysely);
    return rows[0]?.relispopulated ?? false;
  }

  /** Rows in the view; zero where it was never populated. */
  async countRows(): Promise<number> {
    if (!(await this.isPopulated())) return 0;
    const row = await this.#kysely
      .selectFrom('recent_ohlcv')
      .select(({ fn }) => fn.countAll<string>().as('count'))
      .executeTakeFirstOrThrow();
    return Number(row.count);
  }

  /** The first `limit` candles of the range that the view holds, oldest first. */
  async list(series: Series, range: TimeRange, limit: number): Promise<Candle[]> {
    const rows = await this.#kysely
      .selectFrom('recent_ohlcv')
      .select(CANDLE_COLUMNS)
      .where('exchange', '=', series.exchange)
      .where('symbol', '=', series.symbol)
      .where('timeframe', '=', series.timeframe)
      .where('timestamp', '>=', new Date(range.since))
      .where('timestamp', '<', new Date(range.until))
      .orderBy('timestamp')
      .limit(limit)
      .execute();
    return rows.map(fromCandleRow);
  }

  /** The newest `limit` candles that the view holds and that open before a moment (epoch ms), oldest first. */
  async listNewest(series: Series, limit: number, before: number): Promise<Candle[]> {
    const rows = await this.#kysely
      .selectFrom('recent_ohlcv')
      .select(CANDLE_COLUMNS)
      .where('exchange', '=', series.exchange)
      .where('symbol', '=', series.symbol)
      .where('timeframe', '=', series.timeframe)
      .where('timestamp', '<', new Date(before))
      .orderBy('timestamp', 'desc')
      .limit(limit)
      .execute();
    return rows.map(fromCandleRow).reverse();
  }
}
