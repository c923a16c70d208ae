import { get, type IncomingMessage } from 'node:http';
import type { Series } from '../../../src/market/instrument.ts';
import type { TimeRange } from '../../../src/market/time-range.ts';
import type { BenchDatabase } from '../bench-database.ts';
import { formatRate, median, medianRatio, type Measurement } from '../report.ts';
import { findExportLimit } from './psql-limit.ts';
import type { WorkerProcess } from './worker-process.ts';

export interface ExportBench {
  readonly series: Series;
  readonly range: TimeRange;
  readonly rows: number;
  readonly rounds: number;
  readonly log: (line: string) => void;
}

const TARGET_SHARE = 0.7;
const MAX_GROWTH_BYTES = 50e6;
/** Fetched once before, so that what every export needs once is not taken for growth. */
const FIRST_ROWS = 50_000;
const NEWLINE = 10;

/** The whole series as CSV against `psql \copy` of the same rows in each round; then the other formats, told only. */
export async function measureExports(
  database: BenchDatabase,
  worker: WorkerProcess,
  { series, range, rows, rounds, log }: ExportBench,
): Promise<Measurement[]> {
  const [since, until] = [new Date(range.since).toISOString(), new Date(range.until).toISOString()];
  const { exchange, symbol, timeframe } = series;
  const query = new URLSearchParams({ exchange, symbol, timeframe, since, until }).toString();
  const urlOf = (format: string) => `${worker.url}/v1/ohlcv?${query}&format=${format}`;
  const select = `select timestamp, open, high, low, close, volume from ohlcv_data
    where exchange = '${exchange}' and symbol = '${symbol}' and timeframe = '${timeframe}'
      and timestamp >= '${since}' and timestamp < '${until}' order by timestamp`;
  const lines = await countLines(urlOf('csv'));
  if (lines !== rows + 1) throw new Error(`the CSV has ${lines} lines in place of a header and ${rows} candles`);

  const limit = findExportLimit();
  const seconds = { copy: [] as number[], csv: [] as number[] };
  const growth: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    seconds.copy.push(await time(() => limit.run(database.url, select)));
    const csv = await exportOnce(worker, urlOf('csv'));
    seconds.csv.push(csv.seconds);
    growth.push(csv.growthBytes);
    log(`round ${round}: copy ${seconds.copy.at(-1)?.toFixed(2)} s, CSV ${csv.seconds.toFixed(2)} s`);
  }
  const share = medianRatio(seconds.copy, seconds.csv);
  const most = Math.max(...growth);
  const others: Measurement[] = [];
  for (const format of ['ndjson', 'parquet']) {
    const { seconds: taken, growthBytes } = await exportOnce(worker, urlOf(format));
    others.push({
      what: `the same as ${format}`,
      measured: `${formatRate(rows / taken)}, memory grew by ${Math.round(growthBytes / 1e6)} MB`,
      target: '',
      limit: '',
      met: true,
    });
  }
  return [
    {
      what: `export of ${rows.toLocaleString('en-US')} candles as CSV`,
      measured: `${(share * 100).toFixed(0)} % (${formatRate(rows / median(seconds.csv))})`,
      target: `>= ${TARGET_SHARE * 100} %`,
      limit: `${limit.name}: ${formatRate(rows / median(seconds.copy))}`,
      met: share >= TARGET_SHARE,
    },
    {
      what: 'memory that the export adds, peak',
      measured: `${Math.round(most / 1e6)} MB`,
      target: '< 50 MB',
      limit: '',
      met: most < MAX_GROWTH_BYTES,
    },
    ...others,
  ];
}

async function exportOnce(worker: WorkerProcess, url: string): Promise<{ seconds: number; growthBytes: number }> {
  await drain(`${url}&limit=${FIRST_ROWS}`);
  await worker.ask({ kind: 'watch-memory' }, 'watching');
  const seconds = await time(() => drain(url));
  const { bytes } = await worker.ask({ kind: 'memory-growth' }, 'memory-growth');
  return { seconds, growthBytes: bytes };
}

async function time(action: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await action();
  return (performance.now() - started) / 1000;
}

async function drain(url: string, take: (chunk: Buffer) => void = () => undefined): Promise<void> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get(url, resolve).on('error', reject);
  });
  if (response.statusCode !== 200) throw new Error(`${url} was answered with ${response.statusCode ?? 'nothing'}`);
  for await (const chunk of response) take(chunk as Buffer);
  if (!response.complete) throw new Error(`${url} broke off`);
}

async function countLines(url: string): Promise<number> {
  let lines = 0;
  await drain(url, (chunk) => {
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, at + 1)) lines++;
  });
  return lines;
}
