import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { BenchDatabase } from './bench-database.ts';
import { findCopyLimit } from './copy-limit.ts';
import type { WorkerResult } from './import-worker.ts';
import { inventSeries, MINUTE_MS, writeCsv } from './invented-candles.ts';
import { formatRate, median, medianRatio, type Measurement } from './report.ts';

const SERIES = 4;
const WORKER = fileURLToPath(new URL('./import-worker.ts', import.meta.url));
const MAX_RSS_BYTES = 300e6;

export interface ImportBench {
  readonly rows: number;
  readonly rounds: number;
  readonly log: (line: string) => void;
}

/** First import with one and two writers, the same file again, memory: against COPY of the same file in each round. */
export async function measureImport(
  database: BenchDatabase,
  { rows, rounds, log }: ImportBench,
): Promise<Measurement[]> {
  const folder = await mkdtemp(join(tmpdir(), 'candlekeep-bench-csv-'));
  try {
    const csv = join(folder, 'candles.csv');
    const each = Math.ceil(rows / SERIES);
    const since = Math.floor(Date.now() / MINUTE_MS - each - 1) * MINUTE_MS;
    await writeCsv(csv, inventSeries(SERIES, each, since));
    return await measureRounds(database, csv, each * SERIES, rounds, log);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function measureRounds(
  database: BenchDatabase,
  csv: string,
  rows: number,
  rounds: number,
  log: (line: string) => void,
): Promise<Measurement[]> {
  // It would write WAL of its own into whichever measurement it falls.
  await database.execute('alter table ohlcv_data set (autovacuum_enabled = false)');
  const limit = findCopyLimit();
  const rates = { copy: [] as number[], one: [] as number[], two: [] as number[], again: [] as number[] };
  const wal = { first: [] as number[], again: [] as number[] };
  const rss: number[] = [];
  const runWorker = async (writers: number, expected: 'inserted' | 'unchanged') => {
    const env = { ...process.env, DATABASE_URL: database.url };
    const { stdout } = await promisify(execFile)(process.execPath, [WORKER, csv, String(writers)], { env });
    const result = JSON.parse(stdout) as WorkerResult;
    if (result[expected] !== rows)
      throw new Error(`the import reports ${result[expected]} rows ${expected}, not ${rows}`);
    rss.push(result.peakRssBytes);
    return rows / result.seconds;
  };
  const empty = async () => {
    await database.execute('truncate ohlcv_data');
    await database.execute('checkpoint').catch(() => undefined);
  };
  for (let round = 1; round <= rounds; round++) {
    await empty();
    const started = performance.now();
    await limit.run(database.url, csv);
    rates.copy.push(rows / ((performance.now() - started) / 1000));
    await empty();
    const before = await walBytes(database);
    rates.one.push(await runWorker(1, 'inserted'));
    const between = await walBytes(database);
    rates.again.push(await runWorker(1, 'unchanged'));
    wal.first.push(between - before);
    wal.again.push((await walBytes(database)) - between);
    await empty();
    rates.two.push(await runWorker(2, 'inserted'));
    const shown = Object.entries(rates).map(([name, list]) => `${name} ${formatRate(list.at(-1) ?? NaN)}`);
    log(`round ${round}: ${shown.join(', ')}`);
  }
  const copyName = `${limit.name}: ${formatRate(median(rates.copy))}`;
  const ratioOf = (what: string, list: number[], target: number, limits: number[], name: string): Measurement => {
    const ratio = medianRatio(list, limits);
    const measured = `${ratio.toFixed(2)} (${formatRate(median(list))})`;
    return { what, measured, target: `>= ${target}`, limit: name, met: ratio >= target };
  };
  const { hypertable } = database;
  const walShare = medianRatio(wal.again, wal.first);
  const peak = Math.max(...rss);
  return [
    ratioOf('import, one writer', rates.one, hypertable ? 1.1 : 0.9, rates.copy, copyName),
    ratioOf('import, two writers', rates.two, hypertable ? 1.3 : 1.2, rates.copy, copyName),
    ratioOf('the same file again', rates.again, 0.8, rates.one, 'the first import, one writer'),
    {
      what: 'WAL of the same file again',
      measured: `${(walShare * 100).toFixed(3)} %`,
      target: '< 1 %',
      limit: `WAL of the first import: ${Math.round(median(wal.first) / 1e6)} MB`,
      met: walShare < 0.01,
    },
    {
      what: 'memory of an import, peak',
      measured: `${Math.round(peak / 1e6)} MB`,
      target: '< 300 MB',
      limit: '',
      met: peak < MAX_RSS_BYTES,
    },
  ];
}

async function walBytes(database: BenchDatabase): Promise<number> {
  const [row] = await database.execute(`select (pg_current_wal_lsn() - '0/0')::text as bytes`);
  return Number(row?.['bytes']);
}
