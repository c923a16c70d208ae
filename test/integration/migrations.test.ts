import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ADVISORY_LOCKS } from '../../src/db/advisory-locks.ts';
import { runMigrations } from '../../src/db/migrator/run-migrations.ts';
import { SchemaMigrator } from '../../src/db/migrator/schema-migrator.ts';
import { createLogger } from '../../src/logger.ts';
import { createTestDatabase, execute, testServerUrl, timescaleUrl } from '../support/postgres.ts';
import { dumpSchema, listHypertables } from '../support/schema-dump.ts';
import { DUPLICATE_OUTCOMES, fingerprintRows, START_STATES } from '../support/start-states.ts';

const logger = createLogger({ level: 'silent', pretty: false });
const HEAD = '0011_unwitnessed_silence';
const lanes = [
  { name: 'plain PostgreSQL', server: () => testServerUrl(), timescale: false, skip: false as const },
  {
    name: 'TimescaleDB',
    server: () => Promise.resolve(timescaleUrl() ?? ''),
    timescale: true,
    skip: timescaleUrl() === null ? 'TEST_TIMESCALE_URL is not set' : (false as const),
  },
];

function migratorFor(url: string): SchemaMigrator {
  return new SchemaMigrator({ url: () => url, lockWaitMs: 5_000, logger });
}

for (const lane of lanes) {
  describe(`migrations on ${lane.name}`, { skip: lane.skip }, () => {
    it('ends every start state in the same schema, with all its rows', async () => {
      let reference: string[] | null = null;
      for (const state of START_STATES.filter((candidate) => lane.timescale || !candidate.needsTimescale)) {
        await using database = await createTestDatabase({ server: await lane.server() });
        if (lane.timescale) await execute(database.url, 'create extension if not exists timescaledb');
        await state.create(database.url);
        const before = await fingerprintRows(database.url);
        const result = await runMigrations(database.url, { logger });
        assert.equal(result.version, HEAD, state.name);
        const after = await fingerprintRows(database.url);
        for (const [table, rows] of Object.entries(before)) assert.equal(after[table], rows, `${state.name}: ${table}`);
        const dump = await dumpSchema(database.url);
        reference ??= dump;
        assert.deepEqual(dump, reference, state.name);
        if (lane.timescale)
          assert.deepEqual(
            await listHypertables(database.url),
            ['feature_cache', 'futures_data', 'ohlcv_data'],
            state.name,
          );
        const again = await runMigrations(database.url, { logger });
        assert.deepEqual(again.applied, [], state.name);
        assert.deepEqual(await dumpSchema(database.url), reference, `${state.name}, a second time`);
      }
    });

    it('asks again for what was called empty without a witness, and leaves what Binance said', async () => {
      await using database = await createTestDatabase({ server: await lane.server() });
      const migrator = migratorFor(database.url);
      await migrator.upgrade({ actor: 'test', to: '0010' });
      const day = (n: number) => `'2025-01-0${n}'`;
      await execute(
        database.url,
        `insert into coverage (exchange, symbol, timeframe, metric, since, until, state, asks, first_asked_at, last_asked_at, reason)
         select exchange, 'BTC/USDT', timeframe, metric, ${day(1)}, ${day(2)}, state, 2, ${day(3)}, ${day(4)}, 'an answer without any row'
         from (values ('binance', '1m', 'ohlcv', 'confirmed_empty'), ('kraken', '1m', 'ohlcv', 'confirmed_empty'),
           ('kraken', '1h', 'ohlcv', 'refused'), ('okx', '1h', 'funding_rate', 'confirmed_empty')) as v (exchange, timeframe, metric, state)`,
      );
      const { applied } = await migrator.upgrade({ actor: 'test' });
      assert.match(JSON.stringify(applied), /1 ranges of kraken were called empty without a witness/);
      assert.deepEqual(
        await execute(
          database.url,
          'select exchange, timeframe, state, asks, last_asked_at, reason from coverage order by exchange, timeframe',
        ).then((rows) => rows.map((row) => [row['exchange'], row['state'], row['asks'], row['reason']])),
        [
          ['binance', 'confirmed_empty', 2, 'an answer without any row'],
          ['kraken', 'refused', 2, 'an answer without any row'],
          ['kraken', 'missing', 0, null],
          ['okx', 'confirmed_empty', 2, 'an answer without any row'],
        ],
      );
      assert.deepEqual((await migrator.upgrade({ actor: 'test' })).applied, []);
    });

    it('keeps the digits that the predecessor’s types would lose', async () => {
      await using database = await createTestDatabase({ server: await lane.server() });
      await runMigrations(database.url, { logger });
      await execute(
        database.url,
        `insert into ohlcv_data (symbol, timeframe, timestamp, open, high, low, close, volume)
         values ('X/USDT', '1h', '2026-01-01Z', '0.000000123456', '0.000000123456', '0.000000123456', '0.000000123456', '12345678901234')`,
      );
      const [row] = await execute(database.url, `select open::text, volume::text, exchange from ohlcv_data`);
      assert.deepEqual(row, { open: '0.000000123456', volume: '12345678901234', exchange: 'binance' });
    });

    it('defers the constraint while duplicates stand, and adds it at the first upgrade after they have gone', async () => {
      await using database = await createTestDatabase({ server: await lane.server() });
      const state = START_STATES.find((candidate) => candidate.name.startsWith('Alembic 0002 that skipped'))!;
      await state.create(database.url);
      await execute(database.url, DUPLICATE_OUTCOMES);
      const first = await runMigrations(database.url, { logger });
      assert.equal(first.version, HEAD);
      const deferred = first.deferred.find((step) => step.step === 'unique_prediction_outcomes');
      assert.match(deferred?.reason ?? '', /5 surplus rows for 5 predictions/);
      assert.match(deferred?.remedy ?? '', /fix-prediction-outcomes/);
      // On plain PostgreSQL four more are due, and nobody need do anything about them.
      const { steps } = await migratorFor(database.url).status();
      assert.equal(steps.filter(({ state }) => state === 'due').length, lane.timescale ? 1 : 5);
      assert.deepEqual(
        steps.filter((step) => step.remedy_needed).map(({ step }) => step),
        ['unique_prediction_outcomes'],
      );
      const noticed = first.applied.find((revision) => revision.revision.startsWith('0002'))?.notices ?? [];
      assert.ok(
        noticed.some((notice) => notice.includes('surplus')),
        noticed.join(),
      );

      await execute(database.url, `delete from prediction_outcomes where completed_at < now() - interval '1 hour'`);
      const second = await runMigrations(database.url, { logger });
      assert.deepEqual(second.steps_applied, ['unique_prediction_outcomes']);
      assert.deepEqual(
        second.deferred.filter((step) => step.step === 'unique_prediction_outcomes'),
        [],
      );
      await assert.rejects(
        execute(database.url, `insert into prediction_outcomes (prediction_id) select id from predictions limit 1`),
        { code: '23505' },
      );
    });

    it('plans without changing anything', async () => {
      await using database = await createTestDatabase({ server: await lane.server() });
      const before = await dumpSchema(database.url);
      const plan = await migratorFor(database.url).plan({ to: '0003' });
      assert.deepEqual(plan.revisions, ['0001_initial_schema', '0002_unique_prediction_outcomes', '0003_futures_data']);
      assert.equal(plan.target, '0003_futures_data');
      assert.deepEqual(await dumpSchema(database.url), before);
    });

    it('refuses to take a table of somebody else for one of its own, and goes on once it has another name', async () => {
      await using database = await createTestDatabase({ server: await lane.server() });
      const migrator = migratorFor(database.url);
      await migrator.upgrade({ to: '0007', actor: 'test' });
      await execute(
        database.url,
        'create table leases (id int, symbol text, exchange text); insert into leases values (7)',
      );
      const before = await dumpSchema(database.url);
      await assert.rejects(migrator.upgrade({ actor: 'test' }), {
        revision: '0008_completeness_ledger',
        message:
          /a table "leases" that is not candlekeep's .*\(it has no (replica_id, acquired_at|acquired_at, replica_id)\)/,
      });
      assert.deepEqual(await dumpSchema(database.url), before);
      await execute(
        database.url,
        'alter table leases rename to my_leases; create table exchange_blocks (exchange text, origin text)',
      );
      await assert.rejects(migrator.upgrade({ actor: 'test' }), {
        revision: '0009_exchange_blocks',
        message: /a table "exchange_blocks" that is not candlekeep's .*it has no address, reason, blocked_until/,
      });
      await execute(database.url, 'drop table exchange_blocks; create table wanted_windows (exchange text)');
      await assert.rejects(migrator.upgrade({ actor: 'test' }), {
        revision: '0010_wanted_windows',
        message:
          /a table "wanted_windows" that is not candlekeep's .*it has no symbol, timeframe, metric, wanted_since/,
      });
      await execute(database.url, 'drop table wanted_windows');
      assert.equal((await migrator.upgrade({ actor: 'test' })).version, HEAD);
      assert.deepEqual(await execute(database.url, 'select id from my_leases'), [{ id: 7 }]);
    });

    it('runs up to a revision, and refuses an unknown one and a way back', async () => {
      await using database = await createTestDatabase({ server: await lane.server() });
      const migrator = migratorFor(database.url);
      assert.equal((await migrator.upgrade({ to: '0003', actor: 'test' })).version, '0003_futures_data');
      assert.deepEqual((await migrator.status()).pending.at(0), '0004_exact_numbers');
      await assert.rejects(migrator.upgrade({ to: '0099', actor: 'test' }), { code: 'REVISION_UNKNOWN' });
      await assert.rejects(migrator.upgrade({ to: '0001', actor: 'test' }), { code: 'DOWNGRADE_REFUSED' });
      assert.equal((await migrator.upgrade({ actor: 'test' })).version, HEAD);
    });

    it('lets five upgrades at once run each revision once', async () => {
      await using database = await createTestDatabase({ server: await lane.server() });
      const results = await Promise.all(
        Array.from({ length: 5 }, () =>
          new SchemaMigrator({ url: () => database.url, lockWaitMs: 30_000, logger }).upgrade({ actor: 'test' }),
        ),
      );
      const applied = results.flatMap((result) => result.applied.map((revision) => revision.revision));
      assert.equal(applied.length, Number(HEAD.slice(0, 4)));
      assert.equal(new Set(applied).size, applied.length);
      assert.ok(results.every((result) => result.version === HEAD));
      const locks = await execute(
        database.url,
        `select from pg_locks where locktype = 'advisory' and classid = ${ADVISORY_LOCKS.migration.classId}
           and database = (select oid from pg_database where datname = current_database())`,
      );
      assert.equal(locks.length, 0);
    });
  });
}
