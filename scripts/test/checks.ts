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

/** Runs a script of package.json to its end. */
export async function runCheck(name: string, signal: AbortSignal): Promise<CheckOutcome> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, ['--run', name], {
    cwd: ROOT,
    signal,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: `--import=${RECORD_CPU}`, CPU_RECORD_OF: name },
  });
  // They make nobody wait who measures time: tests that run beside them come first.
  if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_BELOW_NORMAL);
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const isOk = await new Promise<boolean>((done, fail) => {
    child.once('error', fail);
    child.once('close', (code) => done(code === 0));
  });
  return { name, isOk, ms: performance.now() - startedAt, text };
}
