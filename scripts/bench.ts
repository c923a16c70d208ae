import { parseArgs } from 'node:util';
import { config } from 'dotenv';
import { pino } from 'pino';
import { createBenchDatabase } from './bench/bench-database.ts';
import { measureImport } from './bench/measure-import.ts';
import { measureLive } from './bench/measure-live.ts';
import { measureRefresh } from './bench/measure-refresh.ts';
import { toTable, type Measurement } from './bench/report.ts';
import { runCommand, UsageError } from './support/run-command.ts';

const PARTS = ['import', 'live', 'refresh'] as const;
type Part = (typeof PARTS)[number];

const HELP = `Measures how fast this machine stores and refreshes, each against a limit measured in the same run.

  npm run bench [-- [import] [live] [refresh] [--rows N] [--rounds N]]

  import    a file of invented 1m candles of four series: first with one and two writers, again, memory
  live      upserts of 500 new rows
  refresh   the refresh of recent_ohlcv with 400,000 rows, concurrent against plain
  --rows    rows of the imported file (1000000)
  --rounds  rounds, of which the median counts (3)
  --help    this text

Works in a database of its own, which it drops in the end: on the server of BENCH_DATABASE_URL (as a role that may create
databases), else on an embedded server in a temporary folder. Only the ratios can be compared between machines, and only
where nothing else runs. A run that is interrupted leaves its database bench_… behind.

Exit codes: 0 measured, whatever the result · 1 failed · 2 wrong options`;

await runCommand(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rows: { type: 'string', default: '1000000' },
      rounds: { type: 'string', default: '3' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const parts = positionals.map(parsePart);
  const rows = parseCount('rows', values.rows, 1000, 100_000_000);
  const rounds = parseCount('rounds', values.rounds, 1, 100);
  const wanted = (part: Part) => parts.length === 0 || parts.includes(part);

  config({ quiet: true });
  const serverUrl = process.env['BENCH_DATABASE_URL']?.trim() ?? '';
  const logger = pino({ level: 'error', base: null }, pino.destination({ dest: 2, sync: true }));
  await using database = await createBenchDatabase(serverUrl === '' ? null : serverUrl, logger);
  const table = database.hypertable ? 'hypertable' : 'plain table';
  console.log(`${database.version}, ohlcv_data is a ${table}; median of ${rounds} rounds`);
  const log = (line: string) => console.log(line);
  const measurements: Measurement[] = [];
  if (wanted('import')) {
    log(`import of ${rows.toLocaleString('en-US')} rows`);
    measurements.push(...(await measureImport(database, { rows, rounds, log })));
  }
  if (wanted('live')) measurements.push(...(await measureLive(database)));
  if (wanted('refresh')) {
    log('refresh of recent_ohlcv');
    measurements.push(...(await measureRefresh(database, { rounds, log })));
  }
  console.log(`\n${toTable(measurements)}`);
  return 0;
});

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
