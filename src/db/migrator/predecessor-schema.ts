import { EXPECTED_TABLES, type ExpectedTable } from './expected-schema.ts';

/** The revisions of the predecessor's Alembic, and how many of ours each stands for. */
export const ALEMBIC_REVISIONS: Readonly<Record<string, 1 | 2 | 3>> = {
  '1a2b3c4d5e6f': 1,
  '2b3c4d5e6f70': 2,
  '3c4d5e6f7081': 3,
};

type Columns = ExpectedTable['columns'];

function without(columns: Columns, ...names: string[]): Columns {
  return Object.fromEntries(Object.entries(columns).filter(([name]) => !names.includes(name)));
}

function retyped(columns: Columns, type: string, ...names: string[]): Columns {
  const changed = names.map((name) => [name, columns[name]?.endsWith(' null') ? `${type} null` : type] as const);
  return { ...columns, ...Object.fromEntries(changed) };
}

const { ohlcv_data, feature_cache, futures_data, model_training_history, ...unchanged } = EXPECTED_TABLES;
const money = 'numeric(20,8)';

/** The tables that every database of the predecessor has, as its revision 0001 (and docker/init.sql) made them. */
export const PREDECESSOR_TABLES: Readonly<Record<string, ExpectedTable>> = {
  ...unchanged,
  ohlcv_data: {
    columns: retyped(without(ohlcv_data.columns, 'exchange'), money, 'open', 'high', 'low', 'close', 'volume'),
    primaryKey: ['symbol', 'timeframe', 'timestamp'],
    unique: [],
    indexes: { idx_ohlcv_symbol_time: 'symbol, timestamp desc' },
  },
  feature_cache: { ...feature_cache, primaryKey: ['id'] },
  model_training_history: {
    ...model_training_history,
    columns: retyped(model_training_history.columns, money, 'price_range_min', 'price_range_max'),
  },
};

/** futures_data, which earlier databases may have too, made by the predecessor's runtime code. */
export const PREDECESSOR_FUTURES: ExpectedTable = {
  columns: retyped(
    retyped(
      retyped(without(futures_data.columns, 'exchange'), money, 'open_interest', 'open_interest_value', 'mark_price'),
      'numeric(10,8)',
      'funding_rate',
    ),
    'numeric(10,4)',
    'top_trader_ratio',
    'taker_buy_sell_ratio',
  ),
  primaryKey: ['id', 'timestamp'],
  unique: [['symbol', 'timestamp']],
  indexes: { idx_futures_symbol_time: 'symbol, timestamp desc' },
};
