import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { run } from 'node:test';
import { spec, type TestEvent } from 'node:test/reporters';
import { ROOT } from './lanes.ts';
import type { FileOutcome } from './outcome.ts';

const END_WHAT_HANGS = new URL('../../test/support/end-what-hangs.ts', import.meta.url).href;
const RECORD_CPU = new URL('../../test/support/record-cpu.ts', import.meta.url).href;

/** Between the kill and the moment from which on nobody waits for the end of its output. */
const KILLED_MS = 5_000;

/**
 * Runs a test file (relative to the repository) in a process of its own, with this process's environment. A file that
 * ends in order without having declared a test has failed, and one that takes longer than `limitMs` is killed. `folder` is
 * where its process tells its id (TEST_PIDS).
 */
export async function runTestFile(
  file: string,
  options: {
    readonly timeoutMs: number;
    readonly limitMs: number;
    readonly folder: string;
    readonly signal: AbortSignal;
  },
): Promise<FileOutcome> {
  const startedAt = performance.now();
  const path = join(ROOT, file);
  const limit = new FileLimit(join(options.folder, `${encodeURIComponent(path)}.pid`), options.limitMs);
  const stream = run({
    files: [path],
    concurrency: 1,
    timeout: options.timeoutMs,
    signal: AbortSignal.any([options.signal, limit.signal]),
    execArgv: [`--import=${END_WHAT_HANGS}`, `--import=${RECORD_CPU}`],
  });
  const shown: TestEvent[] = [];
  const tally = { passed: 0, failed: [] as string[], skipped: [] as string[], seen: 0 };
  try {
    for await (const event of stream as AsyncIterable<TestEvent>) {
      if (!isTotal(event)) shown.push(event);
      count(event, path, tally);
    }
  } finally {
    limit.end();
  }
  if (limit.isExceeded)
    tally.failed.push(`${file}: killed, it took longer than ${Math.round(options.limitMs / 1000)} s`);
  if (tally.seen === 0 && tally.failed.length === 0) tally.failed.push(`${file}: declares no test`);
  const text = (await Readable.from(shown).pipe(new spec()).toArray()).join('');
  const { passed, failed, skipped } = tally;
  return { file, passed, failed, skipped, ms: performance.now() - startedAt, text };
}

/** Tests cannot end what hangs outside of them, or what never gives the processor back: from outside it is killed. */
class FileLimit {
  readonly #giveUp = new AbortController();
  readonly #timers: NodeJS.Timeout[];
  isExceeded = false;

  constructor(pidFile: string, limitMs: number) {
    this.#timers = [
      setTimeout(() => void this.#kill(pidFile), limitMs),
      // Where its children keep its output open.
      setTimeout(() => this.#giveUp.abort(), limitMs + KILLED_MS),
    ];
  }

  get signal(): AbortSignal {
    return this.#giveUp.signal;
  }

  end(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }

  async #kill(pidFile: string): Promise<void> {
    this.isExceeded = true;
    try {
      process.kill(Number(await readFile(pidFile, 'utf8')), 'SIGKILL');
    } catch {
      this.#giveUp.abort();
    }
  }
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
