import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { EmbeddedServer, type EmbeddedServerDeps } from '../../src/db/embedded/embedded-server.ts';
import { findBinaries } from '../../src/db/embedded/binaries.ts';
import { freePort, startPostmaster } from '../../src/db/embedded/postmaster.ts';
import { findServerUser } from '../../src/db/embedded/server-user.ts';
import { readPidFile } from '../../src/db/embedded/pid-file.ts';
import { AppError } from '../../src/errors.ts';
import { createLogger } from '../../src/logger.ts';
import { sleep } from '../../src/retry.ts';
import { waitUntil } from '../support/patience.ts';
import { execute } from '../support/postgres.ts';

const SETTINGS = { fsync: 'off' };
const isRoot = process.geteuid?.() === 0;

describe('EmbeddedServer', () => {
  let dataDir: string;
  let servers: EmbeddedServer[];
  let failures: unknown[];

  beforeEach(async () => {
    dataDir = join(await mkdtemp(join(tmpdir(), 'candlekeep-embedded-')), 'data');
    if (isRoot) execFileSync('chmod', ['755', join(dataDir, '..')]);
    servers = [];
    failures = [];
  });
  afterEach(async () => {
    for (const server of servers) await server.stop();
    await rm(join(dataDir, '..'), { recursive: true, force: true });
  });

  function create(deps: Partial<EmbeddedServerDeps> = {}): EmbeddedServer {
    const logger = createLogger({ level: 'silent', pretty: false });
    const systemDir = join(dataDir, '../system');
    const server = new EmbeddedServer({ dataDir, logger, settings: SETTINGS, systemDir, ...deps });
    servers.push(server);
    return server;
  }
  async function start(deps?: Partial<EmbeddedServerDeps>, signal = new AbortController().signal) {
    const server = create(deps);
    await server.start({ signal, fail: (error) => failures.push(error) });
    return server;
  }
  const cluster = () => join(dataDir, 'postgres');
  const rejects = async (code: string, message: RegExp, deps?: Partial<EmbeddedServerDeps>) => {
    await assert.rejects(start(deps), (error) => {
      assert.ok(error instanceof AppError);
      assert.equal(error.code, code, error.message);
      assert.match(error.message, message);
      return true;
    });
  };

  it('makes a private, reproducible database at the first start and keeps it over restarts', async () => {
    const server = create();
    assert.throws(() => server.connectionString(), AppError);
    await server.start({ signal: new AbortController().signal, fail: (error) => failures.push(error) });
    const url = server.connectionString();
    assert.match(url, /^postgresql:\/\/candlekeep:[\w-]{20,}@127\.0\.0\.1:\d+\/candlekeep$/);
    const rows = await execute(
      url,
      `select name, setting from pg_settings where name in ('data_checksums', 'server_encoding', 'TimeZone',
        'max_connections', 'listen_addresses', 'unix_socket_directories', 'client_connection_check_interval',
        'password_encryption', 'shared_buffers') order by name collate "C"`,
    );
    assert.deepEqual(Object.fromEntries(rows.map((row) => [row['name'], row['setting']])), {
      TimeZone: 'UTC',
      client_connection_check_interval: process.platform === 'linux' ? '1000' : '0',
      data_checksums: 'on',
      listen_addresses: '127.0.0.1',
      max_connections: '50',
      password_encryption: 'scram-sha-256',
      server_encoding: 'UTF8',
      shared_buffers: '16384',
      unix_socket_directories: '',
    });
    const [locale] = await execute(
      url,
      `select datlocprovider, datlocale, datcollate from pg_database where datname = 'candlekeep'`,
    );
    assert.deepEqual(locale, { datlocprovider: 'b', datlocale: 'C.UTF-8', datcollate: 'C' });
    for (const file of ['postgres-password', 'postgres.log'])
      assert.equal((await stat(join(dataDir, file))).mode & 0o777, 0o600, file);
    assert.equal((await stat(cluster())).mode & 0o077, 0);

    await execute(url, 'create table kept as select 1 as one');
    await server.stop();
    await server.stop();
    assert.throws(() => server.connectionString(), AppError);
    assert.equal(await readPidFile(cluster()), null);
    await assert.rejects(execute(url, 'select 1'), /ECONNREFUSED/);

    const again = await start();
    assert.deepEqual(await execute(again.connectionString(), 'select one from kept'), [{ one: 1 }]);
    assert.equal(new URL(again.connectionString()).password, new URL(url).password);
    assert.deepEqual(failures, []);
  });

  it('answers nobody without the password and nobody on another interface', async (t) => {
    const url = new URL((await start()).connectionString());
    const wrong = Object.assign(new URL(url), { password: 'wrong' }).href;
    await assert.rejects(execute(wrong, 'select 1'), { code: '28P01' });
    const outside = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .find(({ internal, family }) => !internal && family === 'IPv4');
    if (!outside) {
      t.skip('this machine has no interface but loopback');
      return;
    }
    const code = await new Promise((resolve) => {
      const socket = connect({ host: outside.address, port: Number(url.port), timeout: 5000 });
      socket.once('connect', () => resolve('connected')).once('timeout', () => resolve('timeout'));
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code)).once('close', () => socket.destroy());
    });
    assert.equal(code, 'ECONNREFUSED');
  });

  it('sets the password again when its file was lost, and keeps the data', async () => {
    const first = await start();
    await execute(first.connectionString(), 'create table kept as select 1 as one');
    const lost = new URL(first.connectionString()).password;
    await first.stop();
    await rm(join(dataDir, 'postgres-password'));
    const second = await start();
    assert.notEqual(new URL(second.connectionString()).password, lost);
    assert.deepEqual(await execute(second.connectionString(), 'select one from kept'), [{ one: 1 }]);
  });

  it('makes the database that a first start did not come to', async () => {
    const first = await start();
    const maintenance = first.connectionString().replace(/candlekeep$/, 'postgres');
    await execute(maintenance, 'drop database candlekeep with (force)');
    await first.stop();
    const second = await start();
    assert.deepEqual(await execute(second.connectionString(), 'select current_database() as name'), [
      { name: 'candlekeep' },
    ]);
  });

  it('stops in order while it starts, and starts again afterwards', async () => {
    const server = create();
    const starting = server.start({ signal: new AbortController().signal, fail: (error) => failures.push(error) });
    const refused = assert.rejects(starting, /stopped while it started/);
    await sleep(100);
    await server.stop();
    await refused;
    assert.deepEqual(
      (await readdir(dataDir)).filter((name) => name.startsWith('postgres.new-')),
      [],
    );

    const abort = new AbortController();
    const aborted = assert.rejects(start({}, abort.signal), /told to end/);
    await sleep(100);
    abort.abort(new Error('told to end'));
    await aborted;
    await server.start({ signal: new AbortController().signal, fail: (error) => failures.push(error) });
    assert.equal((await execute(server.connectionString(), 'select 1 as one')).length, 1);
  });

  it('reports once that the server ended by itself, with its log, and never for a stop', async () => {
    const first = await start();
    await first.stop();
    await sleep(50);
    assert.deepEqual(failures, []);
    const second = await start();
    process.kill((await readPidFile(cluster()))!.pid, 'SIGKILL');
    await waitUntil(() => failures.length > 0, 'the failure of the server');
    assert.equal(failures.length, 1);
    assert.match(String(failures[0]), /ended by itself \(ended by SIGKILL\)[^]*postgres\.log/);
    await second.stop();
    assert.equal(failures.length, 1);
  });

  it('quotes the lines of the server log when the server does not start', async () => {
    await (await start()).stop();
    await writeFile(join(cluster(), 'postgresql.auto.conf'), 'shared_buffers = lots\n');
    await rejects('EMBEDDED_POSTGRES_FAILED', /FATAL: {2}.*postgresql\.auto\.conf/);
  });

  it('refuses a fixed port that is taken and looks for another free one', async () => {
    const url = new URL((await start()).connectionString());
    const other = join(dataDir, '../other');
    const taken = Number(url.port);
    await rejects('EMBEDDED_POSTGRES_FAILED', /Port \d+ is taken/, { dataDir: other, port: taken });

    // A free port that another program took between our look and the server's: the next one is tried.
    const ports = [taken, taken];
    const postmaster = await startPostmaster(
      {
        cluster: join(other, 'postgres'),
        binaries: await findBinaries(),
        user: await findServerUser(),
        port: null,
        logPath: join(other, 'postgres.log'),
        settings: SETTINGS,
        logger: createLogger({ level: 'silent', pretty: false }),
        signal: new AbortController().signal,
      },
      async () => ports.shift() ?? (await freePort()),
    );
    assert.equal(ports.length, 0);
    assert.notEqual(postmaster.port, taken);
    await postmaster.stop();
  });

  it('keeps one earlier log when the log is larger than 10 MB', async () => {
    await (await start()).stop();
    const log = join(dataDir, 'postgres.log');
    await truncate(log, 10 * 1024 * 1024 + 1);
    await start();
    assert.equal((await stat(`${log}.1`)).size, 10 * 1024 * 1024 + 1);
    assert.match(await readFile(log, 'utf8'), /ready to accept connections/);
  });

  it('leaves a database of another major version and a foreign folder untouched', async () => {
    await (await start()).stop();
    await writeFile(join(cluster(), 'PG_VERSION'), '17\n');
    const before = await digest(cluster());
    await rejects('EMBEDDED_POSTGRES_VERSION', /PostgreSQL 17[^]*Nothing was changed/);
    assert.equal(await digest(cluster()), before);

    const foreign = join(dataDir, '../foreign');
    await mkdir(join(foreign, 'postgres'), { recursive: true });
    await cp(join(cluster(), 'PG_VERSION'), join(foreign, 'postgres/notes.txt'));
    await rejects('DATA_DIR_UNUSABLE', /is not a PostgreSQL database/, { dataDir: foreign });
    assert.deepEqual(await readdir(join(foreign, 'postgres')), ['notes.txt']);
  });

  it('uses an empty folder postgres, and refuses a file and a link to nowhere', async () => {
    await mkdir(cluster(), { recursive: true });
    await (await start()).stop();
    const file = join(dataDir, '../file');
    await writeFile(file, '');
    await rejects('DATA_DIR_UNUSABLE', /must be a folder/, { dataDir: file });
    await rejects('DATA_DIR_UNUSABLE', /must be a folder/, { dataDir: join(file, 'below') });
  });

  it('says that the disk is full and begins anew when there is room', { skip: !isRoot && 'needs root' }, async (t) => {
    await mkdir(dataDir, { recursive: true });
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m,mode=755', 'tmpfs', dataDir], { stdio: 'pipe' });
    } catch {
      t.skip('this machine does not let root mount a small file system');
      return;
    }
    try {
      await rejects('DATA_DIR_FULL', /disk is full[.:] Make room/i);
      assert.deepEqual(
        (await readdir(dataDir)).filter((name) => name.startsWith('postgres.')),
        [],
      );
      execFileSync('mount', ['-o', 'remount,size=200m', dataDir]);
      const server = await start();
      assert.equal((await execute(server.connectionString(), 'select 1 as one')).length, 1);
      await server.stop();
    } finally {
      execFileSync('umount', [dataDir]);
    }
  });
});

/** Names and contents of everything in a folder. */
async function digest(folder: string): Promise<string> {
  const hash = createHash('sha256');
  for (const entry of (await readdir(folder, { recursive: true, withFileTypes: true })).sort((a, b) =>
    join(a.parentPath, a.name) < join(b.parentPath, b.name) ? -1 : 1,
  )) {
    const path = join(entry.parentPath, entry.name);
    hash.update(path);
    if (entry.isFile()) hash.update(await readFile(path));
  }
  return hash.digest('hex');
}
