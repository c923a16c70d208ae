import { setTimeout as sleep } from 'node:timers/promises';
import { createBenchDatabase, type BenchDatabase, type BenchServer } from '../bench-database.ts';
import type { Logger } from '../../../src/logger.ts';
import { quantile, type Measurement } from '../report.ts';
import { formatMs } from './measure-upgrade.ts';
import { startServiceProcess } from './service-process.ts';

const REQUESTS = 200;
const EVERY_MS = 100;
const TARGET_MS = 50;

/** A transaction locks every chunk that it makes: not more at once than a server has locks for. */
const CHUNKS_AT_ONCE = 50;

/** How long /health takes at 10 requests a second, on a hypertable of `chunks` where there are any. */
export async function measureHealth(
  server: BenchServer,
  { chunks, logger }: { readonly chunks: number; readonly logger: Logger },
): Promise<Measurement[]> {
  await using database = await createBenchDatabase(server, logger);
  if (chunks > 0) await makeChunks(database, chunks);
  await using service = await startServiceProcess(database.url);
  const times: number[] = [];
  for (let request = 0; request < REQUESTS; request++) {
    const started = performance.now();
    const answer = await fetch(`${service.url}/health`);
    await answer.arrayBuffer();
    const took = performance.now() - started;
    times.push(took);
    if (answer.status !== 200) throw new Error(`/health answered ${answer.status}`);
    await sleep(Math.max(0, EVERY_MS - took));
  }
  const p99 = quantile(times, 0.99);
  return [
    {
      what: `/health, ${chunks > 0 ? `${chunks.toLocaleString('en-US')} chunks` : 'plain tables'}, 10 a second`,
      measured: `p50 ${formatMs(quantile(times, 0.5))}, p99 ${formatMs(p99)}`,
      target: `p99 < ${TARGET_MS} ms`,
      limit: `${REQUESTS} requests, longest ${formatMs(Math.max(...times))}`,
      met: p99 < TARGET_MS,
    },
  ];
}

async function makeChunks(database: BenchDatabase, chunks: number): Promise<void> {
  await database.execute(`select set_chunk_time_interval('ohlcv_data', interval '1 hour')`);
  for (let start = 0; start < chunks; start += CHUNKS_AT_ONCE)
    await database.execute(
      `insert into ohlcv_data (symbol, timeframe, timestamp, open, high, low, close, volume)
       select 'BTC/USDT', '1h', date_trunc('hour', now()) - i * interval '1 hour', 100, 101, 99, 100.5, 1
       from generate_series(${start + 1}, ${Math.min(chunks, start + CHUNKS_AT_ONCE)}) i`,
    );
  const [row] = await database.execute(
    `select count(*)::int as count from timescaledb_information.chunks where hypertable_name = 'ohlcv_data'`,
  );
  if (row?.['count'] !== chunks) throw new Error(`made ${String(row?.['count'])} chunks instead of ${chunks}`);
}
