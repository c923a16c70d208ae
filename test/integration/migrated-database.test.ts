import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { loadRevisions } from '../../src/db/migrator/revisions.ts';
import { createMigratedDatabase } from '../support/database.ts';
import { listHypertables, dumpSchema } from '../support/schema-dump.ts';
import { createTestDatabase, execute, startServerForTests, testServerUrl, timescaleUrl } from '../support/postgres.ts';
import { runMigrations } from '../../src/db/migrator/run-migrations.ts';
import { listLedger } from '../support/migration-stage.ts';

const LANES = [
  { name: 'PostgreSQL', server: testServerUrl, skip: false as const },
  {
    name: 'TimescaleDB',
    server: () => Promise.resolve(timescaleUrl() ?? ''),
    skip: timescaleUrl() === null && 'TEST_TIMESCALE_URL is not set',
  },
];

describe('a migrated database of the tests', () => {
  for (const { name, server, skip } of LANES)
    it(`is as the migrator makes one from nothing, on ${name}`, { skip }, async () => {
      await using copy = await createMigratedDatabase({ server: await server() });
      await using made = await createTestDatabase({ server: await server() });
      await runMigrations(made.url, { actor: 'test' });
      assert.deepEqual(await dumpSchema(copy.url), await dumpSchema(made.url));
      assert.deepEqual(await listHypertables(copy.url), await listHypertables(made.url));
      assert.deepEqual(
        await listLedger(copy.url),
        (await loadRevisions()).map((revision) => revision.name),
      );
      // A second one, while the first is in use.
      await using second = await createMigratedDatabase({ server: await server() });
      const row = `insert into ohlcv_data (symbol, timeframe, timestamp, open, high, low, close, volume)
        values ('BTC/USDT', '1h', '2026-01-01Z', 1, 1, 1, 1, 1)`;
      await execute(copy.url, row);
      assert.deepEqual(await execute(second.url, 'select from ohlcv_data'), []);
    });

  it('is made once by several processes that begin together', async () => {
    const server = await startServerForTests();
    try {
      const source = `
        const { createMigratedDatabase } = await import(${JSON.stringify(import.meta.resolve('../support/database.ts'))});
        console.log((await createMigratedDatabase()).name);`;
      const run = async () =>
        await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', source], {
          env: { ...process.env, TEST_PG_URL: server.url },
        });
      const names = (await Promise.all([run(), run(), run()])).map(({ stdout }) => stdout.trim());
      const rows = await execute(
        server.url,
        `select datname, datistemplate from pg_database where datname ~ '^(test|candlekeep_)'`,
      );
      const templates = rows.filter(({ datistemplate }) => datistemplate === true);
      assert.equal(templates.length, 1);
      const copies = rows.filter(({ datistemplate }) => datistemplate === false).map(({ datname }) => datname);
      assert.deepEqual(copies.toSorted(), names.toSorted());
    } finally {
      await server.stop();
    }
  });
});
