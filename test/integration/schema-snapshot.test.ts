import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { makeSchemaSnapshot } from '../../scripts/support/make-schema-snapshot.ts';
import { renderSchemaSnapshot, SNAPSHOT_FILE } from '../../scripts/support/render-schema-snapshot.ts';
import { createKysely, createPool } from '../../src/db/client.ts';
import { runMigrations } from '../../src/db/migrator/run-migrations.ts';
import { verifySchema } from '../../src/db/migrator/verify-schema.ts';
import { SCHEMA_SNAPSHOT } from '../../src/db/schema-snapshot.ts';
import { createLogger } from '../../src/logger.ts';
import { createTestDatabase, execute, testServerUrl, timescaleUrl, type TestDatabase } from '../support/postgres.ts';
import { listHypertables } from '../support/schema-dump.ts';

const logger = createLogger({ level: 'silent', pretty: false });
const STALE = 'src/db/schema-snapshot.ts is stale: npm run schema:write';

async function listDifferences({ url }: Pick<TestDatabase, 'url'>): Promise<readonly string[]> {
  const kysely = createKysely(() => createPool({ url, applicationName: 'test', maxConnections: 1, logger }));
  try {
    return await verifySchema(kysely).then(
      () => [],
      (error: unknown) => (error as { differences: readonly string[] }).differences,
    );
  } finally {
    await kysely.destroy();
  }
}

/** Each kind of thing that the snapshot holds, taken away or changed; and what the verification then says. */
const CHANGES = [
  ['alter table leases drop column acquired_at', 'column leases.acquired_at is missing'],
  [
    'alter table job_runs alter column error type varchar(9)',
    'column job_runs.error is character varying(9) (may be null), not text (may be null)',
  ],
  [
    'alter table coverage alter column reason set not null',
    'column coverage.reason is text (not null), not text (may be null)',
  ],
  ['alter table leases drop constraint leases_pkey', 'primary key of leases is (missing), not (exchange, symbol)'],
  [
    'alter table quarantine drop constraint quarantine_exchange_symbol_timeframe_metric_digest_key',
    'unique constraint (exchange, symbol, timeframe, metric, digest) of quarantine is missing',
  ],
  ['drop index idx_leases_replica', 'index idx_leases_replica on leases is missing'],
  ['drop index idx_recent_ohlcv_unique', 'index idx_recent_ohlcv_unique on recent_ohlcv is missing'],
  ['drop function refresh_recent_ohlcv()', 'function refresh_recent_ohlcv() is missing'],
  ['drop table exchange_blocks', 'exchange_blocks is missing'],
  ['drop table wanted_windows', 'wanted_windows is missing'],
  ['drop materialized view recent_ohlcv', 'recent_ohlcv is missing'],
] as const;

const lanes = [
  { name: 'plain PostgreSQL', server: testServerUrl, skip: false as const },
  {
    name: 'TimescaleDB',
    server: () => Promise.resolve(timescaleUrl() ?? ''),
    skip: timescaleUrl() === null ? 'TEST_TIMESCALE_URL is not set' : (false as const),
  },
];

for (const lane of lanes) {
  describe(`the snapshot of the schema on ${lane.name}`, { skip: lane.skip }, () => {
    it('is what the revisions make of an empty database', async () => {
      const snapshot = await makeSchemaSnapshot(await lane.server());
      assert.deepEqual(snapshot, SCHEMA_SNAPSHOT, STALE);
      assert.equal(await renderSchemaSnapshot(snapshot), await readFile(SNAPSHOT_FILE, 'utf8'), STALE);
    });

    it('is what the verification holds a database against, also what deferrable steps make of it', async () => {
      await using database = await createTestDatabase({ server: await lane.server() });
      await runMigrations(database.url, { actor: 'test', logger });
      assert.deepEqual(await listDifferences(database), []);
      if (lane.name === 'TimescaleDB') assert.equal((await listHypertables(database.url)).length, 3);
      // A key that a step may still owe is nothing to end a start for.
      await execute(
        database.url,
        'alter table prediction_outcomes drop constraint prediction_outcomes_prediction_id_key',
      );
      assert.deepEqual(await listDifferences(database), []);
      const seen: string[] = [];
      for (const [change, difference] of CHANGES) {
        await execute(database.url, change);
        const found = (await listDifferences(database)).filter((line) => !seen.includes(line));
        assert.ok(found.includes(difference), `${change}: ${found.join('; ')}`);
        seen.push(...found);
      }
    });
  });
}

describe('the snapshot of the schema', () => {
  it('knows each relation and function once, and nothing of the migrator', () => {
    const { tables, views, functions } = SCHEMA_SNAPSHOT;
    const names = [...Object.keys(tables), ...Object.keys(views)];
    assert.equal(new Set(names).size, names.length);
    assert.ok(!names.some((name) => /^kysely_|^candlekeep_/.test(name)), names.join());
    assert.deepEqual([Object.keys(views), functions], [['recent_ohlcv'], ['refresh_recent_ohlcv()']]);
  });
});
