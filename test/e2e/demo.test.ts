import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { elapsedMs } from '../support/machine-watch.ts';
import { createTestDatabase, execute } from '../support/postgres.ts';
import { startService } from '../support/service-process.ts';

describe('the demo', () => {
  it('is healthy within 30 s, answers data, and leaves DATABASE_URL alone', async () => {
    await using database = await createTestDatabase();
    await using demo = startService(
      { DATABASE_URL: database.url, MIGRATION_DATABASE_URL: database.url },
      { script: 'scripts/demo.ts', args: ['--port', '0', '--days', '30'] },
    );
    let health = await demo.health();
    const tookMs = await elapsedMs(async () => {
      health = await demo.waitFor(({ status, ingest }) => status === 'healthy' && ingest.complete > 0);
    });
    assert.ok(tookMs < 30_000, `${tookMs} ms`);
    assert.equal(health.schema?.version, health.schema?.head);
    const { status, body } = await demo.request('/v1/ohlcv?symbol=BTC/USDT&timeframe=1h&limit=24');
    assert.equal(status, 200);
    const candles = body['data'] as { timestamp: string; close: string }[];
    assert.equal(candles.length, 24);
    assert.match(candles[0]!.close, /^\d+\.\d+$/);
    assert.ok(Date.now() - Date.parse(candles.at(-1)!.timestamp) < 2 * 3_600_000 + 60_000);
    const tables = await execute(database.url, `select relname from pg_class where relname = 'ohlcv_data'`);
    assert.deepEqual(tables, [], 'the demo wrote into the database of DATABASE_URL');
    assert.match(demo.output, /every candle of this demo is invented/);
    assert.deepEqual(await demo.end('SIGTERM'), { code: 0, signal: null });
  });
});
