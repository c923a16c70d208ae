import { createRepositories } from '../../src/db/repositories/index.ts';
import type { BenchDatabase } from './bench-database.ts';
import { inventSeries, MINUTE_MS } from './invented-candles.ts';
import { quantile, type Measurement } from './report.ts';
import { storeCandles } from './store-candles.ts';
import { candleEntry } from '../../src/market/commit-entry.ts';

const BATCHES = 200;
const BATCH_ROWS = 500;
const TARGET_MS = 15;

/**
 * How long one commit of 500 new rows and their ledger takes, one after the other, at the end of a series that holds
 * rows.
 */
export async function measureLive(database: BenchDatabase): Promise<Measurement[]> {
  const repositories = createRepositories(database.kysely);
  await database.execute('truncate ohlcv_data');
  const rows = BATCHES * BATCH_ROWS;
  const since = Math.floor(Date.now() / MINUTE_MS - 2 * rows) * MINUTE_MS;
  const [invented] = inventSeries(1, 2 * rows, since);
  if (!invented) return [];
  const { series, candles } = invented;
  await storeCandles(repositories, series, candles.slice(0, rows));
  const times: number[] = [];
  for (let start = rows; start < 2 * rows; start += BATCH_ROWS) {
    const batch = candles.slice(start, start + BATCH_ROWS);
    const started = performance.now();
    const { inserted } = await repositories.commit([candleEntry(series, batch)]);
    times.push(performance.now() - started);
    if (inserted !== BATCH_ROWS) throw new Error(`a commit of ${BATCH_ROWS} new rows inserted ${inserted}`);
  }
  const p95 = quantile(times, 0.95);
  return [
    {
      what: 'live batch of 500 rows',
      measured: `p50 ${quantile(times, 0.5).toFixed(1)} ms, p95 ${p95.toFixed(1)} ms`,
      target: `p95 < ${TARGET_MS} ms`,
      limit: '',
      met: p95 < TARGET_MS,
    },
  ];
}
