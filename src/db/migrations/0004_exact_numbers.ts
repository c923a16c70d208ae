import { sql, type Kysely } from 'kysely';
import { createRecentOhlcv, createRefreshFunction, dropRecentOhlcv } from '../migrator/recent-ohlcv-view.ts';
import { replaceKey } from '../migrator/replace-key.ts';

/** A large feature_cache is read and written while its new key is built, so this runs step by step. */
export const transaction = false;

/**
 * What the predecessor's types lose: decimal(20,8) rounds 0.000000123456 to 0.00000012 without a word and refuses a
 * volume of 12345678901234. Dropping the limits changes the catalog only; no row is rewritten.
 *
 * feature_cache's primary key takes in `timestamp`, without which it can never become a hypertable.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  // First what others may stand in the way of: it fails before anything was changed.
  await db.transaction().execute(widenColumns);
  // Only now, without the locks on the tables. Until it is done the view cannot be read: columns that a view uses cannot
  // be altered, so it had to go.
  await sql`refresh materialized view recent_ohlcv`.execute(db);
  await replaceKey(db, {
    table: 'feature_cache',
    type: 'p',
    name: 'feature_cache_pkey',
    columns: ['id', 'timestamp'],
    replaces: ['id'],
  });
}

async function widenColumns(db: Kysely<unknown>): Promise<void> {
  const grants = await dropRecentOhlcv(db);
  await sql`
    alter table ohlcv_data
      alter column open type numeric, alter column high type numeric, alter column low type numeric,
      alter column close type numeric, alter column volume type numeric`.execute(db);
  await sql`
    alter table futures_data
      alter column open_interest type numeric, alter column open_interest_value type numeric,
      alter column funding_rate type numeric, alter column mark_price type numeric,
      alter column top_trader_ratio type numeric, alter column taker_buy_sell_ratio type numeric`.execute(db);
  await sql`
    alter table model_training_history
      alter column price_range_min type numeric, alter column price_range_max type numeric`.execute(db);
  await createRecentOhlcv(
    db,
    {
      columns: sql`id, symbol, timeframe, timestamp, open, high, low, close, volume, created_at`,
      uniqueKey: sql`symbol, timeframe, timestamp`,
    },
    grants,
  );
  await createRefreshFunction(db);
}
