import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPool } from '../../src/db/client.ts';
import { PoolWatch } from '../../src/db/pool-watch.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { createRecordingLogger } from '../unit/http/in-memory.ts';

describe('PoolWatch over PostgreSQL', () => {
  it('tells connections in use, idle ones and who waits for one', async () => {
    const database = await createTestDatabase();
    const { logger } = createRecordingLogger();
    const pool = createPool({ url: database.url, applicationName: 'test', maxConnections: 2, logger });
    try {
      const watch = new PoolWatch();
      watch.add('test', pool);
      const [one, two] = [await pool.connect(), await pool.connect()];
      const three = pool.connect();
      assert.deepEqual(watch.states(), [{ pool: 'test', max: 2, open: 2, idle: 0, waiting: 1 }]);
      one.release();
      (await three).release();
      assert.deepEqual(watch.states(), [{ pool: 'test', max: 2, open: 2, idle: 1, waiting: 0 }]);
      two.release();
      assert.deepEqual(watch.states(), [{ pool: 'test', max: 2, open: 2, idle: 2, waiting: 0 }]);
    } finally {
      await pool.end();
      await database.drop();
    }
  });
});
