import type { Kysely } from 'kysely';
import { replaceIndex } from '../migrator/replace-index.ts';

/** The new index of a large table is built while it is read and written. */
export const transaction = false;

/**
 * Time indexes ascend instead of descend: rows arrive in ascending order, so a descending index grows at its left edge,
 * which costs 15 to 50 % of the loading speed; a btree is read backwards as fast, so the same queries are served.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await replaceIndex(db, { table: 'ohlcv_data', name: 'idx_ohlcv_symbol_time', columns: ['symbol', 'timestamp'] });
  await replaceIndex(db, { table: 'futures_data', name: 'idx_futures_symbol_time', columns: ['symbol', 'timestamp'] });
}
