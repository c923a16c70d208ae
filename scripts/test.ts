import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { startServerForTests, timescaleUrl } from '../test/support/postgres.ts';
import { runCommand, UsageError } from './support/run-command.ts';

const HELP = `Runs the tests on one PostgreSQL server that lives as long as the run.

  npm run test:all
  npm run test:unit | test:integration | test:e2e [-- FILE ...]
  npm run test:faults
  npm run test:chaos

  FILE    only these test files
  --help  this text

The lane faults is the long variant for the night: processes that migrate are killed at random moments.
FAULT_KILLS (default 50) says how often on each kind of server, FAULT_SEED repeats a run.
The lane chaos is as long: hours of trading on an exchange that misbehaves in every way, while the service is killed and
the database restarted. CHAOS_SEED repeats a run; CHAOS_HOURS (24), CHAOS_KILLS (24), CHAOS_RESTARTS (6).
TEST_PG_URL: use this server instead (its role must be allowed to create databases and roles).
TEST_TIMESCALE_URL: a server with TimescaleDB; without it the TimescaleDB lane says that it was skipped.
Exit codes: 0 all passed · 1 something failed · 2 wrong usage`;

const END_WHAT_HANGS = new URL('../test/support/end-what-hangs.ts', import.meta.url).href;
const LANES = ['unit', 'integration', 'e2e', 'faults', 'chaos'];
/** They go on for as long as they are asked to. */
const LONG_LANES = ['faults', 'chaos'];
/** For one test. */
const TIMEOUT_MS = { short: 300_000, long: 7_200_000 } as const;

await runCommand(async () => {
  const { values, positionals } = parseArgs({
    options: { help: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const lanes = positionals.filter((word) => LANES.includes(word));
  const files = positionals.filter((word) => !LANES.includes(word));
  if (lanes.length === 0) throw new UsageError(`name a lane: ${LANES.join(', ')}`);
  console.log(
    timescaleUrl() === null
      ? 'TimescaleDB lane: skipped, TEST_TIMESCALE_URL is not set'
      : 'TimescaleDB lane: runs on TEST_TIMESCALE_URL',
  );
  const needsServer = lanes.some((lane) => lane !== 'unit') && (process.env['TEST_PG_URL'] ?? '') === '';
  const server = needsServer ? await startServerForTests() : null;
  try {
    const patterns = files.length > 0 ? files : lanes.map((lane) => `test/${lane}/**/*.test.ts`);
    return await runNode(
      patterns,
      lanes.some((lane) => LONG_LANES.includes(lane)) ? TIMEOUT_MS.long : TIMEOUT_MS.short,
      server?.url,
    );
  } finally {
    await server?.stop();
  }
});

function runNode(patterns: readonly string[], timeoutMs: number, serverUrl: string | undefined): Promise<number> {
  const runner = spawn(
    process.execPath,
    [
      '--test',
      `--import=${END_WHAT_HANGS}`,
      '--test-concurrency=2',
      `--test-timeout=${timeoutMs}`,
      '--test-reporter=spec',
      ...patterns,
    ],
    { stdio: 'inherit', env: { ...process.env, ...(serverUrl === undefined ? {} : { TEST_PG_URL: serverUrl }) } },
  );
  return new Promise((done, fail) => {
    runner.once('error', fail);
    runner.once('exit', (code) => done(code ?? 1));
  });
}
