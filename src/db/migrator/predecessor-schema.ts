import type { ExpectedTable } from './table-shape.ts';

/** The revisions of the predecessor's Alembic, and how many of ours each stands for. */
export const ALEMBIC_REVISIONS: Readonly<Record<string, 1 | 2 | 3>> = {
  '1a2b3c4d5e6f': 1,
  '2b3c4d5e6f70': 2,
  '3c4d5e6f7081': 3,
};

const TIME = 'timestamp with time zone';
const MONEY = 'numeric(20,8)';

/**
 * The tables that every database of the predecessor has, as its revision 0001 (and docker/init.sql) made them. It is
 * gone, so these never change, whatever our own revisions make of them.
 */
export const PREDECESSOR_TABLES: Readonly<Record<string, ExpectedTable>> = {
  ohlcv_data: {
    columns: {
      id: 'bigint',
      symbol: 'text',
      timeframe: 'text',
      timestamp: TIME,
      open: MONEY,
      high: MONEY,
      low: MONEY,
      close: MONEY,
      volume: MONEY,
      created_at: `${TIME} null`,
    },
    primaryKey: ['symbol', 'timeframe', 'timestamp'],
    unique: [],
    indexes: { idx_ohlcv_symbol_time: 'symbol, timestamp desc' },
  },
  feature_cache: {
    columns: {
      id: 'bigint',
      symbol: 'text',
      timestamp: TIME,
      feature_set: 'jsonb',
      feature_version: 'text',
      created_at: `${TIME} null`,
    },
    primaryKey: ['id'],
    unique: [['timestamp', 'symbol', 'feature_version']],
    indexes: { idx_feature_cache_symbol_time: 'symbol, timestamp desc' },
  },
  predictions: {
    columns: {
      id: 'bigint',
      symbol: 'text',
      target_pct: 'numeric(4,3)',
      timestamp: TIME,
      model_name: 'text',
      prediction_class: 'integer',
      probability: 'numeric(5,4)',
      confidence: 'numeric(5,4)',
      features_used: 'jsonb null',
      created_at: `${TIME} null`,
    },
    primaryKey: ['id'],
    unique: [['symbol', 'target_pct', 'timestamp', 'model_name']],
    indexes: {
      idx_predictions_symbol_target_time: 'symbol, target_pct, timestamp desc',
      idx_predictions_features: 'features_used',
    },
  },
  prediction_outcomes: {
    columns: {
      id: 'bigint',
      prediction_id: 'bigint null',
      actual_outcome: 'integer null',
      target_hit_timestamp: `${TIME} null`,
      time_to_target_hours: 'numeric(6,2) null',
      max_favorable_move: 'numeric(6,4) null',
      max_adverse_move: 'numeric(6,4) null',
      completed_at: `${TIME} null`,
    },
    primaryKey: ['id'],
    unique: [],
    indexes: { idx_outcomes_prediction: 'prediction_id' },
  },
  model_performance: {
    columns: {
      id: 'bigint',
      symbol: 'text',
      target_pct: 'numeric(4,3)',
      model_name: 'text',
      evaluation_date: 'date',
      accuracy: 'numeric(5,4) null',
      precision_up: 'numeric(5,4) null',
      precision_down: 'numeric(5,4) null',
      recall_up: 'numeric(5,4) null',
      recall_down: 'numeric(5,4) null',
      f1_up: 'numeric(5,4) null',
      f1_down: 'numeric(5,4) null',
      total_predictions: 'integer null',
      avg_time_to_target_hours: 'numeric(6,2) null',
      hit_rate: 'numeric(5,4) null',
      created_at: `${TIME} null`,
    },
    primaryKey: ['id'],
    unique: [['symbol', 'target_pct', 'model_name', 'evaluation_date']],
    indexes: { idx_performance_symbol_target_model: 'symbol, target_pct, model_name, evaluation_date desc' },
  },
  telegram_reports: {
    columns: {
      id: 'bigint',
      report_type: 'text',
      content: 'text',
      sent_at: `${TIME} null`,
      success: 'boolean null',
      error_message: 'text null',
    },
    primaryKey: ['id'],
    unique: [],
    indexes: {},
  },
  system_health: {
    columns: {
      id: 'bigint',
      timestamp: `${TIME} null`,
      cpu_percent: 'numeric(5,2) null',
      memory_percent: 'numeric(5,2) null',
      disk_percent: 'numeric(5,2) null',
      prediction_latency_ms: 'integer null',
      data_freshness_minutes: 'integer null',
      active_models: 'integer null',
    },
    primaryKey: ['id'],
    unique: [],
    indexes: { idx_health_timestamp: 'timestamp desc' },
  },
  system_errors: {
    columns: {
      id: 'bigint',
      timestamp: `${TIME} null`,
      logger_name: 'character varying(200)',
      level: 'character varying(20)',
      message: 'text',
      exception: 'text null',
      traceback: 'text null',
      module: 'character varying(200) null',
      function: 'character varying(200) null',
      line_number: 'integer null',
      thread_name: 'character varying(100) null',
      process_id: 'integer null',
      hostname: 'character varying(200) null',
    },
    primaryKey: ['id'],
    unique: [],
    indexes: { idx_errors_timestamp: 'timestamp desc', idx_errors_level: 'level', idx_errors_logger: 'logger_name' },
  },
  model_training_history: {
    columns: {
      id: 'bigint',
      symbol: 'character varying(20)',
      target_pct: 'numeric(4,3)',
      trained_at: TIME,
      model_filename: 'character varying(100)',
      training_samples: 'integer',
      features_count: 'integer',
      date_range_start: TIME,
      date_range_end: TIME,
      price_range_min: MONEY,
      price_range_max: MONEY,
      target_distribution: 'jsonb',
      cv_accuracy: 'numeric(5,4)',
      cv_std: 'numeric(5,4)',
      final_accuracy: 'numeric(5,4)',
      precision: 'numeric(5,4)',
      recall: 'numeric(5,4)',
      f1_score: 'numeric(5,4)',
      top_features: 'jsonb',
      model_config: 'jsonb',
      created_at: `${TIME} null`,
    },
    primaryKey: ['id'],
    unique: [],
    indexes: {
      idx_training_history_symbol_target: 'symbol, target_pct, trained_at desc',
      idx_training_history_features: 'top_features',
    },
  },
};

/** futures_data, which earlier databases may have too, made by the predecessor's runtime code. */
export const PREDECESSOR_FUTURES: ExpectedTable = {
  columns: {
    id: 'integer',
    symbol: 'text',
    timestamp: TIME,
    open_interest: `${MONEY} null`,
    open_interest_value: `${MONEY} null`,
    funding_rate: 'numeric(10,8) null',
    mark_price: `${MONEY} null`,
    top_trader_ratio: 'numeric(10,4) null',
    taker_buy_sell_ratio: 'numeric(10,4) null',
    created_at: `${TIME} null`,
  },
  primaryKey: ['id', 'timestamp'],
  unique: [['symbol', 'timestamp']],
  indexes: { idx_futures_symbol_time: 'symbol, timestamp desc' },
};
