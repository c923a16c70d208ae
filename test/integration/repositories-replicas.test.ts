import assert from 'node:assert/strict';
import { beforeEach, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { describeOnEachServer } from '../support/repository-lanes.ts';

const STARTED = Date.UTC(2026, 10, 22);

describeOnEachServer('ReplicasRepository', ({ repositories, query, clear }) => {
  beforeEach(clear);
  const replicas = () => repositories().replicas;
  const beat = (id: string, ttlMs = 60_000, lastWriteAt: number | null = null) =>
    replicas().beat({ id, host: `host of ${id}`, startedAt: STARTED, lastWriteAt, ttlMs });
  const expire = (id: string) =>
    query(`update replicas set expires_at = now() - interval '1 second' where id = '${id}'`);

  it('counts who is alive by the clock of the database, and tells who it is', async () => {
    assert.deepEqual(await beat('a'), { alive: 1 });
    assert.deepEqual(await beat('b', 60_000, STARTED + 5), { alive: 2 });
    assert.deepEqual(await beat('a'), { alive: 2 });
    await replicas().claim('a', 'binance', ['BTC/USDT'], 9);
    const alive = await replicas().listAlive();
    assert.deepEqual(
      alive.map(({ expiresAt, ...rest }) => ({ ...rest, isAhead: expiresAt > Date.now() - 60_000 })),
      [
        { id: 'a', host: 'host of a', startedAt: STARTED, lastWriteAt: null, held: 1, isAhead: true },
        { id: 'b', host: 'host of b', startedAt: STARTED, lastWriteAt: STARTED + 5, held: 0, isAhead: true },
      ],
    );
    await beat('b', 1);
    await delay(20);
    assert.deepEqual(await beat('a'), { alive: 1 });
    assert.deepEqual(
      (await replicas().listAlive()).map(({ id }) => id),
      ['a'],
    );
  });

  it('remembers the last write of whoever wrote, also of one that has gone', async () => {
    assert.equal(await replicas().findLastWriteAt(), null);
    await beat('a', 60_000, STARTED + 10);
    await beat('b', 60_000, STARTED + 90);
    await beat('b', 60_000, STARTED + 80);
    await replicas().leave('b');
    assert.equal(await replicas().findLastWriteAt(), STARTED + 90);
    assert.deepEqual(await beat('a'), { alive: 1 });
  });

  it('forgets those that have been gone for a day when another one comes', async () => {
    await beat('old');
    await query(`update replicas set expires_at = now() - interval '25 hours'`);
    await beat('a');
    assert.deepEqual(await query('select id from replicas'), [{ id: 'a' }]);
  });

  it('never gives a market to two, however many claim at once, and the dead among them', async () => {
    const symbols = Array.from({ length: 100 }, (_, index) => `S${index}/X`);
    const ids = Array.from({ length: 6 }, (_, index) => `r${index}`);
    await beat('dead');
    await replicas().claim('dead', 'binance', symbols, 50);
    await expire('dead');
    for (const id of ids) await beat(id);
    const claims = await Promise.all(
      ids.flatMap((id) => [
        replicas().claim(id, 'binance', symbols, 10),
        replicas().claim(id, 'binance', symbols.toReversed(), 10),
        beat(id),
        beat('dead', 1).then(() => []),
      ]),
    );
    const given = claims.flatMap((claim) => (Array.isArray(claim) ? claim : []));
    assert.equal(new Set(given).size, given.length, 'a market was given twice');
    for (const id of ids) for (let round = 0; round < 10; round++) await replicas().claim(id, 'binance', symbols, 10);
    const rows = await query('select count(*)::int as n, count(distinct symbol)::int as symbols from leases');
    assert.deepEqual(rows, [{ n: 100, symbols: 100 }]);
  });
});

describeOnEachServer('JobRunsRepository', ({ repositories, query, clear }) => {
  beforeEach(clear);
  const jobRuns = () => repositories().jobRuns;
  const turn = new Date(STARTED);

  it('gives a turn to one of many that claim it, and each turn and job for itself', async () => {
    const claims = await Promise.all(
      Array.from({ length: 8 }, (_, index) => jobRuns().claim('report', turn, `r${index}`)),
    );
    assert.equal(claims.filter(Boolean).length, 1);
    assert.equal(await jobRuns().claim('report', new Date(STARTED + 60_000), 'r'), true);
    assert.equal(await jobRuns().claim('refresh', turn, 'r'), true);
    assert.equal(await jobRuns().claim('report', new Date(STARTED), 'r'), false);
    // Whoever has it and lost the answer may ask again, until it is over.
    const again = new Date(STARTED + 60_000);
    assert.equal(await jobRuns().claim('report', again, 'r'), true);
    await jobRuns().finish('report', again, null);
    assert.equal(await jobRuns().claim('report', again, 'r'), false);
  });

  it('notes how it ended, and forgets turns of the same job after 30 days', async () => {
    await jobRuns().claim('report', turn, 'r');
    await jobRuns().finish('report', turn, 'no network');
    await jobRuns().claim('refresh', turn, 'r');
    await jobRuns().finish('refresh', turn, null);
    const rows = await query(
      'select job, replica_id, error, finished_at >= started_at as ended from job_runs order by job',
    );
    assert.deepEqual(rows, [
      { job: 'refresh', replica_id: 'r', error: null, ended: true },
      { job: 'report', replica_id: 'r', error: 'no network', ended: true },
    ]);
    const day = 86_400_000;
    await jobRuns().claim('report', new Date(STARTED + 30 * day), 'r');
    assert.deepEqual(await query('select count(*)::int as n from job_runs'), [{ n: 3 }]);
    await jobRuns().claim('report', new Date(STARTED + 30 * day + 1), 'r');
    assert.deepEqual(await query(`select job, count(*)::int as n from job_runs group by 1 order by 1`), [
      { job: 'refresh', n: 1 },
      { job: 'report', n: 2 },
    ]);
  });
});
