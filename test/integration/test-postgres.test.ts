import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, it } from 'node:test';
import { createTestDatabase, execute, startServerForTests, testServerUrl, withRole } from '../support/postgres.ts';

describe('the PostgreSQL server of the tests', () => {
  it('gives a database of its own, copies it as a template, and drops it with its connections', async () => {
    const first = await createTestDatabase();
    await execute(first.url, 'create table kept as select 1 as one');
    {
      await using copy = await createTestDatabase({ template: first.name, server: await testServerUrl() });
      assert.notEqual(copy.name, first.name);
      assert.deepEqual(await execute(copy.url, 'select one from kept'), [{ one: 1 }]);
    }
    const cut = assert.rejects(execute(first.url, 'select pg_sleep(600)'), { code: '57P01' });
    const sleeping = `select from pg_stat_activity where datname = '${first.name}' and query like '%pg_sleep%'`;
    while ((await execute(await testServerUrl(), sleeping)).length === 0);
    await first.drop();
    await cut;
    await assert.rejects(execute(first.url, 'select 1'), { code: '3D000' });
  });

  it('gives a role with no rights but those granted, and removes it also after a failure', async () => {
    await using database = await createTestDatabase();
    await execute(database.url, 'create table kept as select 1 as one');
    let name = '';
    const grants = ['grant create on schema public to $role'];
    const used = withRole(
      database,
      async (role) => {
        name = role.name;
        assert.deepEqual(await execute(role.url, 'select current_user as me'), [{ me: name }]);
        await execute(role.url, 'create table own (one integer)');
        await assert.rejects(execute(role.url, 'select * from kept'), { code: '42501' });
        throw new Error('the test failed');
      },
      grants,
    );
    await assert.rejects(used, /the test failed/);
    assert.deepEqual(await execute(database.url, `select from pg_roles where rolname = '${name}'`), []);
  });

  it('starts a server of its own, fast instead of durable, and removes it', async () => {
    const server = await startServerForTests();
    const [row] = await execute(
      server.url,
      `select current_setting('fsync') as fsync, current_setting('max_connections') as connections,
        current_setting('data_directory') as folder`,
    );
    assert.deepEqual({ ...row, folder: '' }, { fsync: 'off', connections: '200', folder: '' });
    await server.stop();
    assert.equal(existsSync(String(row?.['folder'])), false);
    await assert.rejects(execute(server.url, 'select 1'), /ECONNREFUSED/);
  });
});
