import { sql, type Kysely } from 'kysely';

/**
 * futures_data, which earlier databases may hold already because the predecessor's runtime code made it.
 * Its hypertable is a deferrable step.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table if not exists futures_data (
      id serial not null,
      symbol text not null,
      timestamp timestamptz not null,
      open_interest decimal(20,8),
      open_interest_value decimal(20,8),
      funding_rate decimal(10,8),
      mark_price decimal(20,8),
      top_trader_ratio decimal(10,4),
      taker_buy_sell_ratio decimal(10,4),
      created_at timestamptz default now(),
      primary key (id, timestamp),
      unique (symbol, timestamp)
    )`.execute(db);
  await sql`create index if not exists idx_futures_symbol_time on futures_data (symbol, timestamp desc)`.execute(db);
}
