import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { ReplicaShares } from '../../../src/replicas/replica-shares.ts';
import { createReplicaIdentity } from '../../../src/replicas/replica-identity.ts';
import { createKeptLog } from '../../support/kept-log.ts';
import { VirtualClock } from '../ingest/fakes.ts';
import { MemoryLeases } from './memory-leases.ts';

const SYMBOLS = Array.from({ length: 20 }, (_, index) => `A${String(index).padStart(2, '0')}/USDT`);

const open: ReplicaShares[] = [];
const databases: MemoryLeases[] = [];
afterEach(async () => {
  for (const database of databases.splice(0)) database.cut.clear();
  await Promise.all(open.splice(0).map((shares) => shares.stop()));
});

function createStage() {
  const clock = new VirtualClock(1_000_000);
  let heldUpMs = 0;
  const database = new MemoryLeases({ clock });
  databases.push(database);
  const ended = new Set<number>();
  let pid = 100;
  const join = (options: { symbols?: readonly string[]; timeframes?: string[]; exchange?: string } = {}) => {
    const { symbols = SYMBOLS, timeframes = ['1m'], exchange = 'binance' } = options;
    const identity = createReplicaIdentity({ timeframes }, { pid: ++pid });
    const { logger, lines } = createKeptLog();
    const controller = new AbortController();
    const failures: unknown[] = [];
    const shares = new ReplicaShares({
      identity,
      leases: database.as(identity.id),
      lastWriteAt: () => null,
      logger,
      clock: { now: () => clock.now() + heldUpMs, sleep: (ms, signal) => clock.sleep(ms, signal) },
      isEnded: (other) => ended.has(other.pid),
    });
    open.push(shares);
    void shares.start({ signal: controller.signal, fail: (error) => failures.push(error) });
    shares.want(exchange, symbols);
    const held = (): readonly string[] => [...(shares.held(exchange) ?? [])].toSorted();
    return { shares, identity, lines, held, failures, kill: () => controller.abort() };
  };
  /** No market is held by two at a time, and those who hold are told apart by nothing but time. */
  const assertDisjoint = (...members: { held: () => readonly string[] }[]): void => {
    const all = members.flatMap((member) => member.held());
    assert.equal(new Set(all).size, all.length, 'a market is held twice');
  };
  return { clock, database, ended, join, assertDisjoint, hold: (ms: number) => (heldUpMs += ms) };
}

type Member = ReturnType<ReturnType<typeof createStage>['join']>;
const countAll = (...members: Member[]): number[] => members.map((member) => member.held().length);

describe('ReplicaShares', () => {
  it('gives a process that is alone everything at once', async () => {
    const { clock, join } = createStage();
    const one = join();
    assert.equal(one.shares.held('binance'), null, 'not known yet');
    assert.equal(one.shares.state().state, 'joining');
    assert.ok(await clock.runUntil(() => one.held().length === 20, 100));
    const { state, alive, markets, held, last_error: error } = one.shares.state();
    assert.deepEqual([state, alive, markets, held, error], ['member', 1, 20, 20, null]);
    assert.equal(one.shares.held('kraken'), null);
  });

  it('gives a newcomer its part within ten seconds, and nobody ever holds what another does', async () => {
    const { clock, join, assertDisjoint } = createStage();
    const members = [join()];
    await clock.run(5_000);
    for (const expected of [
      [10, 10],
      [6, 7, 7],
    ]) {
      members.push(join());
      const begunAt = clock.now();
      const isShared = () => {
        assertDisjoint(...members);
        return members.every((member, index) => Math.abs(member.held().length - expected[index]!) <= 1);
      };
      const isDone = () => isShared() && countAll(...members).reduce((a, b) => a + b) === 20;
      assert.ok(await clock.runUntil(isDone, 10_000), String(countAll(...members)));
      const parts = countAll(...members);
      assert.ok(clock.now() - begunAt <= 10_000);
      await clock.runUntil(() => (assertDisjoint(...members), false), 60_000);
      assert.deepEqual(countAll(...members), parts, 'and then nothing moves any more');
    }
  });

  it('gives each of many newcomers its part, at whatever moment of a beat they come', async () => {
    for (let offsetMs = 0; offsetMs < 3_000; offsetMs += 200)
      for (const newcomers of [2, 4]) {
        const { clock, join, assertDisjoint } = createStage();
        const members = [join()];
        await clock.run(6_000 + offsetMs);
        for (let newcomer = 0; newcomer < newcomers; newcomer++) members.push(join());
        await clock.runUntil(() => (assertDisjoint(...members), false), 40_000);
        const counts = countAll(...members).toSorted();
        const expected = newcomers === 2 ? [6, 7, 7] : [4, 4, 4, 4, 4];
        assert.deepEqual(counts, expected, `${newcomers} that came ${offsetMs} ms after a beat`);
      }
  });

  it('takes over what a killed replica of another machine held, within 13 seconds', async () => {
    const { clock, database, join, assertDisjoint } = createStage();
    const [one, two, three] = [join(), join(), join()];
    await clock.run(30_000);
    assert.equal(
      countAll(one, two, three).reduce((a, b) => a + b),
      20,
    );
    three.kill();
    database.cut.set(three.identity.id, 'silent');
    const begunAt = clock.now();
    const isDone = () => (assertDisjoint(one, two), one.held().length + two.held().length === 20);
    assert.ok(await clock.runUntil(isDone, 15_000));
    assert.ok(clock.now() - begunAt <= 13_000, `${clock.now() - begunAt} ms`);
    assert.deepEqual(countAll(one, two), [10, 10]);
  });

  it('does not wait for the lease of a process of this machine that has ended', async () => {
    const { clock, database, ended, join } = createStage();
    const dead = join();
    await clock.run(10_000);
    dead.kill();
    database.cut.set(dead.identity.id, 'refused');
    ended.add(dead.identity.pid);
    const next = join();
    assert.ok(await clock.runUntil(() => next.held().length === 20, 200), 'a restart begins at once');
  });

  it('frees everything at once when it stops in order', async () => {
    const { clock, join, assertDisjoint } = createStage();
    const [one, two] = [join(), join()];
    await clock.run(20_000);
    await two.shares.stop();
    assert.deepEqual([two.held(), two.shares.state().state], [[], 'stopped']);
    const begunAt = clock.now();
    assert.ok(await clock.runUntil(() => (assertDisjoint(one, two), one.held().length === 20), 4_000));
    assert.ok(clock.now() - begunAt <= 3_100);
  });

  for (const way of ['refused', 'silent'] as const)
    it(`holds nothing from the moment on when others may have it (${way})`, async () => {
      const { clock, database, join, assertDisjoint } = createStage();
      const [one, two] = [join(), join()];
      await clock.run(20_000);
      let changes = 0;
      two.shares.onChange(() => changes++);
      database.cut.set(two.identity.id, way);
      const isDone = () => (assertDisjoint(one, two), one.held().length === 20);
      assert.ok(await clock.runUntil(isDone, 15_000));
      await clock.run(10);
      assert.deepEqual([two.held(), two.shares.held('binance'), changes], [[], null, 1]);
      assert.equal(two.shares.state().state, 'lost');
      assert.match(two.shares.state().last_error ?? '', way === 'refused' ? /ECONNREFUSED/ : /did not answer/);
      assert.equal(two.lines.filter(({ level }) => level >= 50).length, 1, 'said once');
      database.cut.delete(two.identity.id);
      const isBack = () => (assertDisjoint(one, two), two.held().length === 10 && one.held().length === 10);
      assert.ok(await clock.runUntil(isBack, 20_000));
      assert.deepEqual([two.shares.state().last_error, two.shares.state().state], [null, 'member']);
      assert.deepEqual(two.failures, []);
    });

  it('moves nothing when the database was away for everybody', async () => {
    const { clock, database, join, assertDisjoint } = createStage();
    const members = [join(), join(), join()];
    await clock.run(30_000);
    const before = members.map((member) => member.held());
    for (const { identity } of members) database.cut.set(identity.id, 'refused');
    await clock.run(60_000);
    assert.deepEqual(countAll(...members), [0, 0, 0]);
    database.cut.clear();
    const isBack = () => (assertDisjoint(...members), countAll(...members).reduce((a, b) => a + b) === 20);
    assert.ok(await clock.runUntil(isBack, 3_000));
    await clock.run(30_000);
    assert.deepEqual(
      members.map((member) => member.held()),
      before,
    );
  });

  it('lets a process that was held up know at once that it may hold nothing any more', async () => {
    const stage = createStage();
    const one = stage.join();
    await stage.clock.run(20_000);
    assert.equal(one.held().length, 20);
    // Nine seconds in which its loop did not get to run.
    stage.hold(9_000);
    assert.equal(one.shares.held('binance'), null);
    await stage.clock.runUntil(() => one.held().length === 20, 3_100);
    assert.equal(one.held().length, 20, 'and the next beat finds that nobody took them');
  });

  it('collects what only one of them wants: lists of different age, other exchanges', async () => {
    const { clock, join, assertDisjoint } = createStage();
    const all = join({ symbols: [...SYMBOLS, 'NEW/USDT'] });
    const old = join();
    await clock.run(60_000);
    assertDisjoint(all, old);
    assert.equal(all.held().length + old.held().length, 21);
    assert.ok(all.held().includes('NEW/USDT'));

    const other = createStage();
    const [binance, kraken] = [other.join(), other.join({ exchange: 'kraken' })];
    await other.clock.run(60_000);
    assert.deepEqual(countAll(binance, kraken), [20, 20]);
    await other.clock.run(60_000);
    assert.deepEqual(countAll(binance, kraken), [20, 20]);
  });

  it('keeps apart from replicas that collect something else, and says so', async () => {
    const { clock, join } = createStage();
    const [minutes, hours] = [join(), join({ timeframes: ['1h'] })];
    await clock.run(20_000);
    assert.deepEqual(countAll(minutes, hours), [20, 20]);
    assert.deepEqual([minutes.shares.state().alive, minutes.shares.state().strangers], [1, 1]);
    assert.equal(hours.lines.filter(({ msg }) => msg.includes('give all replicas the same settings')).length, 1);
  });

  it('gives up a market that is no longer wanted, and takes one that is listed anew', async () => {
    const { clock, database, join } = createStage();
    const one = join();
    await clock.run(5_000);
    one.shares.want('binance', [...SYMBOLS.slice(1), 'NEW/USDT']);
    assert.ok(await clock.runUntil(() => one.held().includes('NEW/USDT'), 1_500));
    assert.ok(!one.held().includes(SYMBOLS[0]!));
    assert.equal(database.leases.size, 20);
  });

  it('shares out fairly on many exchanges with one market each', async () => {
    const { clock, join } = createStage();
    const members = [join({ symbols: [] }), join({ symbols: [] }), join({ symbols: [] })];
    const exchanges = ['binance', 'bybit', 'okx', 'kraken', 'kucoin', 'gate'];
    for (const { shares } of members) for (const exchange of exchanges) shares.want(exchange, ['BTC/USDT']);
    await clock.run(40_000);
    const counts = members.map(({ shares }) => shares.state().held);
    assert.equal(
      counts.reduce((a, b) => a + b),
      6,
    );
    assert.ok(Math.max(...counts) < 6, String(counts));
  });
});
