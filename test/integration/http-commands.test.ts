import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { HealthDocument } from '../../src/http/health/health-schema.ts';
import type { HealthProbes } from '../../src/http/health/health.ts';
import { HttpServer } from '../../src/http/http-server.ts';
import {
  BTC,
  createProbes,
  createRecordingLogger,
  hourlyCandles,
  InMemorySchema,
  NO_LIMITS,
  NO_METRICS,
  NOTHING_TO_FETCH,
} from '../unit/http/in-memory.ts';
import { InMemoryRows } from '../unit/http/in-memory-rows.ts';
import { PATIENCE_MS } from '../support/patience.ts';

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a command in an empty folder, so that no `.env` but the test's own is read. */
async function run(
  command: 'health' | 'status',
  args: string[],
  options: { cwd: string; env?: Record<string, string> },
): Promise<Outcome> {
  const script = resolve(import.meta.dirname, `../../scripts/${command}.ts`);
  const { promise, resolve: settle } = Promise.withResolvers<Outcome>();
  const env = { PATH: process.env['PATH'], ...options.env };
  execFile(
    process.execPath,
    [script, ...args],
    { cwd: options.cwd, env, timeout: PATIENCE_MS },
    (error, stdout, stderr) =>
      settle({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, stdout, stderr }),
  );
  return await promise;
}

describe('health and status', () => {
  let cwd: string;
  let server: HttpServer;
  let url: string;
  let probes: HealthProbes;
  const set = (changes: Partial<HealthProbes>) => (probes = createProbes(changes));

  before(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'candlekeep-test-'));
    set({});
    const repositories = new InMemoryRows();
    repositories.put(BTC, hourlyCandles(12));
    server = new HttpServer({
      http: { host: '127.0.0.1', port: 0, adminToken: null, ...NO_LIMITS },
      logger: createRecordingLogger().logger,
      version: '0.1.0-test',
      probes: new Proxy({} as HealthProbes, { get: (_target, name) => Reflect.get(probes, name) as unknown }),
      repositories,
      schema: new InMemorySchema(),
      plan: () => Promise.resolve(NOTHING_TO_FETCH),
      metrics: NO_METRICS,
    });
    await server.start({ signal: new AbortController().signal });
    assert.ok(server.url);
    url = server.url;
  });
  after(async () => {
    await server.stop();
    await rm(cwd, { recursive: true });
  });

  it('health answers for healthy, degraded and unhealthy with 0, 3 and 1', async () => {
    for (const [changes, code, word] of [
      [{}, 0, 'healthy'],
      [{ scheduler: () => 'stopped' }, 3, 'degraded'],
      [{ database: () => 'down' }, 1, 'unhealthy'],
      [{ phase: () => 'migrating' }, 1, 'starting'],
    ] as [Partial<HealthProbes>, number, string][]) {
      set(changes);
      const outcome = await run('health', ['--url', url], { cwd });
      assert.equal(outcome.code, code, outcome.stderr);
      assert.match(outcome.stdout, new RegExp(`is ${word}$`, 'm'));
    }
  });

  it('health --json prints the document, --live and --ready their own word', async () => {
    set({ database: () => 'down' });
    const json = await run('health', ['--url', url, '--json'], { cwd });
    assert.equal((JSON.parse(json.stdout) as HealthDocument).status, 'unhealthy');
    assert.deepEqual(await run('health', ['--url', url, '--live'], { cwd }), {
      code: 0,
      stdout: 'alive, phase running\n',
      stderr: '',
    });
    assert.deepEqual(await run('health', ['--url', url, '--ready'], { cwd }), {
      code: 1,
      stdout: 'not ready, phase running\n',
      stderr: '',
    });
  });

  it('find the service by HOST and PORT, of the environment before those of .env', async () => {
    set({});
    const { port } = new URL(url);
    assert.equal((await run('health', ['--ready'], { cwd, env: { HOST: '0.0.0.0', PORT: port } })).code, 0);
    await writeFile(join(cwd, '.env'), `PORT=${port}\n`);
    try {
      assert.equal((await run('health', ['--ready'], { cwd })).code, 0);
      assert.equal((await run('health', ['--ready'], { cwd, env: { PORT: '1' } })).code, 1);
    } finally {
      await rm(join(cwd, '.env'));
    }
  });

  it('status shows the series, or why it cannot', async () => {
    set({});
    const shown = await run('status', ['--url', url], { cwd });
    assert.equal(shown.code, 0, shown.stderr);
    assert.match(shown.stdout, /is healthy\n/);
    assert.match(shown.stdout, /binance {3}BTC\/USDT {2}1h {9}stored/);
    set({ phase: () => 'migrating', progress: () => 'revision 3 of 5: 0003_c' });
    const starting = await run('status', ['--url', url], { cwd });
    assert.equal(starting.code, 0);
    assert.match(starting.stdout, /cannot be shown: The service is migrating \(revision 3 of 5: 0003_c\)/);
  });

  it('say what to do where nothing listens, or something else does', async () => {
    const other = http.createServer((_request, response) => response.end('<html>'));
    other.listen(0, '127.0.0.1');
    await once(other, 'listening');
    const origin = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    for (const command of ['health', 'status'] as const)
      assert.deepEqual(await run(command, ['--url', origin], { cwd }), {
        code: 1,
        stdout: '',
        stderr: `what answers at ${origin} is not candlekeep: set HOST and PORT, or pass --url\n`,
      });
    other.close();
    await once(other, 'close');
    for (const command of ['health', 'status'] as const)
      assert.deepEqual(await run(command, ['--url', origin], { cwd }), {
        code: 1,
        stdout: '',
        stderr: `no candlekeep answers at ${origin}: is it running? make run\n`,
      });
  });

  it('give up after 5 s on a service that accepts and never answers', async () => {
    const silent = http.createServer(() => undefined);
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const origin = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const since = performance.now();
    // What a command needs that asks for nothing, in the same moment.
    const aside = run('health', ['--help'], { cwd }).then(() => performance.now() - since);
    const outcome = await run('health', ['--url', origin, '--ready'], { cwd });
    const waitedMs = performance.now() - since;
    silent.close();
    silent.closeAllConnections();
    assert.equal(outcome.code, 1);
    assert.match(outcome.stderr, /did not answer within 5 s/);
    assert.ok(waitedMs >= 5000 && waitedMs - (await aside) < 8500, `${waitedMs} ms`);
  });

  it('explain themselves, and refuse what they do not know', async () => {
    for (const command of ['health', 'status'] as const) {
      const help = await run(command, ['--help'], { cwd });
      assert.deepEqual([help.code, help.stderr], [0, '']);
      assert.match(help.stdout, new RegExp(`npm run ${command}`));
      const wrong = await run(command, ['--wat'], { cwd });
      assert.equal(wrong.code, 2);
      assert.match(wrong.stderr, /Unknown option '--wat'/);
    }
    assert.match((await run('health', ['--url', 'localhost'], { cwd })).stderr, /"localhost" is not a URL/);
  });
});
