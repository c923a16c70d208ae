import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { runMigrations } from '../../src/db/migrator/run-migrations.ts';
import { atPort, findFreePort } from '../support/loopback-proxy.ts';
import { listMigrationLocks, NO_EXCHANGE } from '../support/migration-stage.ts';
import { waitUntil } from '../support/patience.ts';
import { createTestDatabase, execute, withRole } from '../support/postgres.ts';
import { dumpSchema } from '../support/schema-dump.ts';
import { runScript, startService } from '../support/service-process.ts';
import { createTemporaryDataDir } from '../support/temporary-data-dir.ts';

const skip = spawnSync('pgbouncer', ['--version']).status === 0 ? false : 'pgbouncer is not installed';

/** pgbouncer in transaction mode before the server of `url`; answers the same URL through it. */
async function startPooler(url: string) {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await createTemporaryDataDir());
  chmodSync(folder.path, 0o755);
  const { hostname, port, username, password } = new URL(url);
  const listenPort = await findFreePort();
  const settings = join(folder.path, 'pgbouncer.ini');
  const users = join(folder.path, 'users.txt');
  writeFileSync(users, `"${decodeURIComponent(username)}" "${decodeURIComponent(password)}"\n`);
  writeFileSync(
    settings,
    `[databases]\n* = host=${hostname} port=${port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${listenPort}
unix_socket_dir =\nauth_type = trust\nauth_file = ${users}\npool_mode = transaction\ndefault_pool_size = 4\n`,
  );
  // It refuses to run as root.
  const asNobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const pooler = spawn('pgbouncer', [settings], { stdio: 'ignore', ...asNobody });
  stack.defer(async () => {
    const ended = once(pooler, 'exit');
    pooler.kill('SIGKILL');
    await ended;
  });
  const pooled = atPort(url, listenPort);
  const answers = async () => await execute(pooled, 'select 1').catch(() => null);
  await waitUntil(answers, 'pgbouncer');
  return { url: pooled, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

describe('migration faults: a pooler in transaction mode', { skip }, () => {
  it('refuses to migrate with a clear message, changing and locking nothing; at head the service runs', async () => {
    await using database = await createTestDatabase();
    await withRole(
      database,
      async (role) => {
        await using pooler = await startPooler(role.url);
        const before = await dumpSchema(database.url);
        const settings = async () =>
          await execute(
            pooler.url,
            `select current_setting('lock_timeout') as a, current_setting('search_path') as b, current_setting('timezone') as c`,
          );
        const fresh = await settings();
        const command = await runScript('db-upgrade', [], { DATABASE_URL: pooler.url });
        assert.equal(command.code, 1, command.output);
        assert.match(command.output, /connection pooler.*set MIGRATION_DATABASE_URL to the server itself/);
        await using service = startService({ ...NO_EXCHANGE, DATABASE_URL: pooler.url });
        assert.deepEqual(await service.waitForExit(), { code: 1, signal: null });
        assert.match(service.output, /connection pooler.*set MIGRATION_DATABASE_URL to the server itself/);
        assert.deepEqual(await dumpSchema(database.url), before);
        assert.deepEqual(await listMigrationLocks(database.url), []);
        assert.deepEqual(await settings(), fresh, 'what the next one gets from the pooler');

        await using told = startService({
          ...NO_EXCHANGE,
          DATABASE_URL: pooler.url,
          MIGRATION_DATABASE_URL: role.url,
        });
        await told.waitFor(({ phase }) => phase === 'running');
        assert.equal((await told.end('SIGTERM')).code, 0);
        await runMigrations(role.url, { actor: 'test' });
        await using atHead = startService({ ...NO_EXCHANGE, DATABASE_URL: pooler.url });
        await atHead.waitFor(({ phase }) => phase === 'running');
        assert.equal((await atHead.end('SIGTERM')).code, 0);
        assert.deepEqual(await listMigrationLocks(database.url), []);
      },
      ['grant usage, create on schema public to $role'],
    );
  });
});
