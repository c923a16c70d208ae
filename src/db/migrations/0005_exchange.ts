import { sql, type Kysely } from 'kysely';
import { columnExists, findKey, relationExists } from '../catalog.ts';
import { replaceKey } from '../migrator/replace-key.ts';
import { replaceRecentOhlcv } from '../migrator/recent-ohlcv-view.ts';

/** The new key of a large plain table is built while it is read and written, so this runs step by step. */
export const transaction = false;

const OHLCV_KEY = ['exchange', 'symbol', 'timeframe', 'timestamp'] as const;
const FUTURES_KEY = ['exchange', 'symbol', 'timestamp'] as const;

/**
 * The dimension `exchange` in ohlcv_data, futures_data and recent_ohlcv; keys lead with it. Rows that are there came
 * from Binance, the predecessor's only exchange. Each step is judged by the catalog, so that a run that was cut off
 * anywhere is finished by the next.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.transaction().execute(async (trx) => {
    // A constant default is kept in the catalog: no row is rewritten.
    for (const table of ['ohlcv_data', 'futures_data'])
      await sql`
        alter table ${sql.table(table)} add column if not exists exchange text not null default 'binance'`.execute(trx);
  });
  await replaceKey(db, {
    table: 'ohlcv_data',
    type: 'p',
    name: 'ohlcv_data_pkey',
    columns: OHLCV_KEY,
    replaces: ['symbol', 'timeframe', 'timestamp'],
  });
  await replaceKey(db, {
    table: 'futures_data',
    type: 'u',
    name: 'futures_data_exchange_symbol_timestamp_key',
    columns: FUTURES_KEY,
    replaces: ['symbol', 'timestamp'],
  });
  await db.transaction().execute(async (trx) => {
    if (!(await relationExists(trx, 'recent_ohlcv')) || !(await columnExists(trx, 'recent_ohlcv', 'exchange'))) {
      await replaceRecentOhlcv(trx, {
        columns: sql`id, exchange, symbol, timeframe, timestamp, open, high, low, close, volume, created_at`,
        uniqueKey: sql`exchange, symbol, timeframe, timestamp`,
      });
    }
    if (!(await findKey(trx, 'ohlcv_data', 'p', OHLCV_KEY))) throw new Error('the new key of ohlcv_data is not there');
  });
}
