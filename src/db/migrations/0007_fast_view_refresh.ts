import { sql, type Kysely } from 'kysely';
import { replaceRecentOhlcv } from '../migrator/recent-ohlcv-view.ts';

/**
 * recent_ohlcv with one column that is always NULL. REFRESH … CONCURRENTLY spends most of its time on a self-join that
 * looks for duplicate rows, in which only rows without any NULL take part: with this column none do, and 403,000 rows
 * take 2.0 instead of 7.9 s, as fast as a plain refresh that would lock readers out. The unique index still guards.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await replaceRecentOhlcv(db, {
    columns: sql`
      id, exchange, symbol, timeframe, timestamp, open, high, low, close, volume, created_at,
      null::boolean as always_null`,
    uniqueKey: sql`exchange, symbol, timeframe, timestamp`,
  });
}

/** The view without that column: slower to refresh, otherwise the same. */
export async function down(db: Kysely<unknown>): Promise<void> {
  await replaceRecentOhlcv(db, {
    columns: sql`id, exchange, symbol, timeframe, timestamp, open, high, low, close, volume, created_at`,
    uniqueKey: sql`exchange, symbol, timeframe, timestamp`,
  });
}
