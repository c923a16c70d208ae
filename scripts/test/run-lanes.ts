import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readChildrenCpu } from '../../test/support/children-cpu.ts';
import { CHECKS, runCheck } from './checks.ts';
import { LANES, ROOT, type LaneName } from './lanes.ts';
import type { FileOutcome, RunOutcome } from './outcome.ts';
import { runPool } from './pool.ts';
import { printCheck, printFile } from './print.ts';
import { runTestFile } from './run-test-file.ts';

export interface Plan {
  /** Test files by lane, in the order in which they begin. */
  readonly lanes: ReadonlyMap<LaneName, readonly string[]>;
  readonly withChecks: boolean;
  /** Whether each test is printed. */
  readonly isVerbose: boolean;
  /** Whether what waits begins when what works has ended: slower, and quieter for clocks that run fast. */
  readonly isApart: boolean;
  /** For one file; null: what its lane allows. */
  readonly limitMs: number | null;
  /** How many files at once. */
  readonly concurrency: Readonly<Record<'works' | 'waits', number>>;
}

/**
 * Runs the checks and the files of all lanes: those that work in a pool as wide as there are processors, and beside it
 * those that wait.
 */
export async function runLanes(plan: Plan, signal: AbortSignal): Promise<RunOutcome> {
  const folder = await mkdtemp(join(tmpdir(), 'candlekeep-run-'));
  const record = join(folder, 'cpu.ndjson');
  process.env['CPU_RECORD'] = record;
  process.env['TEST_PIDS'] = folder;
  const files: FileOutcome[] = [];
  const ranLanes = new Set<LaneName>();
  const failedChecks: string[] = [];
  const spans = new Map<string, { from: number; to: number }>();
  const tasks: Record<'works' | 'waits', (() => Promise<void>)[]> = { works: [], waits: [] };
  const timed = (lane: string, task: () => Promise<void>) => async () => {
    if (signal.aborted) return;
    const from = spans.get(lane)?.from ?? performance.now();
    await task();
    spans.set(lane, { from, to: performance.now() });
  };
  if (plan.withChecks)
    for (const name of CHECKS)
      tasks.works.push(
        timed('check', async () => {
          const outcome = await runCheck(name, signal);
          if (outcome.isEnded) return;
          printCheck(outcome);
          if (!outcome.isOk) failedChecks.push(name);
        }),
      );
  for (const [lane, names] of plan.lanes) {
    const { kind, timeoutMs, fileTimeoutMs } = LANES[lane];
    const limitMs = plan.limitMs ?? fileTimeoutMs;
    for (const name of names)
      tasks[kind].push(
        timed(lane, async () => {
          const outcome = await runTestFile(name, { timeoutMs, limitMs, folder, signal });
          printFile(outcome, plan.isVerbose);
          files.push(outcome);
          if (outcome.passed + outcome.failed.length > 0) ranLanes.add(lane);
        }),
      );
  }
  try {
    const works = runPool(tasks.works, plan.concurrency.works);
    if (plan.isApart) await works;
    await Promise.all([works, runPool(tasks.waits, plan.concurrency.waits)]);
    const cpuMs = await readRecord(record);
    const laneOf = (name: string) => (CHECKS.includes(name) ? 'check' : (name.split('/')[1] ?? name));
    const costs = [...spans].map(([lane, { from, to }]) => {
      const own = [...cpuMs].filter(([name]) => laneOf(name) === lane).reduce((sum, [, ms]) => sum + ms, 0);
      return { lane, wallMs: to - from, cpuMs: readChildrenCpu() === null ? null : own };
    });
    return { files, ranLanes, failedChecks, costs, cpuMs };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function readRecord(path: string): Promise<Map<string, number>> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const sums = new Map<string, number>();
  for (const line of text.split('\n').filter((each) => each !== '')) {
    const { of, cpuMs } = JSON.parse(line) as { of: string; cpuMs: number };
    const name = of.startsWith(ROOT) ? of.slice(ROOT.length + 1) : of;
    sums.set(name, (sums.get(name) ?? 0) + cpuMs);
  }
  return sums;
}
