import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { HealthDocument } from '../../src/http/health/health-schema.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const POLL_MS = 50;
const SHOWN_LINES = 15;

/** A line of the service's log. */
export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface ExitState {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed JSON. */
  readonly body: Record<string, unknown>;
}

export interface StartOptions {
  /** The script to run, relative to the repository; the service itself unless given. */
  readonly script?: string;
  readonly args?: readonly string[];
}

/**
 * Starts the service as a process of its own. It sees only `env`, with PORT=0 (a free one) on the loopback unless that
 * says otherwise; it runs in a temporary folder, so that no `.env` and no `./data` of the developer takes part.
 */
export function startService(env: Readonly<Record<string, string>>, options: StartOptions = {}): ServiceProcess {
  const cwd = mkdtempSync(join(tmpdir(), 'candlekeep-e2e-'));
  // As root the user of an embedded database must pass.
  chmodSync(cwd, 0o755);
  const { script = 'src/main.ts', args = [] } = options;
  const child = spawn(process.execPath, [join(ROOT, script), ...args], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...basicEnvironment(), ...compileCache(script), PORT: '0', HOST: '127.0.0.1', LOG_PRETTY: 'false', ...env },
  });
  return new ServiceProcess(child, cwd);
}

/** A service that was started; `await using` kills what is left of it. */
export class ServiceProcess implements AsyncDisposable {
  readonly pid: number;
  /** The log lines so far. */
  readonly logs: LogLine[] = [];
  readonly exited: Promise<ExitState>;
  readonly #child: ChildProcess;
  readonly #cwd: string;
  readonly #lines: string[] = [];
  #exit: ExitState | null = null;

  constructor(child: ChildProcess, cwd: string) {
    this.#child = child;
    this.#cwd = cwd;
    this.pid = child.pid ?? -1;
    for (const stream of [child.stdout, child.stderr])
      if (stream) createInterface({ input: stream }).on('line', (line) => this.#read(line));
    this.exited = new Promise((done, fail) => {
      child.once('error', fail);
      // `close` rather than `exit`: by then every line was read.
      child.once('close', (code, signal) => done((this.#exit = { code, signal })));
    });
  }

  /** Everything that was printed, standard error too. */
  get output(): string {
    return this.#lines.join('\n');
  }

  get hasExited(): boolean {
    return this.#exit !== null;
  }

  /** Where it listens; waits for that. */
  async url(timeoutMs = 45_000): Promise<string> {
    const { url } = await this.waitForLog('HTTP is listening', timeoutMs);
    return String(url);
  }

  async request(path: string, init: RequestInit = {}): Promise<HttpAnswer> {
    const response = await fetch(new URL(path, await this.url()), { signal: AbortSignal.timeout(10_000), ...init });
    const body = (await response.json()) as Record<string, unknown>;
    return { status: response.status, headers: response.headers, body };
  }

  async health(): Promise<HealthDocument> {
    return (await this.request('/health')).body as unknown as HealthDocument;
  }

  /** Polls /health until `isReached`; throws with the last lines of the log where that takes too long or it ended. */
  async waitFor(isReached: (health: HealthDocument) => boolean, timeoutMs = 60_000): Promise<HealthDocument> {
    let last: HealthDocument | null = null;
    return await this.#until(
      async () => {
        last = await this.health();
        return isReached(last) ? last : null;
      },
      timeoutMs,
      () => `health is ${JSON.stringify(last)}`,
    );
  }

  /** Waits until every series and feed is complete, and there is at least one series. */
  async waitUntilComplete(timeoutMs = 90_000): Promise<HealthDocument> {
    return await this.waitFor(isComplete, timeoutMs);
  }

  /** Waits for the first line with this sentence, past or to come. */
  async waitForLog(msg: string, timeoutMs = 45_000): Promise<LogLine> {
    return await this.waitForLine((line) => line.msg === msg, `"${msg}"`, timeoutMs);
  }

  /** Waits for the first line that is wanted, past or to come. */
  async waitForLine(isWanted: (line: LogLine) => boolean, name: string, timeoutMs = 45_000): Promise<LogLine> {
    const find = () => Promise.resolve(this.logs.find(isWanted) ?? null);
    return await this.#until(find, timeoutMs, () => `no line with ${name}`);
  }

  kill(signal: NodeJS.Signals): void {
    if (this.#exit === null) this.#child.kill(signal);
  }

  /** Sends the signal and waits for the end. */
  async end(signal: NodeJS.Signals, timeoutMs = 45_000): Promise<ExitState> {
    this.kill(signal);
    return await this.waitForExit(timeoutMs);
  }

  async waitForExit(timeoutMs = 45_000): Promise<ExitState> {
    const late = new AbortController();
    const timer = delay(timeoutMs, null, { signal: late.signal }).catch(() => null);
    const ended = await Promise.race([this.exited, timer]);
    late.abort();
    if (ended === null) throw new Error(`the service did not end within ${timeoutMs} ms\n${this.#tail()}`);
    return ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // In order first: an embedded database must not stay behind.
    if (this.#exit === null) {
      this.kill('SIGTERM');
      await this.waitForExit(12_000).catch(() => this.kill('SIGKILL'));
    }
    await this.exited;
    rmSync(this.#cwd, { recursive: true, force: true });
  }

  #read(line: string): void {
    this.#lines.push(line);
    if (!line.startsWith('{')) return;
    try {
      this.logs.push(JSON.parse(line) as LogLine);
    } catch {
      // A line that a kill cut short; it is in the output.
    }
  }

  async #until<T>(find: () => Promise<T | null>, timeoutMs: number, describe: () => string): Promise<T> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const found = await find();
      if (found !== null) return found;
      if (this.#exit !== null) throw new Error(`the service ended; ${describe()}\n${this.#tail()}`);
      if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${describe()}\n${this.#tail()}`);
      await delay(POLL_MS);
    }
  }

  #tail(): string {
    return this.#lines.slice(-SHOWN_LINES).join('\n');
  }
}

/** Whether every series and every futures feed is complete, and there is one. */
export function isComplete({ phase, ingest }: HealthDocument): boolean {
  const { futures } = ingest as unknown as { futures: { feeds: number; complete: number } };
  return (
    phase === 'running' && ingest.series > 0 && ingest.complete === ingest.series && futures.complete === futures.feeds
  );
}

/** Runs a command of scripts/ to its end, with only `env`. */
export async function runScript(
  name: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<ExitState & { readonly output: string }> {
  await using command = startService(env, { script: `scripts/${name}.ts`, args });
  const exit = await command.waitForExit(60_000);
  return { ...exit, output: command.output };
}

/** Node's compile cache, if this run has one. A copy of the sources elsewhere is loaded once: it would only fill it. */
function compileCache(script: string): Record<string, string> {
  const folder = process.env['NODE_COMPILE_CACHE'];
  return folder === undefined || script.startsWith('..') ? {} : { NODE_COMPILE_CACHE: folder };
}

/** What every program needs to run at all. */
function basicEnvironment(): Record<string, string> {
  return Object.fromEntries(
    ['PATH', 'HOME', 'TMPDIR', 'SystemRoot']
      .map((name) => [name, process.env[name]] as const)
      .filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
