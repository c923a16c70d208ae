-- Seeds the development container's database: PostgreSQL's image runs this file once, on the first boot of a volume.
-- It makes the extension and the tables of revision 0001, as the predecessor's containers had them, and nothing more:
-- candlekeep brings the schema to head by itself when it starts (see docs/migrations.md).

do $$
begin
  if exists (select from pg_available_extensions where name = 'timescaledb')
     and exists (select from pg_settings where name like 'timescaledb.%') then
    create extension if not exists timescaledb;
  end if;
end $$;

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
);

create index if not exists idx_ohlcv_symbol_time on ohlcv_data (symbol, timestamp desc);

create table if not exists feature_cache (
  id bigserial not null,
  symbol text not null,
  timestamp timestamptz not null,
  feature_set jsonb not null,
  feature_version text not null,
  created_at timestamptz default now(),
  primary key (id),
  unique (timestamp, symbol, feature_version)
);

create index if not exists idx_feature_cache_symbol_time on feature_cache (symbol, timestamp desc);

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
);

create index if not exists idx_predictions_symbol_target_time
on predictions (symbol, target_pct, timestamp desc);

create index if not exists idx_predictions_features on predictions using gin (features_used);

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
);

create index if not exists idx_outcomes_prediction on prediction_outcomes (prediction_id);

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
);

create index if not exists idx_performance_symbol_target_model
on model_performance (symbol, target_pct, model_name, evaluation_date desc);

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
);

create index if not exists idx_training_history_symbol_target
on model_training_history (symbol, target_pct, trained_at desc);

create index if not exists idx_training_history_features
on model_training_history using gin (top_features);

create table if not exists telegram_reports (
  id bigserial not null,
  report_type text not null,
  content text not null,
  sent_at timestamptz default now(),
  success boolean default false,
  error_message text,
  primary key (id)
);

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
);

create index if not exists idx_health_timestamp on system_health (timestamp desc);

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
);

create index if not exists idx_errors_timestamp on system_errors (timestamp desc);

create index if not exists idx_errors_level on system_errors (level);

create index if not exists idx_errors_logger on system_errors (logger_name);

create materialized view if not exists recent_ohlcv as
select id, symbol, timeframe, timestamp, open, high, low, close, volume, created_at
from ohlcv_data
where timestamp >= now() - interval '7 days';

create unique index if not exists idx_recent_ohlcv_unique on recent_ohlcv (symbol, timeframe, timestamp);

do $$
begin
  if to_regprocedure('refresh_recent_ohlcv()') is null then
    create function refresh_recent_ohlcv() returns void language plpgsql as $body$
    begin
      refresh materialized view concurrently recent_ohlcv;
    end $body$;
  end if;
end $$;
