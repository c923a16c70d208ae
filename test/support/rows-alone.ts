import type { Kysely } from 'kysely';
import { upsertCandles, type CandleUpsert } from '../../src/db/commit/upsert-candles.ts';
import { upsertSnapshots } from '../../src/db/commit/upsert-snapshots.ts';
import type { Database } from '../../src/db/schema.ts';
import type { Candle, WriteCounts } from '../../src/market/candle.ts';
import type { FuturesSnapshot } from '../../src/market/futures-snapshot.ts';
import type { Series } from '../../src/market/instrument.ts';

export interface RowsAlone {
  readonly candles: (series: Series, candles: readonly Candle[]) => Promise<CandleUpsert>;
  readonly futures: (exchange: string, symbol: string, snapshots: readonly FuturesSnapshot[]) => Promise<WriteCounts>;
}

/** Writes rows without a word for the ledger, as hands do, or the predecessor; in batches that commit by themselves. */
export function rowsAlone(kysely: Kysely<Database>): RowsAlone {
  return {
    candles: (series, candles) => upsertCandles(kysely, series, candles),
    futures: (exchange, symbol, snapshots) => upsertSnapshots(kysely, exchange, symbol, snapshots),
  };
}
