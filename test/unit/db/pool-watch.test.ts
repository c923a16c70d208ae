import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pg from 'pg';
import { PoolWatch } from '../../../src/db/pool-watch.ts';

describe('PoolWatch', () => {
  it('tells of each pool how many may be open, are open, are idle and are waited for', async () => {
    const watch = new PoolWatch();
    assert.deepEqual(watch.states(), []);
    const one = new pg.Pool({ max: 10 });
    assert.equal(watch.add('one', one), one);
    watch.add('two', new pg.Pool({ max: 2 }));
    assert.deepEqual(watch.states(), [
      { pool: 'one', max: 10, open: 0, idle: 0, waiting: 0 },
      { pool: 'two', max: 2, open: 0, idle: 0, waiting: 0 },
    ]);
    await one.end();
  });
});
