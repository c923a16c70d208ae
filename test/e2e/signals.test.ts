import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { findRunningServer } from '../../src/db/embedded/find-running-server.ts';
import { countStored, ExchangeStage, listStored } from '../support/exchange-stage.ts';
import { MachineWatch, elapsedMs } from '../support/machine-watch.ts';
import { execute } from '../support/postgres.ts';
import { startService } from '../support/service-process.ts';
import { createTemporaryDataDir, type TemporaryDataDir } from '../support/temporary-data-dir.ts';

const HOUR_MS = 3_600_000;
const SYMBOL = 'BTC/USDT';
const ADMIN_TOKEN = 'a-token-for-this-test';

describe('signals, with the embedded database', () => {
  let folder: TemporaryDataDir;
  let dataDir: string;
  let stage: ExchangeStage;
  let environment: Record<string, string>;
  let fromMs: number;

  before(async () => {
    folder = await createTemporaryDataDir();
    dataDir = folder.path;
    stage = await ExchangeStage.open({ symbols: [SYMBOL] });
    fromMs = Math.floor(stage.now() / HOUR_MS) * HOUR_MS - 50 * 24 * HOUR_MS;
    environment = { DATA_DIR: dataDir, ...stage.environment({ symbols: [SYMBOL], timeframes: '1h', fromMs }) };
  });
  after(async () => {
    await stage.exchange.close();
    await folder[Symbol.asyncDispose]();
  });

  const postmasterPid = async () =>
    Number((await readFile(join(dataDir, 'postgres/postmaster.pid'), 'utf8')).split('\n')[0]);

  it('stops in order at the first SIGTERM, and the database with it', async () => {
    await using service = startService(environment);
    await service.waitUntilComplete();
    const pid = await postmasterPid();
    assert.ok(isAlive(pid));
    const stoppedMs = await elapsedMs(async () => {
      assert.deepEqual(await service.end('SIGTERM'), { code: 0, signal: null });
    });
    assert.ok(stoppedMs < 10_000, `${stoppedMs} ms`);
    assert.equal(isAlive(pid), false, 'the database server is still running');
    assert.equal(existsSync(join(dataDir, 'postgres/postmaster.pid')), false, 'it did not shut down cleanly');
    assert.equal(service.logs.at(-1)?.msg, 'stopped');
    assert.deepEqual(
      service.logs.filter(({ level }) => level === 'error' || level === 'fatal'),
      [],
    );
  });

  it('ends at once at the second SIGTERM, and the next start finds everything', async () => {
    await using service = startService({ ...environment, ADMIN_TOKEN });
    await service.waitFor(({ phase }) => phase === 'running');
    // A request whose body never comes: the first signal waits for it.
    const { hostname, port } = new URL(await service.url());
    const socket = connect({ host: hostname, port: Number(port) });
    socket.on('error', () => undefined);
    socket.write(
      `POST /migrations/upgrade HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${ADMIN_TOKEN}\r\n` +
        'content-type: application/json\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n{',
    );
    // Its head has been read once the answer begins.
    const [head] = (await once(socket, 'data')) as [Buffer];
    assert.match(head.toString(), /^HTTP\/1\.1 100 /);
    service.kill('SIGTERM');
    await service.waitForLog('stopping');
    await delay(1_000);
    assert.equal(service.hasExited, false, 'it did not wait for the request');
    // A process that does nothing but end, again and again, tells what the machine alone takes for that.
    await using machine = new MachineWatch(() => once(spawn(process.execPath, ['--eval', '0']), 'exit'), 100);
    const secondAt = performance.now();
    assert.deepEqual(await service.end('SIGTERM'), { code: 1, signal: null });
    const endedMs = performance.now() - secondAt;
    await machine.stop();
    assert.ok(endedMs - machine.longestMs < 1_000, `${endedMs} ms, of another one ${machine.longestMs} ms`);
    assert.ok(!service.logs.some(({ msg }) => msg === 'stopping took too long and is cut off'));
    assert.ok(service.logs.some(({ msg }) => msg === 'a second signal: the process ends at once'));
    socket.destroy();
    await using again = startService(environment);
    await again.waitUntilComplete();
    const url = (await findRunningServer(dataDir))!;
    assert.deepEqual(await listStored(url, SYMBOL, '1h'), stage.listTruth(SYMBOL, '1h', fromMs));
  });

  it('keeps all that was committed when it is killed, and takes over the server that was left', async () => {
    let before: unknown[];
    let leftover: number;
    {
      await using service = startService(environment);
      await service.waitUntilComplete();
      const url = (await findRunningServer(dataDir))!;
      before = await listStored(url, SYMBOL, '1h');
      leftover = await postmasterPid();
      await service.end('SIGKILL');
    }
    assert.ok(before.length >= 50 * 24, `${before.length} rows`);
    await using service = startService(environment);
    await service.waitUntilComplete();
    const url = (await findRunningServer(dataDir))!;
    assert.notEqual(await postmasterPid(), leftover);
    assert.equal(isAlive(leftover), false);
    const stored = await listStored(url, SYMBOL, '1h');
    assert.deepEqual(stored.slice(0, before.length), before);
    assert.deepEqual(stored, stage.listTruth(SYMBOL, '1h', fromMs));
    assert.deepEqual(await execute(url, 'select from pg_locks where locktype = $$advisory$$'), []);
  });

  it('refuses a second instance on the same DATA_DIR, and the first goes on', async () => {
    await using first = startService(environment);
    await first.waitFor(({ phase }) => phase === 'running');
    await using second = startService(environment);
    assert.deepEqual(await second.waitForExit(), { code: 1, signal: null });
    const fatal = second.logs.find(({ level }) => level === 'fatal');
    assert.equal(fatal?.['code'], 'DATA_DIR_IN_USE');
    assert.match(String(fatal['reason']), new RegExp(`${first.pid}`));
    await delay(500);
    assert.equal((await first.health()).components.database, 'up');
    assert.ok((await countStored((await findRunningServer(dataDir))!)) > 0);
  });
});

/** Whether a process runs; one that has ended and that nobody asked about yet (a zombie) does not. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    // https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: the state follows the name in brackets.
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    // No such file: it ended just now, or this system has no /proc.
    return !existsSync('/proc/self/stat');
  }
}
