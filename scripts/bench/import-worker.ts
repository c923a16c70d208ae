import { createKysely, createPool } from '../../src/db/client.ts';
import { createRepositories } from '../../src/db/repositories/index.ts';
import { createLogger } from '../../src/logger.ts';
import { importCandles } from '../../src/import/import-candles.ts';
import { readCandleRecords } from '../../src/import/read-candle-records.ts';
import { readText } from '../../src/import/read-text.ts';
import { keepHeapSmall } from '../../src/small-heap.ts';

/** What a process of its own, so that its memory is its own, writes as JSON to standard output. */
export interface WorkerResult {
  readonly seconds: number;
  readonly peakRssBytes: number;
  readonly inserted: number;
  readonly unchanged: number;
}

/** Imports the file of the first argument as `import` does; DATABASE_URL, and the number of writers second. */
const [path = '', writers = '1'] = process.argv.slice(2);
keepHeapSmall();
const logger = createLogger({ level: 'fatal', pretty: false });
const pool = createPool({
  url: process.env['DATABASE_URL'] ?? '',
  applicationName: 'candlekeep bench import',
  maxConnections: Number(writers),
  logger,
});
try {
  await pool.query('select 1');
  const sink = createRepositories(createKysely(() => pool));
  const started = performance.now();
  const { records } = await readCandleRecords(readText(path));
  const report = await importCandles({ sink, records, series: {}, nowMs: Date.now(), writers: Number(writers) });
  const seconds = (performance.now() - started) / 1000;
  if (report.faulty > 0)
    throw new Error(`${report.faulty} invented rows are no candles: ${report.faults[0]?.reason ?? ''}`);
  const peakRssBytes = process.resourceUsage().maxRSS * 1024;
  const { inserted, unchanged } = report;
  console.log(JSON.stringify({ seconds, peakRssBytes, inserted, unchanged } satisfies WorkerResult));
} finally {
  await pool.end();
}
