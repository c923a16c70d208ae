import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createKysely, createPool } from '../../src/db/client.ts';
import { SchemaMigrator } from '../../src/db/migrator/schema-migrator.ts';
import { verifyPrivileges, verifySchema } from '../../src/db/migrator/verify-schema.ts';
import { createRepositories } from '../../src/db/repositories/index.ts';
import { createLogger } from '../../src/logger.ts';
import { candleEntry } from '../../src/market/commit-entry.ts';
import { haveRange } from '../../src/market/coverage.ts';
import { candleOf, seriesOf } from '../support/candles.ts';
import { createTestDatabase, execute, testServerUrl, timescaleUrl, withRole } from '../support/postgres.ts';
import { dumpSchema } from '../support/schema-dump.ts';
import { START_STATES, type StartState } from '../support/start-states.ts';

const logger = createLogger({ level: 'silent', pretty: false });

function connect(url: string, schema: string | null = null) {
  return createKysely(() =>
    createPool({ url, applicationName: 'test', maxConnections: 2, schema: () => schema, logger }),
  );
}

function findState(name: string): StartState {
  const state = START_STATES.find((candidate) => candidate.name === name);
  assert.ok(state, name);
  return state;
}

/** Does what a service does with the tables of 0008 to 0010. */
async function useLedger(url: string): Promise<void> {
  const kysely = connect(url);
  try {
    const repositories = createRepositories(kysely);
    const { coverage, quarantine, replicas, jobRuns, candleRewrites, exchangeBlocks, wantedWindows } = repositories;
    const series = seriesOf('binance', 'BTC/USDT', '1h');
    const HOUR = 3_600_000;
    const first = Date.UTC(2024, 0, 1);
    await repositories.commit([candleEntry(series, [candleOf(first)])]);
    await repositories.commit([candleEntry(series, [candleOf(first, ['1', '1', '1', '1', '1'])])]);
    assert.equal(await candleRewrites.count(), 1);
    const key = { ...series, metric: 'ohlcv' } as const;
    await coverage.survey(key, { since: first, until: first + 3 * HOUR });
    for (const since of [first + HOUR, first + 2 * HOUR])
      await repositories.commit([
        { key, rows: [], changes: [haveRange({ since, until: since + HOUR })], quarantine: [] },
      ]);
    assert.deepEqual(
      (await coverage.summarize({ symbol: 'BTC/USDT' })).map(({ slots }) => slots.have),
      [3],
    );
    const row = { ...key, claimedAt: null, reason: 'no', raw: '[]', source: 'rest' } as const;
    await quarantine.add([row]);
    await quarantine.add([row]);
    await replicas.beat({ id: 'r', host: 'h', startedAt: 0, lastWriteAt: null, ttlMs: 60_000 });
    assert.deepEqual(await replicas.claim('r', 'binance', ['BTC/USDT'], 1), ['BTC/USDT']);
    await replicas.leave('r');
    assert.equal(await jobRuns.claim('report', new Date(), 'r'), true);
    const place = { exchange: 'binance', origin: '', address: 'here' };
    const block = { reason: 'banned', until: Date.now(), message: 'no' } as const;
    await exchangeBlocks.note(place, block, 'r');
    assert.deepEqual(await exchangeBlocks.find(place), block);
    await wantedWindows.note([{ key, since: first }], 'r');
    assert.equal(await wantedWindows.find(key), first);
  } finally {
    await kysely.destroy();
  }
}

const lanes = [
  { name: 'plain PostgreSQL', server: () => testServerUrl(), skip: false as const },
  {
    name: 'TimescaleDB',
    server: () => Promise.resolve(timescaleUrl() ?? ''),
    skip: timescaleUrl() === null ? 'TEST_TIMESCALE_URL is not set' : (false as const),
  },
];
for (const lane of lanes) {
  describe(`roles and schemas on ${lane.name}`, { skip: lane.skip }, () => {
    it('refuse a role that may not create, with the statement that lets it', async () => {
      await using database = await createTestDatabase({ server: await lane.server() });
      await withRole(database, async ({ url, name }) => {
        const migrator = new SchemaMigrator({ url: () => url, lockWaitMs: 1_000, logger });
        await assert.rejects(migrator.upgrade({ actor: 'test' }), {
          code: 'NO_CREATE_RIGHT',
          message: new RegExp(`grant usage, create on schema public to ${name}`),
        });
        assert.deepEqual(await dumpSchema(database.url), []);
      });
    });

    it('let an owner without superuser’s rights do it all', async () => {
      await using database = await createTestDatabase({ server: await lane.server() });
      await withRole(
        database,
        async ({ url }) => {
          const migrator = new SchemaMigrator({ url: () => url, lockWaitMs: 1_000, logger });
          const result = await migrator.upgrade({ actor: 'test' });
          assert.deepEqual(result.version, result.head);
          const extension = result.deferred.find((step) => step.step === 'timescaledb_extension');
          if (lane.name === 'TimescaleDB') {
            assert.match(extension?.reason ?? '', /may not create the timescaledb extension/);
            // Once it may, the next upgrade does by itself what was deferred.
            await execute(database.url, `grant create on database "${database.name}" to "${new URL(url).username}"`);
            const second = await migrator.upgrade({ actor: 'test' });
            assert.deepEqual(second.deferred, []);
            assert.equal(second.steps_applied.length, 4);
          }
        },
        ['grant usage, create on schema public to $role'],
      );
    });

    it('grant a runtime role what it uses and no more', async () => {
      await using database = await createTestDatabase({ server: await lane.server() });
      await withRole(database, async ({ url, name }) => {
        const owner = new SchemaMigrator({ url: () => database.url, runtimeRole: name, lockWaitMs: 1_000, logger });
        await owner.upgrade({ actor: 'test' });
        const kysely = connect(url);
        try {
          await verifySchema(kysely);
          await verifyPrivileges(kysely);
        } finally {
          await kysely.destroy();
        }
        await execute(
          url,
          `insert into ohlcv_data (symbol, timeframe, timestamp, open, high, low, close, volume) values ('A/B', '1h', now(), 1, 1, 1, 1, 1)`,
        );
        await execute(url, `update ohlcv_data set close = 1`);
        await execute(url, `insert into futures_data (symbol, timestamp, mark_price) values ('A/B', now(), 1)`);
        await execute(url, `select refresh_recent_ohlcv()`);
        assert.equal((await execute(url, 'select * from recent_ohlcv')).length, 1);
        await useLedger(url);
        for (const forbidden of [
          'delete from ohlcv_data',
          'drop table ohlcv_data',
          'select * from predictions',
          'create table x (id int)',
          'truncate futures_data',
          'delete from candle_revisions',
          'update candle_revisions set new_close = 1',
          'truncate coverage',
          'alter table ohlcv_data add x int',
        ])
          await assert.rejects(execute(url, forbidden), { code: '42501' }, forbidden);
      });
    });

    it('tell a runtime role what it lacks', async () => {
      await using database = await createTestDatabase({ server: await lane.server() });
      await new SchemaMigrator({ url: () => database.url, lockWaitMs: 1_000, logger }).upgrade({ actor: 'test' });
      await withRole(database, async ({ url, name }) => {
        const kysely = connect(url);
        try {
          await assert.rejects(verifyPrivileges(kysely), (error: Error) => {
            assert.match(error.message, new RegExp(`grant insert on public.ohlcv_data to ${name};`));
            assert.match(error.message, /grant usage on sequence public.ohlcv_data_id_seq/);
            return true;
          });
        } finally {
          await kysely.destroy();
        }
      });
    });

    it('work in a schema of another name, also for a role whose search_path leads elsewhere', async () => {
      await using database = await createTestDatabase({ server: await lane.server() });
      await execute(database.url, 'create schema "Trading desk"');
      const inSchema = new URL(database.url);
      inSchema.searchParams.set('options', '-c search_path="Trading\\ desk"');
      const migrator = new SchemaMigrator({ url: () => inSchema.href, lockWaitMs: 1_000, logger });
      await migrator.upgrade({ actor: 'test' });
      assert.equal((await migrator.status()).schema_name, 'Trading desk');
      assert.deepEqual(await dumpSchema(database.url, 'public'), [], 'something landed in public');
      const kysely = connect(database.url, 'Trading desk');
      try {
        await verifySchema(kysely);
        await verifyPrivileges(kysely);
      } finally {
        await kysely.destroy();
      }
      await execute(database.url, 'select "Trading desk".refresh_recent_ohlcv()');
    });

    it('refuse a role that does not own the tables, before anything is changed', async () => {
      await using database = await createTestDatabase({ server: await lane.server() });
      await findState('Alembic 0003').create(database.url);
      await withRole(
        database,
        async ({ url }) => {
          const before = await dumpSchema(database.url);
          const migrator = new SchemaMigrator({ url: () => url, lockWaitMs: 1_000, logger });
          await assert.rejects(migrator.upgrade({ actor: 'test' }), {
            code: 'NOT_OWNER',
            message: /does not own feature_cache, futures_data, .*MIGRATION_DATABASE_URL/,
          });
          assert.deepEqual(await dumpSchema(database.url), before);
        },
        ['grant usage, create on schema public to $role', 'grant all on all tables in schema public to $role'],
      );
    });

    it('leave everything with its owner where a superuser upgrades', async () => {
      await using database = await createTestDatabase({ server: await lane.server() });
      await withRole(
        database,
        async ({ url }) => {
          await findState('Alembic 0002').create(url);
          await new SchemaMigrator({ url: () => database.url, lockWaitMs: 1_000, logger }).upgrade({ actor: 'test' });
          await execute(url, 'select count(*) from recent_ohlcv');
          await execute(url, 'select refresh_recent_ohlcv()');
          const second = await new SchemaMigrator({ url: () => url, lockWaitMs: 1_000, logger }).upgrade({
            actor: 'test',
          });
          assert.deepEqual(second.applied, []);
          const owners = await execute(
            database.url,
            `select distinct pg_get_userbyid(relowner) as owner from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'm', 'S')`,
          );
          assert.deepEqual(owners, [{ owner: new URL(url).username }]);
        },
        ['grant usage, create on schema public to $role', `grant create on database "${database.name}" to $role`],
      );
    });

    it('name the object of someone’s own that stands in the way', async () => {
      await using database = await createTestDatabase({ server: await lane.server() });
      await findState('Alembic 0003').create(database.url);
      await execute(database.url, 'create view closes as select symbol, close from ohlcv_data');
      await assert.rejects(
        new SchemaMigrator({ url: () => database.url, lockWaitMs: 1_000, logger }).upgrade({ actor: 'test' }),
        {
          sqlState: '0A000',
          message: /view closes depends on column "close".*objects of your own/,
        },
      );
    });

    it('plan what then happens', async () => {
      await using database = await createTestDatabase({ server: await lane.server() });
      await findState('Alembic 0003').create(database.url);
      const migrator = new SchemaMigrator({ url: () => database.url, lockWaitMs: 1_000, logger });
      const plan = await migrator.plan({});
      const result = await migrator.upgrade({ actor: 'test' });
      assert.deepEqual(
        plan.revisions,
        result.applied.map(({ revision }) => revision),
      );
      const planned = plan.steps.filter(({ action }) => action === 'apply').map(({ step }) => step);
      assert.deepEqual(planned, result.steps_applied);
    });
  });
}
