import { readFile } from 'node:fs/promises';
import { Client } from 'pg';

const INIT_SQL = new URL('../../../docker/init.sql', import.meta.url);

/** The predecessor's last Alembic revision. */
const ALEMBIC_HEAD = '3c4d5e6f7081';

/** What its revisions 0002 and 0003 added to what docker/init.sql makes, and its mark. */
const ALEMBIC_TABLES = `
  alter table prediction_outcomes add constraint prediction_outcomes_prediction_id_key unique (prediction_id);
  create table futures_data (
    id serial not null, symbol text not null, timestamp timestamptz not null,
    open_interest decimal(20,8), open_interest_value decimal(20,8), funding_rate decimal(10,8),
    mark_price decimal(20,8), top_trader_ratio decimal(10,4), taker_buy_sell_ratio decimal(10,4),
    created_at timestamptz default now(), primary key (id, timestamp), unique (symbol, timestamp));
  create index idx_futures_symbol_time on futures_data (symbol, timestamp desc);
  create table alembic_version (version_num varchar(32) not null primary key);
  insert into alembic_version values ('${ALEMBIC_HEAD}');`;

/** As the predecessor made it where TimescaleDB was there: on time and three space partitions. */
const HYPERTABLE = `select create_hypertable('ohlcv_data', 'timestamp', 'symbol', 3)`;

/** Series in ohlcv_data, named `C0/USDT` and so on. */
export const SERIES = 5;

/** One row of another table for so many of ohlcv_data. */
const OTHERS_SHARE = 20;

export interface PredecessorOptions {
  /**
   * Rows in ohlcv_data, 1m candles up to now; feature_cache, futures_data, predictions and system_errors hold a
   * twentieth each.
   */
  readonly rows: number;
  /** Makes ohlcv_data a hypertable, which takes a server with TimescaleDB. */
  readonly hypertable: boolean;
}

/** Makes the predecessor's database at its Alembic head in an empty one, settled as one that has been in use. */
export async function createPredecessorDatabase(url: string, { rows, hypertable }: PredecessorOptions): Promise<void> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query(await readFile(INIT_SQL, 'utf8'));
    await client.query(ALEMBIC_TABLES);
    if (hypertable) await client.query(HYPERTABLE);
    await client.query(
      `insert into ohlcv_data (symbol, timeframe, timestamp, open, high, low, close, volume)
       select 'C' || s || '/USDT', '1m', date_trunc('minute', now()) - ($1::int - i) * interval '1 minute',
         p, p + 0.5, p - 0.5, p + 0.25, 1 + i % 1000 / 7.0
       from generate_series(0, $2::int - 1) s, generate_series(1, $1::int) i,
         lateral (select 100 * (s + 1) + 10 * sin(i / 500.0)::numeric as p) price`,
      [Math.ceil(rows / SERIES), SERIES],
    );
    const others = [Math.ceil(rows / OTHERS_SHARE)];
    await client.query(
      `insert into feature_cache (symbol, timestamp, feature_set, feature_version)
       select 'C0/USDT', date_trunc('minute', now()) - i * interval '1 minute',
         jsonb_build_object('rsi', i % 100, 'macd', i % 77 / 7.0, 'atr', i % 13), 'v1' from generate_series(1, $1::int) i`,
      others,
    );
    await client.query(
      `insert into futures_data (symbol, timestamp, open_interest, open_interest_value, funding_rate, mark_price)
       select 'C0/USDT', date_trunc('minute', now()) - i * interval '1 minute', 75375.617 + i, 1000.5 * i, 0.0001, 100 + i % 100
       from generate_series(1, $1::int) i`,
      others,
    );
    await client.query(
      `insert into predictions (symbol, target_pct, timestamp, model_name, prediction_class, probability, confidence)
       select 'C0/USDT', 0.015, date_trunc('minute', now()) - i * interval '1 minute', 'xgb', i % 2, 0.6, 0.7
       from generate_series(1, $1::int) i`,
      others,
    );
    await client.query(
      `insert into system_errors (timestamp, logger_name, level, message)
       select now() - i * interval '1 minute', 'app', 'ERROR', 'something was not there' from generate_series(1, $1::int) i`,
      others,
    );
    await client.query('refresh materialized view recent_ohlcv');
    await client.query('vacuum analyze');
    await client.query('checkpoint');
  } finally {
    await client.end();
  }
}
