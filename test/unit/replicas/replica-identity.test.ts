import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { createReplicaIdentity, isEndedNeighbour, parseReplicaId } from '../../../src/replicas/replica-identity.ts';

const COLLECT = { markets: ['a', 'b'], timeframes: ['1m', '1h'], backfill: { days: 3 }, futures: true };

describe('createReplicaIdentity', () => {
  it('makes ids that differ and can be read', () => {
    const [one, two] = [createReplicaIdentity(COLLECT, { pid: 7 }), createReplicaIdentity(COLLECT, { pid: 7 })];
    assert.notEqual(one.id, two.id);
    assert.deepEqual(parseReplicaId(one.id), one);
    for (const text of ['', 'web', 'web:1', 'web:x:aa:bb:cc', 'web:1:aa:bb:cc:dd:ee'])
      assert.equal(parseReplicaId(text), null);
  });

  it('puts into one group who collects the same, in whatever order it was written', () => {
    const group = (collect: object) => createReplicaIdentity(collect, process).group;
    const same = { futures: true, timeframes: ['1h', '1m'], markets: ['b', 'a'], backfill: { days: 3 } };
    assert.equal(group(same), group(COLLECT));
    for (const other of [{ timeframes: ['1m'] }, { backfill: { days: 4 } }, { futures: false }, { markets: ['a'] }])
      assert.notEqual(group({ ...COLLECT, ...other }), group(COLLECT), JSON.stringify(other));
  });
});

describe('isEndedNeighbour', () => {
  it('is sure only of processes in the same space of pids', async () => {
    const child = spawn(process.execPath, ['-e', '']);
    const exited = once(child, 'exit');
    const self = createReplicaIdentity(COLLECT, process);
    const other = createReplicaIdentity(COLLECT, { pid: child.pid! });
    await exited;
    assert.equal(isEndedNeighbour(other, self), self.space !== '', 'ended');
    assert.equal(isEndedNeighbour({ ...other, space: '00000000' }, self), false, 'another machine or container');
    assert.equal(isEndedNeighbour({ ...other, space: '' }, { ...self, space: '' }), false, 'not known');
    assert.equal(isEndedNeighbour({ ...other, pid: process.ppid }, self), false, 'alive');
    assert.equal(isEndedNeighbour(self, self), false);
  });
});
