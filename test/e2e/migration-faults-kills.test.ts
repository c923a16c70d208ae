import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runMigrations } from '../../src/db/migrator/run-migrations.ts';
import { BuildCopy } from '../support/build-copy.ts';
import {
  assertConverged,
  createPredecessor,
  LARGE,
  listHistory,
  listLedger,
  listMigrationLocks,
  measureLockRelease,
  NO_EXCHANGE,
  OpenTransaction,
  waitForBackend,
  type Reference,
} from '../support/migration-stage.ts';
import { waitUntil } from '../support/patience.ts';
import { createTestDatabase, execute, type TestDatabase } from '../support/postgres.ts';
import { startService } from '../support/service-process.ts';

const KILLED = { code: null, signal: 'SIGKILL' } as const;
/** The server looks once a second whether its client is still there. */
const RELEASE_MS = 2_500;

/** A boot of the service ends ready, and with SIGTERM in order. */
async function bootConverges(url: string): Promise<void> {
  await using service = startService({ ...NO_EXCHANGE, DATABASE_URL: url });
  await service.waitFor(({ phase }) => phase === 'running');
  assert.equal((await service.end('SIGTERM')).code, 0);
}

async function listInvalidIndexes(url: string): Promise<string[]> {
  const rows = await execute(url, `select indexrelid::regclass::text as name from pg_index where not indisvalid`);
  return rows.map(({ name }) => String(name));
}

describe('migration faults: SIGKILL of the process that migrates', { concurrency: 2 }, () => {
  let predecessor: Awaited<ReturnType<typeof createPredecessor>>;
  let reference: Reference;
  before(async () => {
    predecessor = await createPredecessor({ rows: LARGE });
    reference = await predecessor.reference();
  });
  after(() => predecessor.drop());

  const startUpgrade = (database: TestDatabase) =>
    startService({ DATABASE_URL: database.url }, { script: 'scripts/db-upgrade.ts' });

  it('inside DDL that waits for a lock: nothing of the revision is kept, the lock is free, a boot converges', async (t) => {
    await using database = await predecessor.copy();
    await using upgrade = startUpgrade(database);
    {
      // Readers let 0001 to 0003 pass, which find everything there.
      await using reader = await OpenTransaction.begin(database.url, 'select from ohlcv_data limit 1');
      await waitForBackend(database.url, 'candlekeep 0004', 'alter table ohlcv_data');
      upgrade.kill('SIGKILL');
      assert.deepEqual(await upgrade.waitForExit(), KILLED);
      const ms = await measureLockRelease(database.url);
      t.diagnostic(`lock released after ${Math.round(ms)} ms; the reader was ${reader.pid}`);
      assert.ok(ms < RELEASE_MS, `the lock was held for ${ms} ms`);
    }
    assert.equal((await listLedger(database.url)).at(-1), '0003_futures_data');
    assert.equal((await listHistory(database.url)).at(-1)?.outcome, 'running');
    await bootConverges(database.url);
    const fourth = (await listHistory(database.url)).filter(({ subject }) => subject === '0004_exact_numbers');
    assert.deepEqual(
      fourth.map(({ outcome, actor }) => [outcome, actor]),
      [
        ['interrupted', 'cli'],
        ['applied', 'boot'],
      ],
    );
    await assertConverged(database.url, reference);
  });

  // A build waits for writers that were there before it, and at its end for everyone who looks at an older state.
  const writer = 'lock table ohlcv_data in row exclusive mode';
  const snapshot = 'set transaction isolation level repeatable read; select from telegram_reports limit 1';
  for (const { revision, before, index, obstacle } of [
    { revision: '0005_exchange', before: '0004', index: 'ohlcv_data_pkey_new', obstacle: snapshot },
    { revision: '0006_ascending_time_indexes', before: '0005', index: 'idx_ohlcv_symbol_time_new', obstacle: writer },
  ])
    it(`while CREATE INDEX CONCURRENTLY builds in ${revision}: the INVALID index is dropped and built again`, async (t) => {
      await using database = await predecessor.copy();
      await runMigrations(database.url, { to: before, actor: 'test' });
      await using upgrade = startUpgrade(database);
      {
        await using other = await OpenTransaction.begin(database.url, obstacle);
        await waitForBackend(database.url, `candlekeep ${revision.slice(0, 4)}`, 'concurrently');
        await waitUntil(async () => (await listInvalidIndexes(database.url)).length > 0, 'the build');
        upgrade.kill('SIGKILL');
        assert.deepEqual(await upgrade.waitForExit(), KILLED);
        const ms = await measureLockRelease(database.url);
        t.diagnostic(`lock released after ${Math.round(ms)} ms; the other was ${other.pid}`);
        assert.ok(ms < RELEASE_MS, `the lock was held for ${ms} ms`);
      }
      assert.deepEqual(await listInvalidIndexes(database.url), [index]);
      assert.ok(!(await listLedger(database.url)).includes(revision));
      await bootConverges(database.url);
      await assertConverged(database.url, reference);
    });

  it('inside a sleep: nothing of the revision is kept, and the next process runs it whole', async (t) => {
    await using database = await createTestDatabase();
    await using slow = await BuildCopy.create({
      '0900_create_slowly': 'create table slowly_made (id int); select pg_sleep(600)',
    });
    await using quick = await BuildCopy.create({ '0900_create_slowly': 'create table slowly_made (id int)' });
    await using service = startService(
      { ...NO_EXCHANGE, DATABASE_URL: database.url },
      { script: slow.script('src/main.ts') },
    );
    await waitForBackend(database.url, 'candlekeep 0900_create_slowly', 'pg_sleep');
    assert.equal((await listMigrationLocks(database.url)).length, 1);
    assert.deepEqual(await service.end('SIGKILL'), KILLED);
    const ms = await measureLockRelease(database.url);
    t.diagnostic(`lock released after ${Math.round(ms)} ms of a sleep of 600 s`);
    assert.ok(ms < RELEASE_MS, `the lock was held for ${ms} ms`);
    assert.deepEqual(await execute(database.url, `select from pg_class where relname = 'slowly_made'`), []);
    await using next = startService(
      { ...NO_EXCHANGE, DATABASE_URL: database.url },
      { script: quick.script('src/main.ts') },
    );
    const health = await next.waitFor(({ phase }) => phase === 'running');
    assert.equal(health.schema?.version, '0900_create_slowly');
    assert.deepEqual(
      (await listHistory(database.url))
        .filter(({ subject }) => subject === '0900_create_slowly')
        .map(({ outcome }) => outcome),
      ['interrupted', 'applied'],
    );
    assert.equal((await next.end('SIGTERM')).code, 0);
  });

  it('between the last commit and its entry in the history: the next boot, at head, closes the entry', async () => {
    await using database = await predecessor.copy();
    await runMigrations(database.url, { to: '0009', actor: 'test' });
    await using upgrade = startUpgrade(database);
    // A table that is being made under the same name, and then is not.
    await using other = await OpenTransaction.begin(database.url, 'create table wanted_windows (id int)');
    await waitForBackend(database.url, 'candlekeep 0010', 'create table');
    await using entry = await OpenTransaction.begin(
      database.url,
      `select from candlekeep_migration_history where outcome = 'running' for update`,
    );
    await other[Symbol.asyncDispose]();
    await waitUntil(async () => (await listLedger(database.url)).length === 10, 'the commit of the last revision');
    assert.deepEqual(await upgrade.end('SIGKILL'), KILLED);
    await measureLockRelease(database.url);
    assert.equal((await listHistory(database.url)).at(-1)?.outcome, 'running');
    await entry[Symbol.asyncDispose]();
    await bootConverges(database.url);
    await assertConverged(database.url, reference);
  });

  it('a service that is told to stop in the middle ends in order, and keeps nothing of the revision', async () => {
    await using database = await predecessor.copy();
    await using service = startService({ ...NO_EXCHANGE, DATABASE_URL: database.url });
    {
      await using reader = await OpenTransaction.begin(database.url, 'select from ohlcv_data limit 1');
      await waitForBackend(database.url, 'candlekeep 0004', 'alter table ohlcv_data');
      assert.deepEqual(await service.end('SIGTERM'), { code: 0, signal: null }, `reader ${reader.pid}`);
      assert.ok((await measureLockRelease(database.url)) < RELEASE_MS);
    }
    assert.equal((await listLedger(database.url)).at(-1), '0003_futures_data');
    await bootConverges(database.url);
    await assertConverged(database.url, reference);
  });
});
