import { join } from 'node:path';
import { Readable } from 'node:stream';
import { run } from 'node:test';
import { spec, type TestEvent } from 'node:test/reporters';
import { ROOT } from './lanes.ts';
import type { FileOutcome } from './outcome.ts';

const END_WHAT_HANGS = new URL('../../test/support/end-what-hangs.ts', import.meta.url).href;
const RECORD_CPU = new URL('../../test/support/record-cpu.ts', import.meta.url).href;

/**
 * Runs a test file (relative to the repository) in a process of its own, with this process's environment. A file that
 * ends in order without having declared a test has failed.
 */
export async function runTestFile(
  file: string,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<FileOutcome> {
  const startedAt = performance.now();
  const path = join(ROOT, file);
  const stream = run({
    files: [path],
    concurrency: 1,
    timeout: options.timeoutMs,
    signal: options.signal,
    execArgv: [`--import=${END_WHAT_HANGS}`, `--import=${RECORD_CPU}`],
  });
  const shown: TestEvent[] = [];
  const tally = { passed: 0, failed: [] as string[], skipped: [] as string[], seen: 0 };
  for await (const event of stream as AsyncIterable<TestEvent>) {
    if (!isTotal(event)) shown.push(event);
    count(event, path, tally);
  }
  if (tally.seen === 0 && tally.failed.length === 0) tally.failed.push(`${file}: declares no test`);
  const text = (await Readable.from(shown).pipe(new spec()).toArray()).join('');
  const { passed, failed, skipped } = tally;
  return { file, passed, failed, skipped, ms: performance.now() - startedAt, text };
}

/** The closing lines of one file, which would be taken for those of the run. */
function isTotal(event: TestEvent): boolean {
  return (event.type === 'test:diagnostic' && event.data.nesting === 0) || event.type === 'test:summary';
}

function count(
  event: TestEvent,
  path: string,
  tally: { passed: number; failed: string[]; skipped: string[]; seen: number },
): void {
  if (event.type !== 'test:pass' && event.type !== 'test:fail') return;
  const { name, details, skip, todo, line } = event.data;
  const isFile = event.data.nesting === 0 && name === path;
  const isLeaf = !isFile && details.type !== 'suite';
  if (!isFile) tally.seen += 1;
  const note = skip ?? todo;
  if (note !== undefined) tally.skipped.push(typeof note === 'string' ? `${name} (${note})` : name);
  else if (event.type === 'test:pass') tally.passed += isLeaf ? 1 : 0;
  else if (isLeaf || failureTypeOf(event.data.details.error) !== 'subtestsFailed')
    tally.failed.push(
      isFile
        ? `${path.slice(ROOT.length + 1)}: the process failed`
        : `${path.slice(ROOT.length + 1)}:${line ?? 0} ${name}`,
    );
}

function failureTypeOf(error: Error): unknown {
  return 'failureType' in error ? error.failureType : undefined;
}
