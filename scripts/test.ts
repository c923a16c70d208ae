import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readChildrenCpu } from '../test/support/children-cpu.ts';
import { startServerForTests, timescaleUrl } from '../test/support/postgres.ts';
import { isLaneName, LANES, listTestFiles, orderFiles, ROOT, type LaneName } from './test/lanes.ts';
import { printCosts, printDurations, printSummary } from './test/print.ts';
import type { RunOutcome } from './test/outcome.ts';
import { runLanes } from './test/run-lanes.ts';
import { abortOnSignals, INTERRUPTED } from './test/stopping.ts';
import { runCommand, UsageError } from './support/run-command.ts';

const HELP = `Runs the tests on one PostgreSQL server that lives as long as the run.

  npm test                 the checks, and the tests below
  npm run test:all         unit, integration and e2e
  npm run test:unit | test:integration | test:e2e [-- FILE ...]
  npm run test:slow        slow, faults and chaos: the long lanes for the night
  npm run test:faults | test:chaos

  FILE         only these test files, with each test's name
  --verbose    each test's name
  --durations  at the end each file's time and processor time, the longest first
  --works N    so many checks, unit and integration files at once (default: as many as there are processors)
  --waits N    so many files at once that mostly wait: e2e and the long lanes (default 4), beside the others
  --limit S    a file that takes longer than so many seconds is killed and has failed (default: a quarter of an hour, in
               the long lanes eight hours)
  --apart      what mostly waits begins when the others have ended
  --help       this text

The lane slow: what a short test shows of minutes, over hours.
The lane faults: processes that migrate are killed at random moments. FAULT_KILLS (default 50) says how often on each
kind of server, FAULT_SEED repeats a run.
The lane chaos is as long: hours of trading on an exchange that misbehaves in every way, while the service is killed and
the database restarted. CHAOS_SEED repeats a run; CHAOS_HOURS (24), CHAOS_KILLS (24), CHAOS_RESTARTS (6).
TEST_PG_URL: use this server instead (its role must be allowed to create databases and roles).
TEST_TIMESCALE_URL: a server with TimescaleDB; without it the TimescaleDB lane says that it was skipped.
Exit codes: 0 all passed · 1 something failed, or a lane ran no test · 2 wrong usage · 130 interrupted`;

await runCommand(async () => {
  const { values, positionals } = parseArgs({
    options: {
      help: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
      durations: { type: 'boolean', default: false },
      limit: { type: 'string' },
      apart: { type: 'boolean', default: false },
      works: { type: 'string', default: String(Math.max(2, availableParallelism())) },
      waits: { type: 'string', default: '4' },
    },
    allowPositionals: true,
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const names = positionals.filter(isLaneName);
  const withChecks = positionals.includes('check');
  const files = positionals.filter((word) => word !== 'check' && !isLaneName(word));
  if (names.length === 0) throw new UsageError(`name a lane: ${Object.keys(LANES).join(', ')}`);
  const limitMs = values.limit === undefined ? null : parseCount(values.limit, 'seconds') * 1000;
  const concurrency = { works: parseCount(values.works), waits: parseCount(values.waits) };
  console.log(
    timescaleUrl() === null
      ? 'TimescaleDB lane: skipped, TEST_TIMESCALE_URL is not set'
      : 'TimescaleDB lane: runs on TEST_TIMESCALE_URL',
  );
  const lanes = await planLanes(names, files);
  const stopping = abortOnSignals();
  // Services and test files are loaded hundreds of times. With the packages, because it goes stale with them.
  process.env['NODE_COMPILE_CACHE'] ??= join(ROOT, 'node_modules/.cache/node-compile');
  const startedAt = performance.now();
  const needsServer = names.some((lane) => LANES[lane].needsServer) && (process.env['TEST_PG_URL'] ?? '') === '';
  const server = needsServer ? await startServerForTests() : null;
  if (server !== null) process.env['TEST_PG_URL'] = server.url;
  let outcome: RunOutcome;
  try {
    outcome = await runLanes(
      { lanes, withChecks, isApart: values.apart, isVerbose: values.verbose || files.length > 0, concurrency, limitMs },
      stopping,
    );
  } finally {
    await server?.stop();
  }
  const total = readChildrenCpu();
  const known = outcome.costs.reduce((sum, { cpuMs }) => sum + (cpuMs ?? 0), 0);
  const wallMs = performance.now() - startedAt;
  if (values.durations) printDurations(outcome);
  printCosts([
    ...outcome.costs,
    // What is left: its backends are no children of the tests that use them.
    ...(total === null || server === null ? [] : [{ lane: 'PostgreSQL', wallMs, cpuMs: total - known }]),
    { lane: 'all', wallMs, cpuMs: total },
  ]);
  const emptyLanes = [...lanes.keys()].filter((name) => !outcome.ranLanes.has(name));
  printSummary(outcome, emptyLanes);
  if (stopping.aborted) return INTERRUPTED;
  const isOk =
    emptyLanes.length + outcome.failedChecks.length === 0 && outcome.files.every(({ failed }) => failed.length === 0);
  return isOk ? 0 : 1;
});

function parseCount(text: string, unit = 'files'): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1) throw new UsageError(`${text} is not a number of ${unit}`);
  return count;
}

/** Given files run in the lane whose folder they are in, others (a copy of a test elsewhere) in the first one. */
async function planLanes(names: readonly LaneName[], files: readonly string[]): Promise<Map<LaneName, string[]>> {
  const lanes = new Map<LaneName, string[]>();
  if (files.length === 0) {
    for (const name of names) lanes.set(name, await listTestFiles(name));
    return lanes;
  }
  const absent = files.filter((file) => !existsSync(resolve(file)));
  if (absent.length > 0) throw new UsageError(`there is no test file ${absent.join(', ')}`);
  for (const file of orderFiles(files.map((each) => relative(ROOT, resolve(each)).replaceAll('\\', '/')))) {
    const lane = names.find((name) => file.startsWith(`test/${name}/`)) ?? names[0];
    if (lane !== undefined) lanes.set(lane, [...(lanes.get(lane) ?? []), file]);
  }
  return lanes;
}
