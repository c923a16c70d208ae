import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { config } from 'dotenv';
import { pino } from 'pino';
import { createBenchDatabase, openBenchServer, type BenchServer } from './bench/bench-database.ts';
import { measureHttp } from './bench/measure-http.ts';
import { measureImport } from './bench/measure-import.ts';
import { measureIngest } from './bench/measure-ingest.ts';
import { measureLive } from './bench/measure-live.ts';
import { measureRefresh } from './bench/measure-refresh.ts';
import { measureMigrations } from './bench/migrations/measure-migrations.ts';
import { toTable, type Measurement } from './bench/report.ts';
import type { Logger } from '../src/logger.ts';
import { runCommand, UsageError } from './support/run-command.ts';

const WRITE_PARTS = ['import', 'live', 'refresh'] as const;
const PARTS = [...WRITE_PARTS, 'http', 'migrations', 'ingest'] as const;
type Part = (typeof PARTS)[number];

const HELP = `Measures how fast this machine stores, refreshes, answers, migrates and collects.

  npm run bench [-- [import] [live] [refresh] [--rows N] [--rounds N]]
  npm run bench http [-- --rows N] [--rounds N]
  npm run bench migrations [-- --rows N] [--timescale]
  npm run bench ingest [-- --minutes N] [--series N] [--latency MS] [--futures] [--profile FOLDER]

  import       a file of invented 1m candles of four series: first with one and two writers, again, memory
  live         upserts of 500 new rows
  refresh      the refresh of recent_ohlcv with 400,000 rows, concurrent against plain
  http         only where it is named: pages of 500 candles at 16 connections against an empty handler and the bare SQL,
               and the export of a series as CSV against psql \\copy
  migrations   only where it is named: the predecessor's database brought to head while others read and write it, what
               the migrations add to a start at head, and /health under load
  ingest       only where it is named: the service against a simulated exchange in real time, first by the live stream,
               then by REST alone: from the close of each candle to its row, CPU and memory. Takes twice --minutes and some
  --rows       rows of the imported file, of the exported series (1000000); of ohlcv_data in the predecessor's database
               (5000000)
  --rounds     rounds, of which the median counts (3)
  --timescale  migrations on hypertables: the predecessor's, a large plain table made one, and one of 2,000 chunks; takes
               a server with TimescaleDB
  --minutes    ingest: the closes that are watched in each phase (5)
  --series     ingest: 1m series (500)
  --latency    ingest: how long the simulated exchange takes for an answer (100)
  --futures    ingest: collect the futures data of their perpetuals besides
  --profile    ingest: write a CPU profile of the service to this folder, which costs some CPU itself
  --help       this text

Ratios are against a limit measured in the same run. Works in databases of its own, which it drops in the end: on the server of BENCH_DATABASE_URL (as a role that may create
databases), else on an embedded server in a temporary folder. Only the ratios can be compared between machines, and only
where nothing else runs. A run that is interrupted leaves its databases bench_… behind.

Exit codes: 0 measured, whatever the result · 1 failed · 2 wrong options`;

await runCommand(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rows: { type: 'string' },
      rounds: { type: 'string', default: '3' },
      timescale: { type: 'boolean', default: false },
      minutes: { type: 'string', default: '5' },
      series: { type: 'string', default: '500' },
      latency: { type: 'string', default: '100' },
      futures: { type: 'boolean', default: false },
      profile: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const named = positionals.map(parsePart);
  const parts: readonly Part[] = named.length === 0 ? WRITE_PARTS : named;
  const rows = values.rows === undefined ? null : parseCount('rows', values.rows, 1000, 100_000_000);
  const rounds = parseCount('rounds', values.rounds, 1, 100);
  if (values.timescale && !parts.includes('migrations'))
    throw new UsageError('--timescale belongs to the part migrations');

  const minutes = parseCount('minutes', values.minutes, 1, 1440);
  const series = parseCount('series', values.series, 1, 999);
  const latencyMs = parseCount('latency', values.latency, 0, 10_000);

  config({ quiet: true });
  const serverUrl = process.env['BENCH_DATABASE_URL']?.trim() ?? '';
  const logger = pino({ level: 'error', base: null }, pino.destination({ dest: 2, sync: true }));
  const log = (line: string) => console.log(line);
  // When a row was committed is not written down otherwise; what that costs is not to be measured with the rest.
  const settings = parts.includes('ingest') ? { track_commit_timestamp: 'on' } : undefined;
  await using server = await openBenchServer(serverUrl === '' ? null : serverUrl, logger, settings);
  const measurements: Measurement[] = [];
  if (WRITE_PARTS.some((part) => parts.includes(part)))
    measurements.push(...(await measureWrites(server, { parts, rows: rows ?? 1_000_000, rounds, logger, log })));
  if (parts.includes('http'))
    measurements.push(...(await measureAnswers(server, { rows: rows ?? 1_000_000, rounds, logger, log })));
  if (parts.includes('migrations'))
    measurements.push(
      ...(await measureMigrations(server, { rows: rows ?? 5_000_000, timescale: values.timescale, logger, log })),
    );
  if (parts.includes('ingest')) {
    const profileFolder = values.profile === undefined ? null : resolve(values.profile);
    measurements.push(
      ...(await measureIngest(server, {
        series,
        minutes,
        latencyMs,
        futures: values.futures,
        profileFolder,
        logger,
        log,
      })),
    );
  }
  console.log(`\n${toTable(measurements)}`);
  return 0;
});

interface WriteOptions {
  readonly parts: readonly Part[];
  readonly rows: number;
  readonly rounds: number;
  readonly logger: Logger;
  readonly log: (line: string) => void;
}

async function measureWrites(server: BenchServer, options: WriteOptions): Promise<Measurement[]> {
  const { parts, rows, rounds, logger, log } = options;
  await using database = await createBenchDatabase(server, logger);
  const table = database.hypertable ? 'hypertable' : 'plain table';
  log(`${database.version}, ohlcv_data is a ${table}; median of ${rounds} rounds`);
  const measurements: Measurement[] = [];
  if (parts.includes('import')) {
    log(`import of ${rows.toLocaleString('en-US')} rows`);
    measurements.push(...(await measureImport(database, { rows, rounds, log })));
  }
  if (parts.includes('live')) measurements.push(...(await measureLive(database)));
  if (parts.includes('refresh')) {
    log('refresh of recent_ohlcv');
    measurements.push(...(await measureRefresh(database, { rounds, log })));
  }
  return measurements;
}

async function measureAnswers(server: BenchServer, options: Omit<WriteOptions, 'parts'>): Promise<Measurement[]> {
  const { rows, rounds, logger, log } = options;
  await using database = await createBenchDatabase(server, logger);
  log(
    `${database.version}; pages, and the export of ${rows.toLocaleString('en-US')} candles; median of ${rounds} rounds`,
  );
  return await measureHttp(database, { rows, rounds, log });
}

function parsePart(text: string): Part {
  const part = PARTS.find((name) => name === text);
  if (part === undefined) throw new UsageError(`"${text}" cannot be measured: choose from ${PARTS.join(', ')}`);
  return part;
}

function parseCount(option: string, text: string, min: number, max: number): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < min || count > max)
    throw new UsageError(`--${option} ${text}: write a whole number from ${min} to ${max}`);
  return count;
}
