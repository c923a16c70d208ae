import assert from 'node:assert/strict';
import { appendFile, cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { renderRevision } from '../../src/db/migrator/revision-template.ts';
import { REVISIONS_DIR } from '../../src/db/migrator/revisions.ts';
import { SchemaMigrator } from '../../src/db/migrator/schema-migrator.ts';
import { createLogger } from '../../src/logger.ts';
import { createTestDatabase, execute } from '../support/postgres.ts';
import { dumpSchema } from '../support/schema-dump.ts';

const logger = createLogger({ level: 'silent', pretty: false });
const HEAD = '0011_unwitnessed_silence';

describe('the history of migrations', () => {
  // A tree of its own, so that revisions can be added and edited; the helpers that they import stay the project's.
  let root = '';
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'candlekeep-revisions-'));
    await cp(join(REVISIONS_DIR, '..'), join(root, 'src/db'), { recursive: true });
    for (const name of ['errors.ts', 'retry.ts', 'logger.ts', 'lifecycle.ts', 'market'])
      await cp(join(REVISIONS_DIR, '../..', name), join(root, 'src', name), { recursive: true });
    for (const name of ['package.json', 'node_modules'])
      await cp(join(REVISIONS_DIR, '../../..', name), join(root, name), {
        recursive: true,
        filter: (path) => !path.includes('node_modules/'),
      });
    const { symlink } = await import('node:fs/promises');
    await rm(join(root, 'node_modules'), { recursive: true, force: true });
    await symlink(join(REVISIONS_DIR, '../../../node_modules'), join(root, 'node_modules'));
  });
  after(() => rm(root, { recursive: true, force: true }));
  const own = (url: string) =>
    new SchemaMigrator({ url: () => url, lockWaitMs: 2_000, logger, revisionsDir: join(root, 'src/db/migrations') });
  const ours = (url: string) => new SchemaMigrator({ url: () => url, lockWaitMs: 2_000, logger });

  it('has a row for each revision: who, when, how long, of which source', async () => {
    await using database = await createTestDatabase();
    await ours(database.url).upgrade({ actor: 'somebody' });
    const entries = (await ours(database.url).history(100)).filter((entry) => entry.action === 'up').toReversed();
    assert.equal(entries.length, Number(HEAD.slice(0, 4)));
    for (const entry of entries) {
      assert.equal(entry.outcome, 'applied');
      assert.equal(entry.actor, 'somebody');
      assert.match(entry.checksum ?? '', /^[0-9a-f]{64}$/);
      assert.ok(
        entry.duration_ms !== null && entry.duration_ms >= 0 && entry.host !== '' && entry.application_version !== '',
      );
      assert.ok(Math.abs(Date.parse(entry.started_at) - Date.now()) < 60_000);
    }
  });

  it('keeps a failing revision’s error, and the database as it was before it', async () => {
    await using database = await createTestDatabase();
    await own(database.url).upgrade({ actor: 'test' });
    const before = await dumpSchema(database.url);
    const bad = join(root, 'src/db/migrations/0100_break_things.ts');
    await writeFile(
      bad,
      `import { sql } from 'kysely';
       export async function up(db) {
         await sql\`create table half_done (id int)\`.execute(db);
         await sql\`do $$ begin raise notice 'about to fail'; end $$\`.execute(db);
         await sql\`select 1 / 0\`.execute(db);
       }`,
    );
    try {
      await assert.rejects(own(database.url).upgrade({ actor: 'test' }), {
        code: 'MIGRATION_FAILED',
        revision: '0100_break_things',
        sqlState: '22012',
        message: /revision 0100_break_things failed: division by zero \(SQLSTATE 22012\)\. What to do: /,
      });
      assert.deepEqual(await dumpSchema(database.url), before);
      const [entry] = await own(database.url).history(1);
      assert.deepEqual(
        { subject: entry?.subject, outcome: entry?.outcome, sql_state: entry?.sql_state, notices: entry?.notices },
        { subject: '0100_break_things', outcome: 'failed', sql_state: '22012', notices: ['about to fail'] },
      );
      const locks = await execute(
        database.url,
        `select from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())`,
      );
      assert.equal(locks.length, 0, 'an advisory lock was left behind');
    } finally {
      await rm(bad);
    }
  });

  it('runs none of what is pending while one of it is a template that nobody has written', async () => {
    await using database = await createTestDatabase();
    await own(database.url).upgrade({ to: HEAD, actor: 'test' });
    const before = [await dumpSchema(database.url), await own(database.url).history(100)];
    const written = join(root, 'src/db/migrations/0100_do_something.ts');
    const template = join(root, 'src/db/migrations/0101_do_more.ts');
    const whole = renderRevision('do_more');
    const done = 'create table if not exists more (id int)';
    const withSql = whole.replace(/<<FILL IN the change[^`]*/, done);
    const withReason = whole.replace(/<<FILL IN why>>/, 'because');
    const old = `/** do more: say here why. */\nexport async function up() {}\n`;
    const oldTable = `export const up = (db) => sql\`\n    create table if not exists example (\n id int)\`.execute(db)\n`;
    await writeFile(written, withSql.replace('<<FILL IN why>>', 'because').replace(done, 'select 1'));
    try {
      for (const [name, source] of Object.entries({ whole, withSql, withReason, old, oldTable })) {
        await writeFile(template, source);
        const refusal = { code: 'REVISION_UNFILLED', revision: '0101_do_more', message: /0101_do_more is not written/ };
        for (const to of ['head', '0101'])
          await assert.rejects(own(database.url).upgrade({ to, actor: 'test' }), refusal, name);
        await assert.rejects(own(database.url).plan({}), refusal, name);
        assert.deepEqual([await dumpSchema(database.url), await own(database.url).history(100)], before, name);
      }
      // What is not asked for does not stand in the way.
      assert.deepEqual((await own(database.url).plan({ to: '0100' })).revisions, ['0100_do_something']);
      await writeFile(template, withSql.replace('<<FILL IN why>>', 'because'));
      // A module is read once in a process; its text was read anew.
      assert.equal((await own(database.url).plan({})).target, '0101_do_more');
    } finally {
      await rm(written);
      await rm(template);
    }
  });

  it('knows a revision that was edited after it had run', async () => {
    await using database = await createTestDatabase();
    await own(database.url).upgrade({ actor: 'test' });
    assert.deepEqual((await own(database.url).status()).edited, []);
    await appendFile(join(root, 'src/db/migrations/0003_futures_data.ts'), '\n// a later thought\n');
    assert.deepEqual((await own(database.url).status()).edited, ['0003_futures_data']);
  });

  it('tolerates a database that is newer than the build, and still runs what is pending', async () => {
    await using database = await createTestDatabase();
    await ours(database.url).upgrade({ to: '0010', actor: 'test' });
    await execute(
      database.url,
      `insert into kysely_migration values ('0900_of_the_future', '2031-01-01T00:00:00.000Z')`,
    );
    const result = await ours(database.url).upgrade({ actor: 'test' });
    assert.deepEqual(
      result.applied.map((revision) => revision.revision),
      [HEAD],
    );
    const status = await ours(database.url).status();
    assert.deepEqual(status.unknown, ['0900_of_the_future']);
    assert.deepEqual(status.pending, []);
  });

  for (const skewMs of [-90_000, 90_000]) {
    it(`does not care that another machine’s clock is ${skewMs / 1000} s off`, async () => {
      await using database = await createTestDatabase();
      await ours(database.url).upgrade({ to: '0004', actor: 'test' });
      const moment = new Date(Date.now() + skewMs).toISOString();
      await execute(
        database.url,
        `update kysely_migration set timestamp = '${moment}' where name = '0002_unique_prediction_outcomes'`,
      );
      assert.equal((await ours(database.url).upgrade({ actor: 'test' })).version, HEAD);
    });
  }

  it('goes down only when told to, where there is a way back, and up again', async () => {
    await using database = await createTestDatabase();
    const migrator = ours(database.url);
    await migrator.upgrade({ actor: 'test' });
    const before = await dumpSchema(database.url);
    await assert.rejects(migrator.downgrade({ to: '0005', actor: 'test' }), {
      code: 'DOWNGRADE_REFUSED',
      message: /0006_ascending_time_indexes has no way back/,
    });
    assert.deepEqual(await dumpSchema(database.url), before);
    assert.deepEqual(await migrator.downgrade({ to: '0006', actor: 'test' }), [
      HEAD,
      '0010_wanted_windows',
      '0009_exchange_blocks',
      '0008_completeness_ledger',
      '0007_fast_view_refresh',
    ]);
    const columns = await execute(
      database.url,
      `select attname from pg_attribute where attrelid = 'recent_ohlcv'::regclass and attname = 'always_null'`,
    );
    assert.equal(columns.length, 0);
    assert.equal((await migrator.status()).version, '0006_ascending_time_indexes');
    await migrator.upgrade({ actor: 'test' });
    assert.deepEqual(await dumpSchema(database.url), before);
  });

  it('closes what a process left open that went away', async () => {
    await using database = await createTestDatabase();
    const migrator = ours(database.url);
    await migrator.upgrade({ to: '0006', actor: 'test' });
    await execute(
      database.url,
      `insert into candlekeep_migration_history (action, subject, application_version, host, actor)
       values ('up', '0006_ascending_time_indexes', 'x', 'h', 'gone'), ('up', '${HEAD}', 'x', 'h', 'gone')`,
    );
    await migrator.upgrade({ actor: 'test' });
    const left = (await migrator.history(100))
      .filter((entry) => entry.actor === 'gone')
      .map(({ subject, outcome }) => [subject, outcome]);
    assert.deepEqual(left, [
      [HEAD, 'interrupted'],
      ['0006_ascending_time_indexes', 'applied'],
    ]);
  });
});
