import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { readPidFile } from '../../src/db/embedded/pid-file.ts';
import { startedUrl, startService, type ServiceProcess } from '../support/embedded-process.ts';
import { waitUntil } from '../support/patience.ts';
import { execute } from '../support/postgres.ts';

describe('EmbeddedServer in processes that are killed', () => {
  let dataDir: string;
  let services: ServiceProcess[];

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'candlekeep-embedded-'));
    // As root the server's own user must pass; the suite for users tests where it may not.
    await chmod(dataDir, 0o755);
    services = [];
  });
  afterEach(async () => {
    for (const service of services) await service.end('SIGTERM');
    const left = await readPidFile(join(dataDir, 'postgres'));
    if (left) process.kill(left.pid, 'SIGQUIT');
    await waitUntil(async () => (await readPidFile(join(dataDir, 'postgres'))) === null, 'the end of the server');
    await rm(dataDir, { recursive: true, force: true });
  });

  function start(): ServiceProcess {
    const service = startService({ dataDir });
    services.push(service);
    return service;
  }
  const serverPid = async () => (await readPidFile(join(dataDir, 'postgres')))!.pid;

  it('ends with its service: in order, and when the process exits without stopping', async () => {
    const first = start();
    await startedUrl(first);
    assert.equal(await first.end('SIGTERM'), 0);
    assert.match(
      await readFile(join(dataDir, 'postgres.log'), 'utf8'),
      /fast shutdown[^]*database system is shut down/,
    );
    assert.deepEqual((await readdir(dataDir)).sort(), [
      'candlekeep.lock',
      'postgres',
      'postgres-password',
      'postgres.log',
    ]);

    const second = start();
    await startedUrl(second);
    const pid = await serverPid();
    assert.equal(await second.end('SIGUSR2'), 3);
    await waitUntil(() => !isRunning(pid), 'the end of the server');
  });

  it('keeps the server out of the process group that Ctrl-C reaches', async () => {
    const service = start();
    await startedUrl(service);
    const groupOf = (pid: number) =>
      execFileSync('ps', ['-o', 'pgid=', '-p', String(pid)])
        .toString()
        .trim();
    assert.notEqual(groupOf(await serverPid()), groupOf(service.pid));
  });

  it('replaces the server that a killed service left behind, with its sessions, and keeps the data', async () => {
    const killed = start();
    const url = await startedUrl(killed);
    await execute(url, 'create table kept as select 1 as one');
    const session = execute(url, 'select pg_advisory_lock(42), pg_sleep(600)');
    const ended = assert.rejects(session);
    const hasLock = async () => (await execute(url, `select from pg_locks where locktype = 'advisory'`)).length === 1;
    await waitUntil(hasLock, 'the lock of a session');
    const left = await serverPid();
    assert.equal(await killed.end('SIGKILL'), 'SIGKILL');
    assert.ok(isRunning(left), 'the server outlives a service that was killed');

    const next = start();
    const nextUrl = await startedUrl(next);
    await ended;
    assert.ok(!isRunning(left));
    assert.deepEqual(await execute(nextUrl, 'select one from kept'), [{ one: 1 }]);
    assert.deepEqual(await execute(nextUrl, `select from pg_locks where locktype = 'advisory'`), []);
    const pid = await serverPid();
    assert.equal(await next.end('SIGTERM'), 0);
    assert.ok(!isRunning(pid));
  });

  it('recovers when service and server were killed in the middle of work', async () => {
    const killed = start();
    const url = await startedUrl(killed);
    await execute(url, 'create table kept as select 1 as one');
    const ended = assert.rejects(execute(url, 'select pg_sleep(600)'));
    process.kill(await serverPid(), 'SIGKILL');
    await killed.end('SIGKILL');
    assert.ok(existsSync(join(dataDir, 'postgres/postmaster.pid')), 'a stale pid file is there');
    const next = start();
    assert.deepEqual(await execute(await startedUrl(next), 'select one from kept'), [{ one: 1 }]);
    await ended;
  });

  it('is not blocked by a pid file whose pid is now another program of the same user', async () => {
    const killed = start();
    await startedUrl(killed);
    process.kill(await serverPid(), 'SIGKILL');
    await killed.end('SIGKILL');
    const { uid, gid } = await stat(join(dataDir, 'postgres'));
    const stranger = spawn('sleep', ['600'], { cwd: '/', ...(process.geteuid?.() === 0 ? { uid, gid } : {}) });
    try {
      const path = join(dataDir, 'postgres/postmaster.pid');
      await writeFile(path, (await readFile(path, 'utf8')).replace(/^\d+/, String(stranger.pid)));
      await startedUrl(start());
      assert.equal(stranger.exitCode ?? stranger.signalCode, null);
      assert.notEqual(await serverPid(), stranger.pid);
    } finally {
      stranger.kill('SIGKILL');
    }
  });

  it('starts anew after a kill in the middle of making the database', async () => {
    const killed = start();
    void killed.report.catch(() => undefined);
    const drafts = async () => (await readdir(dataDir)).filter((name) => name.startsWith('postgres.new-'));
    await waitUntil(async () => {
      const [draft] = await drafts();
      return draft !== undefined && existsSync(join(dataDir, draft, 'postgres/PG_VERSION'));
    }, 'a draft of the database');
    await killed.end('SIGKILL');
    assert.ok(!existsSync(join(dataDir, 'postgres')), 'the kill came before the database was whole');
    const next = start();
    assert.equal((await execute(await startedUrl(next), 'select 1 as one')).length, 1);
    await next.end('SIGTERM');
    await startedUrl(start());
    assert.deepEqual(await drafts(), []);
  });

  it('lets one of two instances have a DATA_DIR; the other names it and ends', async () => {
    const pair = [start(), start()];
    const reports = await Promise.all(pair.map(async ({ report }) => await report));
    const winner = reports.findIndex((report) => 'url' in report);
    const [loser] = reports.filter((report) => !('url' in report));
    assert.ok(winner !== -1 && loser && !('url' in loser), JSON.stringify(reports));
    assert.equal(loser.code, 'DATA_DIR_IN_USE');

    const late = await start().report;
    assert.ok(!('url' in late));
    assert.equal(late.code, 'DATA_DIR_IN_USE');
    assert.match(late.message, new RegExp(`pid ${pair[winner]!.pid} on .*kill ${pair[winner]!.pid}\\b`));

    await pair[winner]!.end('SIGKILL');
    await startedUrl(start());
  });
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  // A process that ended but whose parent is gone may wait to be reaped.
  return !/^Z/.test(
    execFileSync('ps', ['-o', 'stat=', '-p', String(pid)])
      .toString()
      .trim(),
  );
}
