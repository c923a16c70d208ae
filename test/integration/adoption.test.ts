import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SchemaMigrator } from '../../src/db/migrator/schema-migrator.ts';
import { SchemaMismatchError } from '../../src/errors.ts';
import { createLogger } from '../../src/logger.ts';
import { createTestDatabase, execute, type TestDatabase } from '../support/postgres.ts';
import { dumpSchema } from '../support/schema-dump.ts';
import { fingerprintRows, START_STATES } from '../support/start-states.ts';

const logger = createLogger({ level: 'silent', pretty: false });
const migratorFor = (url: string) => new SchemaMigrator({ url: () => url, lockWaitMs: 5_000, logger });

async function createState(name: string): Promise<TestDatabase> {
  const state = START_STATES.find((candidate) => candidate.name === name);
  assert.ok(state, name);
  const database = await createTestDatabase();
  await state.create(database.url);
  return database;
}

describe('taking over a database', () => {
  it('notes where it came from', async () => {
    for (const [name, subject] of [
      ['Alembic 0003', 'alembic 3c4d5e6f7081'],
      ['made by docker/init.sql, with rows', 'docker/init.sql'],
    ] as const) {
      await using database = await createState(name);
      const migrator = migratorFor(database.url);
      await migrator.upgrade({ actor: 'test' });
      const adopted = (await migrator.history(100)).filter((entry) => entry.action === 'adopt');
      assert.deepEqual(
        adopted.map((entry) => [entry.subject, entry.outcome]),
        [[subject, 'applied']],
      );
    }
  });

  it('leaves the predecessor’s version table as it is', async () => {
    await using database = await createState('Alembic 0002');
    await migratorFor(database.url).upgrade({ actor: 'test' });
    assert.deepEqual(await execute(database.url, 'select * from alembic_version'), [{ version_num: '2b3c4d5e6f70' }]);
  });

  const faults: [string, string, RegExp][] = [
    [
      'a type',
      'drop materialized view recent_ohlcv; alter table ohlcv_data alter open type numeric(30,4)',
      /column ohlcv_data.open is numeric\(30,4\) \(not null\), not numeric\(20,8\) \(not null\)/,
    ],
    [
      'a column that may be null',
      'alter table predictions alter symbol drop not null',
      /column predictions.symbol is text \(may be null\), not text \(not null\)/,
    ],
    ['a missing column', 'alter table predictions drop column confidence', /column predictions.confidence is missing/],
    [
      'a column of someone’s own',
      'alter table ohlcv_data add note text',
      /column ohlcv_data.note is not the predecessor's/,
    ],
    ['a missing table', 'drop table system_health', /table system_health is missing/],
    [
      'a primary key',
      'alter table ohlcv_data drop constraint ohlcv_data_pkey',
      /primary key of ohlcv_data is \(missing\), not \(symbol, timeframe, timestamp\)/,
    ],
    [
      'a missing unique key',
      'alter table predictions drop constraint predictions_symbol_target_pct_timestamp_model_name_key',
      /unique constraint .* of predictions is missing/,
    ],
    [
      'an index on other columns',
      'drop index idx_ohlcv_symbol_time; create index idx_ohlcv_symbol_time on ohlcv_data (symbol)',
      /index idx_ohlcv_symbol_time on ohlcv_data is on \(symbol\)/,
    ],
    [
      'a view in the place of the materialized one',
      'drop materialized view recent_ohlcv; create view recent_ohlcv as select 1 as x',
      /recent_ohlcv is no materialized view/,
    ],
    ['an id without a default', 'alter table ohlcv_data alter id drop default', /column ohlcv_data.id has no default/],
    [
      'an unknown Alembic revision',
      `create table alembic_version (version_num varchar(32)); insert into alembic_version values ('deadbeef')`,
      /alembic_version holds deadbeef, which is none/,
    ],
    [
      'an empty version table',
      'create table alembic_version (version_num varchar(32))',
      /alembic_version holds no row/,
    ],
    [
      'futures_data of another shape',
      `create table futures_data (id serial primary key, symbol text, timestamp timestamptz, open_interest numeric,
         funding_rate numeric, mark_price numeric)`,
      /column futures_data.taker_buy_sell_ratio is missing/,
    ],
  ];
  for (const [name, change, expected] of faults) {
    it(`refuses one that differs in ${name}, and leaves it untouched`, async () => {
      await using database = await createState('made by docker/init.sql, with rows');
      await execute(database.url, change);
      const [dump, rows] = [await dumpSchema(database.url), await fingerprintRows(database.url)];
      const migrator = migratorFor(database.url);
      for (const attempt of [() => migrator.upgrade({ actor: 'test' }), () => migrator.plan({})]) {
        await assert.rejects(attempt, (error) => {
          assert.ok(error instanceof SchemaMismatchError);
          assert.ok(
            error.differences.some((line) => expected.test(line)),
            error.message,
          );
          return true;
        });
      }
      assert.deepEqual(await dumpSchema(database.url), dump);
      assert.deepEqual(await fingerprintRows(database.url), rows);
    });
  }

  it('lets a missing index pass: the first revision makes it', async () => {
    await using database = await createState('made by docker/init.sql, with rows');
    await execute(database.url, 'drop index idx_errors_level');
    await migratorFor(database.url).upgrade({ actor: 'test' });
    const [found] = await execute(database.url, `select to_regclass('idx_errors_level') is not null as there`);
    assert.equal(found?.['there'], true);
  });

  it('keeps the privileges of others on the view that is made again', async () => {
    await using database = await createState('Alembic 0003');
    await execute(database.url, 'grant select on recent_ohlcv to public');
    await migratorFor(database.url).upgrade({ actor: 'test' });
    const [row] = await execute(
      database.url,
      `select relacl::text as acl from pg_class where relname = 'recent_ohlcv'`,
    );
    assert.match(String(row?.['acl']), /[{,]=r\//);
  });

  it('says so where a view of someone’s own stands on recent_ohlcv, and loses nothing', async () => {
    await using database = await createState('Alembic 0003');
    await execute(database.url, 'create view my_view as select symbol from recent_ohlcv');
    const rows = await fingerprintRows(database.url);
    await assert.rejects(migratorFor(database.url).upgrade({ actor: 'test' }), {
      code: 'MIGRATION_FAILED',
      revision: '0004_exact_numbers',
      sqlState: '2BP01',
      message: /my_view|drop them, upgrade, and create them again/,
    });
    assert.deepEqual(await fingerprintRows(database.url), rows);
    const history = await migratorFor(database.url).history(1);
    assert.deepEqual(
      history.map(({ subject, outcome, sql_state }) => [subject, outcome, sql_state]),
      [['0004_exact_numbers', 'failed', '2BP01']],
    );
  });
});
