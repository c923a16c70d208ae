import assert from 'node:assert/strict';
import type { ReplicaLeases } from '../../../src/replicas/replica-leases.ts';
import type { DeclareTest } from './skips.ts';

/** Who collects what, as one of the sides keeps it. */
export interface LeasesSide {
  readonly leases: () => ReplicaLeases;
  /** Lets a replica's time to live end. */
  readonly expire: (id: string) => Promise<unknown>;
}

const STARTED = Date.UTC(2026, 10, 22);

/** Who is alive, and which markets are given to whom. Nothing is stored when a test begins. */
export function describeLeases(test: DeclareTest, { leases, expire }: LeasesSide): void {
  const beat = (id: string, startedAt = STARTED) =>
    leases().beat({ id, host: `host of ${id}`, startedAt, lastWriteAt: null, ttlMs: 60_000 });
  const listAlive = async () => (await leases().listAlive()).map(({ id, startedAt }) => [id, startedAt]);
  const listHeld = async (id: string) =>
    (await leases().listHeld(id)).map(({ exchange, symbol }) => `${exchange} ${symbol}`);

  test('knows nobody and gives nothing at first', async () => {
    assert.deepEqual(await listAlive(), []);
    assert.deepEqual(await listHeld('a'), []);
    assert.deepEqual(await leases().listFree('binance', ['B/X', 'A/X']), ['B/X', 'A/X']);
    assert.deepEqual(await leases().listFree('binance', []), []);
    await leases().leave('a');
    await leases().release('a', 'binance', ['A/X']);
    assert.deepEqual(await listAlive(), []);
  });

  test('tells who is alive, by id, with the time at which it first said that it had started', async () => {
    await beat('b', STARTED + 5);
    await beat('a');
    await beat('c');
    await beat('b', STARTED + 9);
    await expire('c');
    assert.deepEqual(await listAlive(), [
      ['a', STARTED],
      ['b', STARTED + 5],
    ]);
    await beat('c');
    await leases().leave('a');
    assert.deepEqual(
      (await listAlive()).map(([id]) => id),
      ['b', 'c'],
    );
  });

  test('gives free markets, in the order in which they are wanted, to one replica each', async () => {
    await beat('a');
    await beat('b');
    const wanted = ['D/X', 'B/X', 'B/X', 'A/X', 'C/X', 'B/X'];
    assert.deepEqual(await leases().claim('a', 'binance', ['D/X', 'D/X', 'B/X', 'A/X'], 2), ['B/X', 'D/X']);
    assert.deepEqual(await leases().claim('b', 'binance', wanted, 9), ['A/X', 'C/X']);
    assert.deepEqual(await leases().claim('b', 'okx', ['B/X'], 9), ['B/X']);
    assert.deepEqual(await leases().claim('a', 'binance', wanted, 9), []);
    assert.deepEqual(await leases().claim('a', 'binance', ['Z/X'], 0), []);
    assert.deepEqual(await leases().claim('a', 'binance', ['Y/X', 'Z/X'], -1), []);
    assert.deepEqual(await leases().claim('a', 'binance', [], 5), []);
    await leases().release('b', 'binance', ['A/X', 'B/X']);
    assert.deepEqual(await leases().listFree('binance', ['Z/X', 'D/X', 'A/X', 'Z/X']), ['Z/X', 'A/X', 'Z/X']);
    assert.deepEqual(await leases().listFree('okx', ['D/X', 'B/X']), ['D/X']);
    assert.deepEqual(await listHeld('b'), ['binance C/X', 'okx B/X']);
    assert.deepEqual(await listHeld('a'), ['binance B/X', 'binance D/X']);
    assert.deepEqual(await leases().claim('a', 'binance', wanted, 9), ['A/X']);
    await leases().release('a', 'binance', []);
    assert.deepEqual(await listHeld('a'), ['binance A/X', 'binance B/X', 'binance D/X']);
  });

  test('gives nothing to who is not alive, and everything of who is not to others', async () => {
    assert.deepEqual(await leases().claim('nobody', 'binance', ['A/X'], 9), []);
    await beat('a');
    await beat('b');
    await leases().claim('a', 'binance', ['A/X', 'B/X', 'C/X'], 9);
    assert.deepEqual(await leases().claim('b', 'binance', ['A/X'], 9), []);
    assert.deepEqual(await leases().listFree('binance', ['A/X']), []);
    await expire('a');
    assert.deepEqual(await leases().listFree('binance', ['A/X']), ['A/X']);
    assert.deepEqual(await leases().claim('a', 'binance', ['D/X'], 9), []);
    assert.deepEqual(await leases().claim('b', 'binance', ['A/X', 'B/X'], 9), ['A/X', 'B/X']);
    // It comes to itself again: what was taken is gone, what was not is still its own.
    await beat('a');
    assert.deepEqual(await listHeld('a'), ['binance C/X']);
    assert.deepEqual(await leases().claim('b', 'binance', ['C/X'], 9), []);
    await leases().leave('a');
    assert.deepEqual(await listHeld('a'), []);
    assert.deepEqual(await leases().claim('b', 'binance', ['C/X'], 9), ['C/X']);
  });
}
