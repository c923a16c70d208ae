import { sql, type Kysely } from 'kysely';
import { findKey, listKeys } from '../catalog.ts';
import { createRecentOhlcv, createRefreshFunction, dropRecentOhlcv } from '../migrator/recent-ohlcv-view.ts';

/**
 * What the predecessor's types lose: decimal(20,8) rounds 0.000000123456 to 0.00000012 without a word and refuses a
 * volume of 12345678901234. Dropping the limits changes the catalog only; no row is rewritten.
 *
 * feature_cache's primary key takes in `timestamp`, without which it can never become a hypertable.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
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
  await rekeyFeatureCache(db);
  // Not populated here: that would read a week of candles while the locks above keep every reader out.
  await createRecentOhlcv(db, {
    columns: sql`id, symbol, timeframe, timestamp, open, high, low, close, volume, created_at`,
    uniqueKey: sql`symbol, timeframe, timestamp`,
    grants,
    populate: false,
  });
  await createRefreshFunction(db);
}

async function rekeyFeatureCache(db: Kysely<unknown>): Promise<void> {
  if (await findKey(db, 'feature_cache', 'p', ['id', 'timestamp'])) return;
  const primaryKey = (await listKeys(db, 'feature_cache')).find((key) => key.type === 'p');
  if (primaryKey) await sql`alter table feature_cache drop constraint ${sql.id(primaryKey.name)}`.execute(db);
  await sql`alter table feature_cache add constraint feature_cache_pkey primary key (id, timestamp)`.execute(db);
}
