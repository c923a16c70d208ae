import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { startServerForTests, timescaleUrl } from '../test/support/postgres.ts';
import { runCommand, UsageError } from './support/run-command.ts';

const HELP = `Runs the tests on one PostgreSQL server that lives as long as the run.

  npm run test:all
  npm run test:unit | test:integration | test:e2e [-- FILE ...]

  FILE    only these test files
  --help  this text

TEST_PG_URL: use this server instead (its role must be allowed to create databases and roles).
TEST_TIMESCALE_URL: a server with TimescaleDB; without it the TimescaleDB lane says that it was skipped.
Exit codes: 0 all passed · 1 something failed · 2 wrong usage`;

const LANES = ['unit', 'integration', 'e2e'];

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
    return await runNode(files.length > 0 ? files : lanes.map((lane) => `test/${lane}/**/*.test.ts`), server?.url);
  } finally {
    await server?.stop();
  }
});

function runNode(patterns: readonly string[], serverUrl: string | undefined): Promise<number> {
  const runner = spawn(
    process.execPath,
    ['--test', '--test-concurrency=2', '--test-timeout=300000', '--test-reporter=spec', ...patterns],
    { stdio: 'inherit', env: { ...process.env, ...(serverUrl === undefined ? {} : { TEST_PG_URL: serverUrl }) } },
  );
  return new Promise((done, fail) => {
    runner.once('error', fail);
    runner.once('exit', (code) => done(code ?? 1));
  });
}
