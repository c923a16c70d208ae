import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { bareEnvironment, ROOT } from './run-node.ts';

const READY_TIMEOUT_MS = 60_000;

export interface ServiceProcess extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** From the start of the process to the log line, in milliseconds. */
  readonly listeningMs: number;
  readonly connectedMs: number;
  readonly runningMs: number;
}

export interface ServiceOptions {
  /** Further options of Node. */
  readonly args?: readonly string[];
  /** Over those that let it collect nothing. */
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * Starts `src/main.ts` on the database at `databaseUrl`, unless told otherwise with an exchange that refuses every
 * connection, and waits until it is ready. Disposing stops it.
 */
export async function startServiceProcess(
  databaseUrl: string,
  { args = [], environment = {} }: ServiceOptions = {},
): Promise<ServiceProcess> {
  await using resources = new AsyncDisposableStack();
  // Elsewhere, so that no .env takes part.
  const cwd = await mkdtemp(join(tmpdir(), 'candlekeep-bench-'));
  resources.defer(() => rm(cwd, { recursive: true, force: true }));
  const started = performance.now();
  const child = spawn(process.execPath, [...args, join(ROOT, 'src/main.ts')], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: bareEnvironment({
      DATABASE_URL: databaseUrl,
      HOST: '127.0.0.1',
      PORT: '0',
      LOG_PRETTY: 'false',
      MARKETS: 'binance:BTC/USDT',
      FUTURES: 'false',
      // Port 9 (discard) is nobody's: refused at once.
      EXCHANGE_URLS: 'binance=http://127.0.0.1:9',
      ...environment,
    }),
  });
  const closed = once(child, 'close');
  resources.defer(async () => {
    child.kill('SIGTERM');
    await closed;
  });
  const moments = new Map<string, number>();
  let url = '';
  await new Promise<void>((ready, fail) => {
    const timer = setTimeout(() => {
      fail(new Error(`the service was not ready within ${READY_TIMEOUT_MS / 1000} s`));
    }, READY_TIMEOUT_MS);
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = JSON.parse(text) as { msg: string; url?: string };
      if (!moments.has(line.msg)) moments.set(line.msg, performance.now() - started);
      url = line.url ?? url;
      if (line.msg !== 'candlekeep is running') return;
      clearTimeout(timer);
      ready();
    });
    void closed.then(() => {
      clearTimeout(timer);
      fail(new Error('the service ended before it was ready'));
    });
  });
  const momentOf = (message: string) => moments.get(message) ?? NaN;
  const owned = resources.move();
  return {
    url,
    pid: child.pid ?? 0,
    listeningMs: momentOf('HTTP is listening'),
    connectedMs: momentOf('connected to the database'),
    runningMs: momentOf('candlekeep is running'),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
