import { readFile } from 'node:fs/promises';
import { execute } from './postgres.ts';

const INIT_SQL = new URL('../../docker/init.sql', import.meta.url);

/** What the predecessor's Alembic writes; its three revisions. */
const ALEMBIC = { 1: '1a2b3c4d5e6f', 2: '2b3c4d5e6f70', 3: '3c4d5e6f7081' } as const;

const FUTURES_TABLE = `
  create table futures_data (
    id serial not null, symbol text not null, timestamp timestamptz not null,
    open_interest decimal(20,8), open_interest_value decimal(20,8), funding_rate decimal(10,8),
    mark_price decimal(20,8), top_trader_ratio decimal(10,4), taker_buy_sell_ratio decimal(10,4),
    created_at timestamptz default now(), primary key (id, timestamp), unique (symbol, timestamp));
  create index idx_futures_symbol_time on futures_data (symbol, timestamp desc);`;

const UNIQUE_OUTCOMES = `
  alter table prediction_outcomes add constraint prediction_outcomes_prediction_id_key unique (prediction_id);`;

const FUTURES_ROWS = `
  insert into futures_data (symbol, timestamp, open_interest, funding_rate, mark_price)
  select 'BTC/USDT', timestamptz '2026-01-01Z' + i * interval '1 hour', 75375.617 + i, 0.0001, 45802.81129892 + i
  from generate_series(0, 199) i;`;

/** Rows in every table that data can be lost from. */
const ROWS = `
  insert into ohlcv_data (symbol, timeframe, timestamp, open, high, low, close, volume)
  select s, '1h', timestamptz '2026-01-01Z' + i * interval '1 hour', 100.12345678 + i, 101 + i, 99 + i, 100.5 + i, i * 0.00000001
  from unnest(array['BTC/USDT', 'ETH/USDT']) s, generate_series(0, 499) i;
  insert into ohlcv_data (symbol, timeframe, timestamp, open, high, low, close, volume)
  select 'SOL/USDT', '1h', date_trunc('hour', now()) - i * interval '1 hour', 20, 21, 19, 20.5, 1000 from generate_series(1, 24) i;
  insert into feature_cache (symbol, timestamp, feature_set, feature_version)
  select 'BTC/USDT', timestamptz '2026-01-01Z' + i * interval '1 hour', jsonb_build_object('rsi', i), 'v1' from generate_series(0, 99) i;
  insert into predictions (symbol, target_pct, timestamp, model_name, prediction_class, probability, confidence)
  select 'BTC/USDT', 0.015, timestamptz '2026-01-01Z' + i * interval '1 hour', 'xgb', i % 2, 0.6, 0.7 from generate_series(0, 49) i;
  insert into prediction_outcomes (prediction_id, actual_outcome) select id, 1 from predictions;
  insert into telegram_reports (report_type, content, success) values ('hourly', 'all well', true);
  insert into model_performance (symbol, target_pct, model_name, evaluation_date, accuracy) values ('BTC/USDT', 0.015, 'xgb', '2026-01-02', 0.61);
  insert into system_errors (logger_name, level, message) values ('app', 'ERROR', 'boom');
  insert into system_health (cpu_percent) values (12.5);
  insert into model_training_history (symbol, target_pct, trained_at, model_filename, training_samples, features_count,
    date_range_start, date_range_end, price_range_min, price_range_max, target_distribution, cv_accuracy, cv_std,
    final_accuracy, "precision", recall, f1_score, top_features, model_config)
  values ('BTC/USDT', 0.015, now(), 'm.pkl', 1, 2, now(), now(), 1.5, 2.5, '{}', 0.5, 0.1, 0.6, 0.6, 0.6, 0.6, '[]', '{}');
  refresh materialized view recent_ohlcv;`;

export const DUPLICATE_OUTCOMES = `
  insert into prediction_outcomes (prediction_id, actual_outcome, completed_at)
  select id, 0, now() - interval '1 day' from predictions order by id limit 5;`;

export interface StartState {
  readonly name: string;
  /** True where only a server with TimescaleDB can have it. */
  readonly needsTimescale: boolean;
  /** Makes it in an empty database. */
  create(url: string): Promise<void>;
}

function state(name: string, sql: (seed: string) => string, needsTimescale = false): StartState {
  return {
    name,
    needsTimescale,
    async create(url) {
      const text = sql(await readFile(INIT_SQL, 'utf8'));
      if (text !== '') await execute(url, text);
    },
  };
}

function alembic(revision: keyof typeof ALEMBIC): string {
  return `create table alembic_version (version_num varchar(32) not null primary key);
    insert into alembic_version values ('${ALEMBIC[revision]}');`;
}

const HYPERTABLES = `
  select create_hypertable('ohlcv_data', 'timestamp', 'symbol', 3, migrate_data => true);`;

/** Every kind of database that the service meets on boot (see docs/migrations.md). */
export const START_STATES: readonly StartState[] = [
  state('empty', () => ''),
  state('made by docker/init.sql, no rows', (seed) => seed),
  state('made by docker/init.sql, with rows', (seed) => seed + ROWS),
  state('Alembic 0001', (seed) => seed + ROWS + alembic(1)),
  state(
    'Alembic 0001 with futures_data made by runtime code',
    (seed) => seed + ROWS + FUTURES_TABLE + FUTURES_ROWS + alembic(1),
  ),
  state('Alembic 0002', (seed) => seed + ROWS + UNIQUE_OUTCOMES + alembic(2)),
  state('Alembic 0003', (seed) => seed + ROWS + UNIQUE_OUTCOMES + FUTURES_TABLE + FUTURES_ROWS + alembic(3)),
  state('Alembic 0002 that skipped the constraint, mended since', (seed) => seed + ROWS + alembic(2)),
  state(
    'Alembic 0003 with a hypertable in space partitions',
    (seed) => seed + HYPERTABLES + ROWS + UNIQUE_OUTCOMES + FUTURES_TABLE + FUTURES_ROWS + alembic(3),
    true,
  ),
  state(
    'Alembic 0003 with futures_data as a hypertable',
    (seed) =>
      seed +
      ROWS +
      UNIQUE_OUTCOMES +
      FUTURES_TABLE +
      `select create_hypertable('futures_data', 'timestamp');` +
      FUTURES_ROWS +
      alembic(3),
    true,
  ),
];

/** A fingerprint of all rows of each table, by values: numbers that are equal count as equal however they are written. */
export async function fingerprintRows(url: string): Promise<Record<string, string>> {
  const columns: Record<string, string> = {
    ohlcv_data: `symbol, timeframe, timestamp, trim_scale(open), trim_scale(high), trim_scale(low), trim_scale(close), trim_scale(volume), id`,
    feature_cache: 'id, symbol, timestamp, feature_set, feature_version',
    predictions: 'id, symbol, target_pct, timestamp, model_name, prediction_class, probability',
    prediction_outcomes: 'id, prediction_id, actual_outcome, completed_at',
    telegram_reports: 'id, report_type, content, success',
    model_performance: 'id, symbol, model_name, evaluation_date, accuracy',
    system_errors: 'id, logger_name, level, message',
    system_health: 'id, cpu_percent',
    model_training_history: 'id, symbol, model_filename, trim_scale(price_range_min), trim_scale(price_range_max)',
    futures_data: 'id, symbol, timestamp, trim_scale(open_interest), trim_scale(funding_rate), trim_scale(mark_price)',
  };
  const result: Record<string, string> = {};
  for (const [table, list] of Object.entries(columns)) {
    const [found] = await execute(url, `select to_regclass('${table}') is not null as there`);
    if (!found?.['there']) continue;
    const [row] = await execute(
      url,
      `select count(*) || ' ' || coalesce(md5(string_agg(md5(row(${list})::text), '' order by md5(row(${list})::text))), '') as f from ${table}`,
    );
    result[table] = String(row?.['f']);
  }
  return result;
}
