import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, chown, lstat, mkdir, mkdtemp, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { copyProject, startedUrl, startService, type ServiceProcess } from '../support/embedded-process.ts';
import { execute } from '../support/postgres.ts';

const skip = process.geteuid?.() === 0 ? false : 'only root can become other users';

describe('EmbeddedServer as root and as an ordinary user', { skip }, () => {
  let root: string;
  /** A copy of the project where everyone may enter, with a DATA_DIR that belongs to the ordinary user. */
  let project: string;
  let dataDir: string;
  let systemDir: string;
  let user: { uid: number; gid: number };
  let services: ServiceProcess[];

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'candlekeep-users-'));
    await chmod(root, 0o755);
    project = join(root, 'project');
    await copyProject(project);
    // A system user that every Unix has, and whom nothing else in this test runs as.
    const idOf = (option: string) => Number(execFileSync('id', [option, 'nobody']).toString());
    user = { uid: idOf('-u'), gid: idOf('-g') };
  });
  after(async () => await rm(root, { recursive: true, force: true }));
  beforeEach(async () => {
    services = [];
    systemDir = join(root, 'system');
    dataDir = join(root, 'data');
    await mkdir(dataDir);
    await chown(dataDir, user.uid, user.gid);
  });
  afterEach(async () => {
    for (const service of services) await service.end('SIGTERM');
    for (const path of [dataDir, systemDir]) await rm(path, { recursive: true, force: true });
  });

  function start(options: Partial<Parameters<typeof startService>[0]> = {}): ServiceProcess {
    const service = startService({ dataDir, project, systemDir, ...options });
    services.push(service);
    return service;
  }
  const refused = async (service: ServiceProcess, code: string, message: RegExp) => {
    const report = await service.report;
    assert.ok(!('url' in report));
    assert.equal(report.code, code, report.message);
    assert.match(report.message, message);
  };
  const rows = async (url: string) => await execute(url, 'select one from kept');

  it('runs as an ordinary user, then as root on the same data as that user, then as the user again', async () => {
    const first = start({ user });
    await execute(await startedUrl(first), 'create table kept as select 1 as one');
    assert.equal((await stat(join(dataDir, 'postgres'))).uid, user.uid);
    assert.equal(await first.end('SIGTERM'), 0);

    const asRoot = start();
    assert.deepEqual(await rows(await startedUrl(asRoot)), [{ one: 1 }]);
    assert.equal(await asRoot.end('SIGTERM'), 0);

    assert.deepEqual(await rows(await startedUrl(start({ user }))), [{ one: 1 }]);
  });

  it('tells an ordinary user that the database is of another user, and what to do', async () => {
    await chown(dataDir, 0, 0);
    const asRoot = start();
    await startedUrl(asRoot);
    await asRoot.end('SIGTERM');
    await refused(start({ user }), 'DATA_DIR_UNUSABLE', /EACCES.*chown/);
    execFileSync('chown', [String(user.uid), dataDir, ...(await readdir(dataDir)).map((name) => join(dataDir, name))]);
    await chown(join(dataDir, 'postgres'), 0, 0);
    await refused(start({ user }), 'EMBEDDED_POSTGRES_OWNER', /belongs to user 0.*chown -R/);
  });

  it('gives a copy that root made to the user of the server', async () => {
    await chown(dataDir, 0, 0);
    const first = start();
    await execute(await startedUrl(first), 'create table kept as select 1 as one');
    await first.end('SIGTERM');
    const copy = join(dataDir, 'copy');
    execFileSync('cp', ['-r', join(dataDir, 'postgres'), copy]);
    await rm(join(dataDir, 'postgres'), { recursive: true });
    await rename(copy, join(dataDir, 'postgres'));
    await chmod(join(dataDir, 'postgres'), 0o755);
    assert.deepEqual(await rows(await startedUrl(start())), [{ one: 1 }]);
  });

  it('refuses a DATA_DIR that the user may not write', async () => {
    await chown(dataDir, 0, 0);
    await refused(start({ user }), 'DATA_DIR_UNUSABLE', /may not|EACCES|chown/);
    await refused(start({ user, dataDir: join(dataDir, 'below') }), 'DATA_DIR_UNUSABLE', /EACCES/);
  });

  it('works as root where only root may enter repository and DATA_DIR, whose modes stay', async () => {
    const home = join(root, 'home');
    await mkdir(home, { mode: 0o700 });
    await rename(project, join(home, 'project'));
    try {
      const options = { project: join(home, 'project'), dataDir: join(home, 'project/data') };
      const first = start(options);
      await execute(await startedUrl(first), 'create table kept as select 1 as one');
      const link = join(options.dataDir, 'postgres');
      assert.ok((await lstat(link)).isSymbolicLink());
      assert.ok((await realpath(link)).startsWith(systemDir));
      assert.equal((await stat(home)).mode & 0o777, 0o700);
      assert.equal(await first.end('SIGKILL'), 'SIGKILL');

      const second = start(options);
      assert.deepEqual(await rows(await startedUrl(second)), [{ one: 1 }]);
      await second.end('SIGTERM');
      const kept = (await readdir(systemDir)).sort();
      assert.equal(kept.length, 2, `one copy of the programs and one database: ${kept.join(' ')}`);

      // The link decides, not the path: a DATA_DIR that was moved keeps its database, and its copy must not share it.
      const moved = join(home, 'moved');
      await rename(options.dataDir, moved);
      const third = start({ ...options, dataDir: moved });
      assert.deepEqual(await rows(await startedUrl(third)), [{ one: 1 }]);
      execFileSync('cp', ['-a', moved, join(home, 'copied')]);
      await refused(start({ ...options, dataDir: join(home, 'copied') }), 'DATA_DIR_IN_USE', /in use/);
      await third.end('SIGTERM');

      await rm(await realpath(join(moved, 'postgres')), { recursive: true });
      await refused(
        start({ ...options, dataDir: moved }),
        'DATA_DIR_UNUSABLE',
        /link to a database folder that is gone/,
      );
    } finally {
      await rename(join(home, 'project'), project);
      await rm(home, { recursive: true, force: true });
    }
  });

  it('says so when an existing database can no longer be entered by its owner', async () => {
    const first = start();
    await startedUrl(first);
    await first.end('SIGTERM');
    await chown(dataDir, 0, 0);
    await chmod(dataDir, 0o700);
    await refused(start(), 'EMBEDDED_POSTGRES_OWNER', /may not enter the folders above it/);
  });
});
