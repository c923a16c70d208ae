import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadRevisions } from '../../src/db/migrator/revisions.ts';
import { runMigrations } from '../../src/db/migrator/run-migrations.ts';
import { createTestDatabase, execute, testServerUrl, timescaleUrl } from '../support/postgres.ts';
import { dumpSchema, listHypertables } from '../support/schema-dump.ts';
import { fingerprintRows, START_STATES } from '../support/start-states.ts';

const timescale = timescaleUrl();
const lanes = [
  { name: 'PostgreSQL', server: testServerUrl, skip: false },
  {
    name: 'TimescaleDB',
    server: () => Promise.resolve(timescale ?? ''),
    skip: timescale === null ? 'TEST_TIMESCALE_URL is not set' : false,
  },
];

describe('every revision run twice changes nothing', () => {
  for (const { name: lane, server, skip } of lanes)
    for (const start of ['empty', 'Alembic 0001'])
      it(`${lane}, from ${start}`, { skip }, async () => {
        await using database = await createTestDatabase({ server: await server() });
        const { url } = database;
        await START_STATES.find(({ name }) => name === start)?.create(url);
        for (const { name } of await loadRevisions()) {
          await runMigrations(url, { to: name, actor: 'test' });
          const look = async () => [await dumpSchema(url), await listHypertables(url), await fingerprintRows(url)];
          const before = await look();
          await execute(url, `delete from kysely_migration where name = '${name}'`);
          const again = await runMigrations(url, { to: name, actor: 'test' });
          assert.deepEqual(
            again.applied.map(({ revision }) => revision),
            [name],
          );
          assert.deepEqual(await look(), before, name);
        }
      });
});
