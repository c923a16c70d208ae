import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { HealthDocument } from '../../src/http/health/health-schema.ts';
import { PATIENCE_MS, waitUntil } from './patience.ts';

const ROOT = resolve(import.meta.dirname, '../..');
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
  async url(): Promise<string> {
    const { url } = await this.waitForLog('HTTP is listening');
    return String(url);
  }

  async request(path: string, init: RequestInit = {}): Promise<HttpAnswer> {
    const response = await fetch(new URL(path, await this.url()), {
      signal: AbortSignal.timeout(PATIENCE_MS),
      ...init,
    });
    const body = (await response.json()) as Record<string, unknown>;
    return { status: response.status, headers: response.headers, body };
  }

  async health(): Promise<HealthDocument> {
    return (await this.request('/health')).body as unknown as HealthDocument;
  }

  /** Polls /health until `isReached`; throws with the last lines of the log where it never is, or the service ended. */
  async waitFor(isReached: (health: HealthDocument) => boolean): Promise<HealthDocument> {
    let last: HealthDocument | null = null;
    return await this.#until(
      async () => {
        last = await this.health();
        return isReached(last) ? last : null;
      },
      () => `health is ${JSON.stringify(last)}`,
    );
  }

  /** Waits until every series and feed is complete, and there is at least one series. */
  async waitUntilComplete(): Promise<HealthDocument> {
    return await this.waitFor(isComplete);
  }

  /** Waits for the first line with this sentence, past or to come. */
  async waitForLog(msg: string): Promise<LogLine> {
    return await this.waitForLine((line) => line.msg === msg, `"${msg}"`);
  }

  /** Waits for the first line that is wanted, past or to come. */
  async waitForLine(isWanted: (line: LogLine) => boolean, name: string): Promise<LogLine> {
    const find = () => this.logs.find(isWanted) ?? null;
    return await this.#until(find, () => `no line with ${name}`);
  }

  kill(signal: NodeJS.Signals): void {
    if (this.#exit === null) this.#child.kill(signal);
  }

  /** Sends the signal and waits for the end. */
  async end(signal: NodeJS.Signals): Promise<ExitState> {
    this.kill(signal);
    return await this.waitForExit();
  }

  async waitForExit(): Promise<ExitState> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      reject(new Error(`the service did not end within ${PATIENCE_MS / 1000} s\n${this.#tail()}`));
    }, PATIENCE_MS);
    try {
      return await Promise.race([this.exited, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // In order first: an embedded database must not stay behind.
    if (this.#exit === null) {
      this.kill('SIGTERM');
      // One that a test had frozen takes no other signal.
      this.kill('SIGCONT');
      await this.waitForExit().catch(() => this.kill('SIGKILL'));
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

  async #until<T extends object>(find: () => T | null | Promise<T | null>, describe: () => string): Promise<T> {
    const look = async (): Promise<T | null> => {
      const found = await find();
      if (found === null && this.#exit !== null) throw new Error(`the service ended; ${describe()}\n${this.#tail()}`);
      return found;
    };
    return await waitUntil(look, () => `${describe()}\n${this.#tail()}`);
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
  const exit = await command.waitForExit();
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
