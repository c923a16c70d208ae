import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runMigrations } from '../../src/db/migrator/run-migrations.ts';
import { loadRevisions } from '../../src/db/migrator/revisions.ts';
import { SchemaMigrator } from '../../src/db/migrator/schema-migrator.ts';
import { createLogger } from '../../src/logger.ts';
import { createTestDatabase, execute, timescaleUrl } from '../support/postgres.ts';
import { listHypertables } from '../support/schema-dump.ts';
import { fingerprintRows, START_STATES } from '../support/start-states.ts';

const logger = createLogger({ level: 'silent', pretty: false });
const STEP = 'hypertable_ohlcv_data';

async function createAlembicHead(url: string): Promise<void> {
  await START_STATES.find(({ name }) => name === 'Alembic 0003')?.create(url);
}

describe(
  'a large plain table on TimescaleDB',
  {
    skip: timescaleUrl() === null ? 'TEST_TIMESCALE_URL is not set' : false,
  },
  () => {
    it('stays plain at a boot, which must not keep readers out, and becomes a hypertable on command', async () => {
      await using database = await createTestDatabase({ server: timescaleUrl() ?? '' });
      const { url } = database;
      await createAlembicHead(url);
      // 11 MB.
      await execute(
        url,
        `insert into ohlcv_data (symbol, timeframe, timestamp, open, high, low, close, volume)
       select 'XRP/USDT', '1m', timestamptz '2026-01-01Z' + i * interval '1 minute', 1, 2, 0.5, 1.5, i
       from generate_series(1, 100000) i`,
      );
      const rows = await fingerprintRows(url);
      const migrator = new SchemaMigrator({ url: () => url, lockWaitMs: 5_000, logger });

      const booted = await migrator.upgrade({ actor: 'boot' });
      assert.equal(booted.version, booted.head);
      const [deferred] = booted.deferred;
      assert.deepEqual(
        booted.deferred.map(({ step }) => step),
        [STEP],
      );
      assert.match(deferred?.reason ?? '', /^ohlcv_data holds \d+ MB/);
      assert.match(deferred?.remedy ?? '', /--convert-large-tables/);
      const { steps } = await migrator.status();
      assert.ok(!steps.some((step) => step.remedy_needed), 'a plain table may stay');
      assert.deepEqual((await migrator.upgrade({ actor: 'boot' })).steps_applied, [], 'a second boot');

      const actionOf = async (options: { convertLargeTables?: boolean }) =>
        (await migrator.plan(options)).steps.find(({ step }) => step === STEP)?.action;
      assert.equal(await actionOf({}), 'defer');
      assert.equal(await actionOf({ convertLargeTables: true }), 'apply');

      const converted = await migrator.upgrade({ actor: 'cli', convertLargeTables: true });
      assert.deepEqual(converted.steps_applied, [STEP]);
      assert.deepEqual(converted.deferred, []);
      assert.ok((await listHypertables(url)).includes('ohlcv_data'));
      const after = await fingerprintRows(url);
      for (const [table, fingerprint] of Object.entries(rows)) assert.equal(after[table], fingerprint, table);
    });
  },
);

describe('recent_ohlcv during an upgrade', () => {
  it('can be read with its rows after every revision', async () => {
    await using database = await createTestDatabase();
    const { url } = database;
    await createAlembicHead(url);
    for (const { name } of await loadRevisions()) {
      await runMigrations(url, { to: name, actor: 'test' });
      const [row] = await execute(
        url,
        `select (select count(*)::int from recent_ohlcv) as shown,
           (select count(*)::int from ohlcv_data where timestamp >= now() - interval '7 days') as there`,
      );
      assert.ok(Number(row?.['there']) > 0);
      assert.equal(row?.['shown'], row?.['there'], name);
    }
  });
});
