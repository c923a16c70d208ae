import { sql, type Kysely } from 'kysely';
import { isHypertable } from '../catalog.ts';
import type { Database } from '../schema.ts';

/**
 * Bytes of one row with its part of the indexes, measured on a million invented 1m candles and on a year of hourly
 * snapshots of 50 symbols, freshly loaded: what is assumed while a table is too small to be measured.
 */
export const ASSUMED_ROW_BYTES = { candle: 216, futures: 304 } as const;

/** Below, the pages that every table and index begins with weigh too much. */
const ENOUGH_ROWS = 10_000;

/** What rows cost on this server's disk. */
export class RowSizes {
  readonly #kysely: Kysely<Database>;

  constructor({ kysely }: { readonly kysely: Kysely<Database> }) {
    this.#kysely = kysely;
  }

  /**
   * Bytes per row of ohlcv_data and futures_data, by the planner's estimate of their rows; as assumed where a table
   * was never analysed or holds fewer than 10,000 rows. Reads no row.
   */
  async measure(): Promise<{ candle: number; futures: number }> {
    return {
      candle: (await this.#measure('ohlcv_data')) ?? ASSUMED_ROW_BYTES.candle,
      futures: (await this.#measure('futures_data')) ?? ASSUMED_ROW_BYTES.futures,
    };
  }

  async #measure(table: 'ohlcv_data' | 'futures_data'): Promise<number | null> {
    // A hypertable's rows lie in its chunks, which inherit from it.
    const parts = (await isHypertable(this.#kysely, table))
      ? sql`select inhrelid as oid from pg_inherits where inhparent = to_regclass(${table})`
      : sql`select to_regclass(${table})::oid as oid`;
    const { rows } = await sql<{ bytes: string | null; rows: number | null }>`
      select sum(pg_total_relation_size(c.oid))::text as bytes, sum(c.reltuples)::float8 as rows
      from (${parts}) as parts join pg_class c on c.oid = parts.oid
      where c.reltuples > 0`.execute(this.#kysely);
    const bytes = Number(rows[0]?.bytes ?? 0);
    const count = rows[0]?.rows ?? 0;
    return count < ENOUGH_ROWS ? null : Math.round(bytes / count);
  }
}
