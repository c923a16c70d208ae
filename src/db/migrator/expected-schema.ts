/** What one table must look like. Columns of other names are not our business, nor are further indexes. */
export interface ExpectedTable {
  /** Name → type as format_type spells it, with ` null` behind it where NULL is allowed. */
  readonly columns: Readonly<Record<string, string>>;
  /** Columns of the primary key; empty for a view. */
  readonly primaryKey: readonly string[];
  readonly unique: readonly (readonly string[])[];
  /** Index name → columns with ` desc` behind those that descend. */
  readonly indexes: Readonly<Record<string, string>>;
}

const TIME = 'timestamp with time zone';
const CREATED_AT = { created_at: `${TIME} null` };
const CANDLE_COLUMNS = {
  id: 'bigint',
  exchange: 'text',
  symbol: 'text',
  timeframe: 'text',
  timestamp: TIME,
  open: 'numeric',
  high: 'numeric',
  low: 'numeric',
  close: 'numeric',
  volume: 'numeric',
  ...CREATED_AT,
};

/** The tables that the predecessor had as well, as they are at the head revision. */
export const EXPECTED_TABLES = {
  ohlcv_data: {
    columns: CANDLE_COLUMNS,
    primaryKey: ['exchange', 'symbol', 'timeframe', 'timestamp'],
    unique: [],
    indexes: { idx_ohlcv_symbol_time: 'symbol, timestamp' },
  },
  feature_cache: {
    columns: {
      id: 'bigint',
      symbol: 'text',
      timestamp: TIME,
      feature_set: 'jsonb',
      feature_version: 'text',
      ...CREATED_AT,
    },
    primaryKey: ['id', 'timestamp'],
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
      ...CREATED_AT,
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
    // UNIQUE (prediction_id) is a deferrable step and so may be missing.
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
      ...CREATED_AT,
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
      price_range_min: 'numeric',
      price_range_max: 'numeric',
      target_distribution: 'jsonb',
      cv_accuracy: 'numeric(5,4)',
      cv_std: 'numeric(5,4)',
      final_accuracy: 'numeric(5,4)',
      precision: 'numeric(5,4)',
      recall: 'numeric(5,4)',
      f1_score: 'numeric(5,4)',
      top_features: 'jsonb',
      model_config: 'jsonb',
      ...CREATED_AT,
    },
    primaryKey: ['id'],
    unique: [],
    indexes: {
      idx_training_history_symbol_target: 'symbol, target_pct, trained_at desc',
      idx_training_history_features: 'top_features',
    },
  },
  futures_data: {
    columns: {
      id: 'integer',
      exchange: 'text',
      symbol: 'text',
      timestamp: TIME,
      open_interest: 'numeric null',
      open_interest_value: 'numeric null',
      funding_rate: 'numeric null',
      mark_price: 'numeric null',
      top_trader_ratio: 'numeric null',
      taker_buy_sell_ratio: 'numeric null',
      ...CREATED_AT,
    },
    primaryKey: ['id', 'timestamp'],
    unique: [['exchange', 'symbol', 'timestamp']],
    indexes: { idx_futures_symbol_time: 'symbol, timestamp' },
  },
} satisfies Readonly<Record<string, ExpectedTable>>;

const OF_SERIES = { exchange: 'text', symbol: 'text', timeframe: 'text' };

/** The tables of completeness and of replicas. */
const EXPECTED_LEDGER: Readonly<Record<string, ExpectedTable>> = {
  coverage: {
    columns: {
      ...OF_SERIES,
      metric: 'text',
      since: TIME,
      until: TIME,
      state: 'text',
      asks: 'integer',
      first_asked_at: `${TIME} null`,
      last_asked_at: `${TIME} null`,
      reason: 'text null',
    },
    primaryKey: ['exchange', 'symbol', 'timeframe', 'metric', 'since'],
    unique: [],
    indexes: { idx_coverage_missing: 'exchange, symbol, timeframe, metric, since' },
  },
  candle_revisions: {
    columns: {
      id: 'bigint',
      ...OF_SERIES,
      timestamp: TIME,
      changed_at: TIME,
      ...Object.fromEntries(
        ['open', 'high', 'low', 'close', 'volume'].flatMap((value) => [
          [`old_${value}`, 'numeric'],
          [`new_${value}`, 'numeric'],
        ]),
      ),
    },
    primaryKey: ['id'],
    unique: [],
    indexes: { idx_candle_revisions_series: 'exchange, symbol, timeframe, timestamp' },
  },
  quarantine: {
    columns: {
      id: 'bigint',
      ...OF_SERIES,
      timeframe: 'text null',
      metric: 'text',
      claimed_at: `${TIME} null`,
      reason: 'text',
      raw: 'text',
      source: 'text',
      seen: 'integer',
      first_seen_at: TIME,
      last_seen_at: TIME,
      digest: 'text',
    },
    primaryKey: ['id'],
    unique: [['exchange', 'symbol', 'timeframe', 'metric', 'digest']],
    indexes: { idx_quarantine_last_seen: 'last_seen_at' },
  },
  replicas: {
    columns: { id: 'text', host: 'text', started_at: TIME, expires_at: TIME, last_write_at: `${TIME} null` },
    primaryKey: ['id'],
    unique: [],
    indexes: {},
  },
  leases: {
    columns: { exchange: 'text', symbol: 'text', replica_id: 'text', acquired_at: TIME },
    primaryKey: ['exchange', 'symbol'],
    unique: [],
    indexes: { idx_leases_replica: 'replica_id' },
  },
  job_runs: {
    columns: {
      job: 'text',
      turn: TIME,
      replica_id: 'text',
      started_at: TIME,
      finished_at: `${TIME} null`,
      error: 'text null',
    },
    primaryKey: ['job', 'turn'],
    unique: [],
    indexes: {},
  },
  exchange_blocks: {
    columns: {
      exchange: 'text',
      origin: 'text',
      address: 'text',
      reason: 'text',
      blocked_until: TIME,
      message: 'text',
      replica_id: 'text',
      noted_at: TIME,
    },
    primaryKey: ['exchange', 'origin', 'address'],
    unique: [],
    indexes: {},
  },
};

/** recent_ohlcv: a view's columns all allow NULL, and it has indexes but no keys. */
const EXPECTED_VIEW: ExpectedTable = {
  columns: {
    ...Object.fromEntries(
      Object.entries(CANDLE_COLUMNS).map(([name, type]) => [name, type.endsWith(' null') ? type : `${type} null`]),
    ),
    always_null: 'boolean null',
  },
  primaryKey: [],
  unique: [],
  indexes: { idx_recent_ohlcv_unique: 'exchange, symbol, timeframe, timestamp' },
};

/** Every table and view of the head revision. */
export const EXPECTED_RELATIONS: Readonly<Record<string, ExpectedTable>> = {
  ...EXPECTED_TABLES,
  ...EXPECTED_LEDGER,
  recent_ohlcv: EXPECTED_VIEW,
};

export const REFRESH_FUNCTION = 'refresh_recent_ohlcv()';
