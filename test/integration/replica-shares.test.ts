import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import { createKysely, createPool } from '../../src/db/client.ts';
import { createRepositories, type Repositories } from '../../src/db/repositories/index.ts';
import type { Database } from '../../src/db/schema.ts';
import { createReplicaIdentity } from '../../src/replicas/replica-identity.ts';
import { ReplicaShares } from '../../src/replicas/replica-shares.ts';
import { createMigratedDatabase } from '../support/database.ts';
import { createKeptLog } from '../support/kept-log.ts';
import { waitUntil } from '../support/patience.ts';
import { execute, type TestDatabase } from '../support/postgres.ts';

const SYMBOLS = Array.from({ length: 500 }, (_, index) => `A${index}/USDT`);

let database: TestDatabase;
let kysely: Kysely<Database>;
let repositories: Repositories;

before(async () => {
  database = await createMigratedDatabase();
  const { logger } = createKeptLog();
  kysely = createKysely(() => createPool({ url: database.url, applicationName: 'shares', maxConnections: 6, logger }));
  repositories = createRepositories(kysely);
});
after(async () => {
  await kysely.destroy();
  await database.drop();
});

/** How long it takes, in milliseconds. */
async function measure(isReached: () => boolean, what: string): Promise<number> {
  const begunAt = performance.now();
  await waitUntil(isReached, what);
  return performance.now() - begunAt;
}

function join(t: TestContext, pid: number, lastWriteAt: number | null = null) {
  const { logger } = createKeptLog();
  const identity = createReplicaIdentity({ of: 'this test' }, { pid });
  const state = { isCut: false };
  const { replicas } = repositories;
  const guard = <T>(work: () => Promise<T>): Promise<T> => (state.isCut ? new Promise(() => undefined) : work());
  const shares = new ReplicaShares({
    identity,
    leases: {
      beat: (replica) => guard(() => replicas.beat(replica)),
      listAlive: () => guard(() => replicas.listAlive()),
      listHeld: (id) => guard(() => replicas.listHeld(id)),
      listFree: (...args) => guard(() => replicas.listFree(...args)),
      claim: (...args) => guard(() => replicas.claim(...args)),
      release: (...args) => guard(() => replicas.release(...args)),
      leave: (id) => replicas.leave(id),
    },
    lastWriteAt: () => lastWriteAt,
    logger,
    // Nobody here is a process of its own.
    isEnded: () => false,
  });
  const controller = new AbortController();
  void shares.start({ signal: controller.signal, fail: (error) => assert.fail(error as Error) });
  shares.want('binance', SYMBOLS);
  t.after(() => shares.stop());
  return {
    shares,
    identity,
    count: () => shares.held('binance')?.size ?? 0,
    /** What a machine that loses its power looks like from the database. */
    crash: () => {
      state.isCut = true;
      controller.abort();
    },
  };
}

describe('ReplicaShares on PostgreSQL', () => {
  it('shares 500 markets among three, takes over from one that crashes, and frees at once what one that stops held', async (t) => {
    const writtenAt = Date.now() - 5_000;
    const one = join(t, 1, writtenAt);
    const aloneMs = await measure(() => one.count() === 500, 'all with the only one');
    const [two, three] = [join(t, 2), join(t, 3)];
    const members = [one, two, three];
    const counts = () => members.map((member) => member.count()).toSorted();
    const joinMs = await measure(() => counts().join() === '166,167,167', 'three parts');
    const all = members.flatMap((member) => [...(member.shares.held('binance') ?? [])]);
    assert.equal(new Set(all).size, 500);
    const [row] = await execute(
      database.url,
      `select count(*)::int as leases, count(distinct replica_id)::int as owners from leases`,
    );
    assert.deepEqual(row, { leases: 500, owners: 3 });
    assert.equal(await repositories.replicas.findLastWriteAt(), writtenAt);

    await delay(3_000);
    three.crash();
    const takeoverMs = await measure(() => one.count() + two.count() === 500, 'all with the two that are left');
    assert.equal(three.count(), 0);

    await two.shares.stop();
    const stopMs = await measure(() => one.count() === 500, 'all with the last one');
    await one.shares.stop();
    const [left] = await execute(
      database.url,
      `select count(*)::int as alive from replicas where expires_at > clock_timestamp()`,
    );
    assert.deepEqual(left, { alive: 0 });
    await three.shares.stop();
    t.diagnostic(
      `alone after ${Math.round(aloneMs)} ms, shared among three after ${Math.round(joinMs)} ms, taken over after ${Math.round(takeoverMs)} ms, after a stop after ${Math.round(stopMs)} ms`,
    );
  });
});

describe('job_runs', () => {
  it('gives a turn to one, again where its answer was lost, and tells how the last one ended', async () => {
    const { jobRuns } = repositories;
    const turn = new Date('2024-01-01T00:05:00Z');
    const claims = await Promise.all(['a', 'b', 'c', 'd'].map((id) => jobRuns.claim('refresh', turn, id)));
    assert.equal(claims.filter(Boolean).length, 1);
    const owner = ['a', 'b', 'c', 'd'][claims.indexOf(true)]!;
    assert.equal(await jobRuns.claim('refresh', turn, owner), true);
    assert.equal(await jobRuns.findLast('refresh'), null);
    await jobRuns.finish('refresh', turn, 'no luck');
    assert.equal(await jobRuns.claim('refresh', turn, owner), false, 'it has ended');
    const last = await jobRuns.findLast('refresh');
    assert.deepEqual([last?.turn, last?.error], [turn, 'no luck']);
    assert.ok(Math.abs(last!.finishedAt.getTime() - Date.now()) < 60_000);
  });
});
