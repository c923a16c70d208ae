import { spawn } from 'node:child_process';
import { constants, setPriority } from 'node:os';
import { ROOT } from './lanes.ts';
import type { CheckOutcome } from './outcome.ts';

/** Scripts of package.json that look at the sources without running them, the longest first. */
export const CHECKS: readonly string[] = [
  'lint',
  'typecheck',
  'format:check',
  'typecheck:page',
  'architecture',
  'unused',
];

const RECORD_CPU = new URL('../../test/support/record-cpu.ts', import.meta.url).href;

/** What a check that was told to end has until it is killed. */
const GRACE_MS = 2_000;

/** Runs a script of package.json to its end; once `signal` aborts, what it started is ended and it has failed. */
export async function runCheck(name: string, signal: AbortSignal): Promise<CheckOutcome> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, ['--run', name], {
    cwd: ROOT,
    // A group of its own, so that what it started can be ended with it.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: `--import=${RECORD_CPU}`, CPU_RECORD_OF: name },
  });
  // They make nobody wait who measures time: tests that run beside them come first.
  if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_BELOW_NORMAL);
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const end = () => {
    endGroup(child.pid, 'SIGTERM');
    setTimeout(() => endGroup(child.pid, 'SIGKILL'), GRACE_MS).unref();
  };
  if (signal.aborted) end();
  else signal.addEventListener('abort', end);
  try {
    const isOk = await new Promise<boolean>((done, fail) => {
      child.once('error', fail);
      child.once('close', (code) => done(code === 0));
    });
    return { name, isOk, isEnded: !isOk && signal.aborted, ms: performance.now() - startedAt, text };
  } finally {
    signal.removeEventListener('abort', end);
  }
}

function endGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended by itself.
  }
}
