import { sql, type Kysely } from 'kysely';

/**
 * The core tables, indexes, materialized view and refresh function, with the types and keys of the predecessor (a Flask
 * and Alembic service). Whatever already stands is left as it is, so that the predecessor's databases pass unchanged.
 * Hypertables are deferrable steps: see ../migrator/steps/.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await createMarketTables(db);
  await createModelTables(db);
  await createOperationTables(db);
  await createRecentView(db);
}

async function createMarketTables(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table if not exists ohlcv_data (
      id bigserial not null,
      symbol text not null,
      timeframe text not null,
      timestamp timestamptz not null,
      open decimal(20,8) not null,
      high decimal(20,8) not null,
      low decimal(20,8) not null,
      close decimal(20,8) not null,
      volume decimal(20,8) not null,
      created_at timestamptz default now(),
      primary key (symbol, timeframe, timestamp)
    )`.execute(db);
  await sql`create index if not exists idx_ohlcv_symbol_time on ohlcv_data (symbol, timestamp desc)`.execute(db);

  await sql`
    create table if not exists feature_cache (
      id bigserial not null,
      symbol text not null,
      timestamp timestamptz not null,
      feature_set jsonb not null,
      feature_version text not null,
      created_at timestamptz default now(),
      primary key (id),
      unique (timestamp, symbol, feature_version)
    )`.execute(db);
  await sql`
    create index if not exists idx_feature_cache_symbol_time on feature_cache (symbol, timestamp desc)`.execute(db);
}

async function createModelTables(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table if not exists predictions (
      id bigserial not null,
      symbol text not null,
      target_pct decimal(4,3) not null,
      timestamp timestamptz not null,
      model_name text not null,
      prediction_class integer not null,
      probability decimal(5,4) not null,
      confidence decimal(5,4) not null,
      features_used jsonb,
      created_at timestamptz default now(),
      primary key (id),
      unique (symbol, target_pct, timestamp, model_name)
    )`.execute(db);
  await sql`
    create index if not exists idx_predictions_symbol_target_time
    on predictions (symbol, target_pct, timestamp desc)`.execute(db);
  await sql`
    create index if not exists idx_predictions_features on predictions using gin (features_used)`.execute(db);

  await sql`
    create table if not exists prediction_outcomes (
      id bigserial not null,
      prediction_id bigint references predictions (id),
      actual_outcome integer,
      target_hit_timestamp timestamptz,
      time_to_target_hours decimal(6,2),
      max_favorable_move decimal(6,4),
      max_adverse_move decimal(6,4),
      completed_at timestamptz default now(),
      primary key (id)
    )`.execute(db);
  await sql`create index if not exists idx_outcomes_prediction on prediction_outcomes (prediction_id)`.execute(db);

  await sql`
    create table if not exists model_performance (
      id bigserial not null,
      symbol text not null,
      target_pct decimal(4,3) not null,
      model_name text not null,
      evaluation_date date not null,
      accuracy decimal(5,4),
      precision_up decimal(5,4),
      precision_down decimal(5,4),
      recall_up decimal(5,4),
      recall_down decimal(5,4),
      f1_up decimal(5,4),
      f1_down decimal(5,4),
      total_predictions integer,
      avg_time_to_target_hours decimal(6,2),
      hit_rate decimal(5,4),
      created_at timestamptz default now(),
      primary key (id),
      unique (symbol, target_pct, model_name, evaluation_date)
    )`.execute(db);
  await sql`
    create index if not exists idx_performance_symbol_target_model
    on model_performance (symbol, target_pct, model_name, evaluation_date desc)`.execute(db);

  await sql`
    create table if not exists model_training_history (
      id bigserial not null,
      symbol varchar(20) not null,
      target_pct decimal(4,3) not null,
      trained_at timestamptz not null,
      model_filename varchar(100) not null,
      training_samples integer not null,
      features_count integer not null,
      date_range_start timestamptz not null,
      date_range_end timestamptz not null,
      price_range_min decimal(20,8) not null,
      price_range_max decimal(20,8) not null,
      target_distribution jsonb not null,
      cv_accuracy decimal(5,4) not null,
      cv_std decimal(5,4) not null,
      final_accuracy decimal(5,4) not null,
      "precision" decimal(5,4) not null,
      recall decimal(5,4) not null,
      f1_score decimal(5,4) not null,
      top_features jsonb not null,
      model_config jsonb not null,
      created_at timestamptz default now(),
      primary key (id)
    )`.execute(db);
  await sql`
    create index if not exists idx_training_history_symbol_target
    on model_training_history (symbol, target_pct, trained_at desc)`.execute(db);
  await sql`
    create index if not exists idx_training_history_features
    on model_training_history using gin (top_features)`.execute(db);
}

async function createOperationTables(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table if not exists telegram_reports (
      id bigserial not null,
      report_type text not null,
      content text not null,
      sent_at timestamptz default now(),
      success boolean default false,
      error_message text,
      primary key (id)
    )`.execute(db);

  await sql`
    create table if not exists system_health (
      id bigserial not null,
      timestamp timestamptz default now(),
      cpu_percent decimal(5,2),
      memory_percent decimal(5,2),
      disk_percent decimal(5,2),
      prediction_latency_ms integer,
      data_freshness_minutes integer,
      active_models integer,
      primary key (id)
    )`.execute(db);
  await sql`create index if not exists idx_health_timestamp on system_health (timestamp desc)`.execute(db);

  await sql`
    create table if not exists system_errors (
      id bigserial not null,
      timestamp timestamptz default now(),
      logger_name varchar(200) not null,
      level varchar(20) not null,
      message text not null,
      exception text,
      traceback text,
      module varchar(200),
      function varchar(200),
      line_number integer,
      thread_name varchar(100),
      process_id integer,
      hostname varchar(200),
      primary key (id)
    )`.execute(db);
  await sql`create index if not exists idx_errors_timestamp on system_errors (timestamp desc)`.execute(db);
  await sql`create index if not exists idx_errors_level on system_errors (level)`.execute(db);
  await sql`create index if not exists idx_errors_logger on system_errors (logger_name)`.execute(db);
}

async function createRecentView(db: Kysely<unknown>): Promise<void> {
  await sql`
    create materialized view if not exists recent_ohlcv as
    select id, symbol, timeframe, timestamp, open, high, low, close, volume, created_at
    from ohlcv_data
    where timestamp >= now() - interval '7 days'`.execute(db);
  await sql`
    create unique index if not exists idx_recent_ohlcv_unique on recent_ohlcv (symbol, timeframe, timestamp)`.execute(
    db,
  );
  await sql`
    do $$
    begin
      if to_regprocedure('refresh_recent_ohlcv()') is null then
        create function refresh_recent_ohlcv() returns void language plpgsql as $body$
        begin
          refresh materialized view concurrently recent_ohlcv;
        end $body$;
      end if;
    end $$`.execute(db);
}
