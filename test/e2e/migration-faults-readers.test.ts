import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { BuildCopy, HELD_REVISION, letGo } from '../support/build-copy.ts';
import { MachineWatch } from '../support/machine-watch.ts';
import {
  assertConverged,
  createPredecessor,
  LARGE,
  listHistory,
  listMigrationLocks,
  NO_EXCHANGE,
  OpenTransaction,
} from '../support/migration-stage.ts';
import { waitUntil } from '../support/patience.ts';
import { createTestDatabase, execute } from '../support/postgres.ts';
import { DUPLICATE_OUTCOMES } from '../support/start-states.ts';
import { runScript, startService } from '../support/service-process.ts';

const TOKEN = 'a-token-of-sixteen-or-more';
const READER_HOLDS_MS = 10_000;

/** Reads one row of each table, all the time until `signal` aborts; answers the longest wait for each in milliseconds. */
async function measureReaders(url: string, tables: readonly string[], signal: AbortSignal) {
  const longest: Record<string, number> = {};
  await Promise.all(
    tables.map(async (table) => {
      const client = new Client({ connectionString: url });
      await client.connect();
      longest[table] = 0;
      while (!signal.aborted) {
        const startedAt = performance.now();
        await client.query(`select from ${table} limit 1`);
        longest[table] = Math.max(longest[table] ?? 0, Math.round(performance.now() - startedAt));
        await delay(20);
      }
      await client.end();
    }),
  );
  return longest;
}

describe('migration faults: readers, probes and other builds', { concurrency: 2 }, () => {
  let newer: BuildCopy;
  before(async () => {
    newer = await BuildCopy.create(HELD_REVISION);
  });
  after(() => newer[Symbol.asyncDispose]());

  it('a reader that holds its lock for 10 s: others wait under 1 s, it is named, and the upgrade ends after it', async (t) => {
    await using predecessor = await createPredecessor({ rows: LARGE });
    const reference = await predecessor.reference();
    await using database = await predecessor.copy();
    const query = 'select count(*) from ohlcv_data /* a long report */';
    const reader = await OpenTransaction.begin(database.url, query);
    const stopReading = new AbortController();
    const reading = measureReaders(database.url, ['ohlcv_data', 'futures_data', 'predictions'], stopReading.signal);
    // What asks the same server for nothing waits for the machine alone.
    const idle = new Client({ connectionString: database.url });
    await idle.connect();
    await using machine = new MachineWatch(() => idle.query('select 1'));
    await using service = startService({ ...NO_EXCHANGE, DATABASE_URL: database.url });
    const line = await service.waitForLog('a lock that others hold is waited for');
    const blockers = line['blockers'] as { pid: number; query: string; application: string }[];
    const named = blockers.find(({ pid }) => pid === reader.pid);
    assert.deepEqual([named?.query, named?.application], [query, 'a reader']);
    assert.equal(line['subject'], '0004_exact_numbers');
    // The port answers all the while.
    const live = await service.request('/health/live');
    assert.deepEqual([live.status, live.body['phase']], [200, 'migrating']);
    for (const path of ['/health', '/health/ready']) {
      const answer = await service.request(path);
      assert.deepEqual([answer.status, answer.body['phase']], [503, 'migrating'], path);
    }
    const health = await service.health();
    assert.equal(health.phase_detail, 'revision 4 of 11: 0004_exact_numbers');
    await delay(READER_HOLDS_MS);
    assert.equal((await service.health()).phase, 'migrating');
    await reader[Symbol.asyncDispose]();
    const releasedAt = performance.now();
    await service.waitFor(({ phase }) => phase === 'running');
    const afterMs = Math.round(performance.now() - releasedAt);
    stopReading.abort();
    const longest = await reading;
    await machine.stop();
    await idle.end();
    const machineMs = Math.round(machine.longestMs);
    t.diagnostic(
      `longest waits of readers in ms: ${JSON.stringify(longest)}, of what reads nothing: ${machineMs}; running ${afterMs} ms after the reader`,
    );
    for (const [table, ms] of Object.entries(longest))
      assert.ok(ms - machineMs < 1_000, `a reader of ${table} waited ${ms} ms, and what reads nothing ${machineMs} ms`);
    await assertConverged(database.url, reference);
    assert.equal((await service.end('SIGTERM')).code, 0);
  });

  it('while a revision runs: alive, not ready, with phase and revision; afterwards an older build warns and serves', async () => {
    await using database = await createTestDatabase();
    await using service = startService(
      { ...NO_EXCHANGE, DATABASE_URL: database.url },
      { script: newer.script('src/main.ts') },
    );
    const health = await service.waitFor(({ phase_detail }) => phase_detail?.includes('0900_') === true);
    assert.deepEqual(
      [health.status, health.phase, health.phase_detail],
      ['starting', 'migrating', 'revision 12 of 12: 0900_wait_to_be_let_go'],
    );
    assert.equal((await service.request('/health/live')).status, 200);
    assert.equal((await service.request('/health/ready')).status, 503);
    assert.equal((await service.request('/health')).status, 503);
    await letGo(database.url);
    await service.waitFor(({ phase }) => phase === 'running');
    assert.equal((await service.end('SIGTERM')).code, 0);

    const environment = { ...NO_EXCHANGE, DATABASE_URL: database.url, ADMIN_TOKEN: TOKEN };
    await using older = startService(environment);
    await older.waitForLog('the database is newer than this build: its own tables are verified, nothing is migrated');
    const running = await older.waitFor(({ phase }) => phase === 'running');
    assert.deepEqual(running.schema?.unknown, ['0900_wait_to_be_let_go']);
    assert.equal((await older.request('/v1/series')).status, 200);
    const post = (to: string) => older.request('/migrations/upgrade', postOf({ to }));
    const refused = await post('0003_futures_data');
    assert.equal(refused.status, 400);
    assert.match(JSON.stringify(refused.body), /an upgrade never goes down/);
    assert.deepEqual([(await post('head')).status, (await post('head')).body['applied']], [200, []]);
    const command = await runScript('db-upgrade', ['--to', '0003'], { DATABASE_URL: database.url });
    assert.equal(command.code, 1);
    assert.match(command.output, /the database is at 0900_.* newer than 0003_futures_data: an upgrade never goes down/);
    assert.equal((await runScript('db-status', [], { DATABASE_URL: database.url })).code, 2);
    assert.deepEqual(
      (await listHistory(database.url)).filter(({ actor }) => actor !== 'boot'),
      [],
    );
    assert.deepEqual(await listMigrationLocks(database.url), []);
  });

  it('two POSTs at once run what is due once: one is done, the other told who is at it', async () => {
    await using predecessor = await createPredecessor({ state: 'Alembic 0001' });
    await execute(predecessor.url, DUPLICATE_OUTCOMES);
    await using database = await predecessor.copy();
    await using service = startService({ ...NO_EXCHANGE, DATABASE_URL: database.url, ADMIN_TOKEN: TOKEN });
    const before = await service.waitFor(({ phase }) => phase === 'running');
    assert.ok(before.schema?.deferred.some(({ step }) => step === 'unique_prediction_outcomes'));
    await execute(database.url, `delete from prediction_outcomes where completed_at < now() - interval '1 hour'`);
    const reader = await OpenTransaction.begin(database.url, 'select from prediction_outcomes limit 1');
    const answers: Awaited<ReturnType<typeof service.request>>[] = [];
    const both = [1, 2].map(async () => {
      answers.push(await service.request('/migrations/upgrade', postOf({})));
    });
    const first = await waitUntil(() => answers[0], 'the refusal');
    assert.equal(first.status, 409);
    assert.match(
      JSON.stringify(first.body),
      new RegExp(`another upgrade is running: candlekeep (starting|unique_prediction_outcomes) \\S+:${service.pid} `),
    );
    const isWaiting = ({ msg }: { msg: string }) => msg === 'a lock that others hold is waited for';
    await waitUntil(() => service.logs.some(isWaiting) || answers.length === 2, 'the wait for the reader');
    await reader[Symbol.asyncDispose]();
    await Promise.all(both);
    let done = answers[1];
    // A step that others hold up is given up after three seconds, which a slow machine may need to let the reader go.
    const isGivenUp = service.logs.some(({ msg }) => msg === 'deferrable step failed and stays due');
    if (isGivenUp) done = await service.request('/migrations/upgrade', postOf({}));
    assert.deepEqual([done?.status, done?.body['steps_applied']], [200, ['unique_prediction_outcomes']]);
    const steps = (await listHistory(database.url)).filter(({ subject }) => subject === 'unique_prediction_outcomes');
    assert.deepEqual(steps.map(({ outcome, actor }) => [outcome, actor]).slice(isGivenUp ? -1 : 0), [
      ['applied', 'admin'],
    ]);
    assert.deepEqual(await listMigrationLocks(database.url), []);
    assert.equal((await service.end('SIGTERM')).code, 0);
  });
});

function postOf(body: object): RequestInit {
  return {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  };
}
