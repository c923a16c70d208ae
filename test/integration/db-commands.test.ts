import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { runMigrations } from '../../src/db/migrator/run-migrations.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { createTestDatabase, execute } from '../support/postgres.ts';
import { runScript } from '../support/service-process.ts';
import { DUPLICATE_OUTCOMES, START_STATES } from '../support/start-states.ts';

const ROOT = join(import.meta.dirname, '../..');

describe('db-status and db-upgrade', () => {
  it('tell by their exit codes where the schema stands', async () => {
    await using database = await createTestDatabase();
    const environment = { DATABASE_URL: database.url };
    const behind = await runScript('db-status', [], environment);
    assert.equal(behind.code, 1);
    assert.match(behind.output, /behind by 11 revisions/);

    const plan = await runScript('db-upgrade', ['--dry-run', '--to', '0003'], environment);
    assert.equal(plan.code, 0);
    assert.match(plan.output, /would run: 0001_initial_schema, 0002_unique_prediction_outcomes, 0003_futures_data\n/);
    assert.equal((await runScript('db-status', [], environment)).code, 1, 'the plan changed something');

    const upgraded = await runScript('db-upgrade', [], environment);
    assert.equal(upgraded.code, 0);
    assert.match(upgraded.output, /the schema is at 0011_unwitnessed_silence \(head\)/);
    // A plain server: its hypertables are deferred.
    const atHead = await runScript('db-status', ['--json'], environment);
    assert.equal(atHead.code, 3);
    const status = JSON.parse(atHead.output) as { pending: unknown[]; steps: { state: string }[] };
    assert.deepEqual(status.pending, []);
    assert.ok(
      status.steps.some((step) => step.state === 'applied') && status.steps.some((step) => step.state === 'due'),
    );

    await execute(
      database.url,
      `insert into kysely_migration values ('0900_of_the_future', '2031-01-01T00:00:00.000Z')`,
    );
    assert.equal((await runScript('db-status', [], environment)).code, 2);
  });

  it('say with code 4 that they cannot tell, and with 1 or 2 what is wrong', async () => {
    const nowhere = { DATABASE_URL: 'postgresql://u:hunter2@127.0.0.1:1/x' };
    const status = await runScript('db-status', [], nowhere);
    assert.equal(status.code, 4);
    assert.match(status.output, /cannot tell: the database at 127\.0\.0\.1:1\/x cannot be reached/);
    assert.ok(!status.output.includes('hunter2'));
    assert.equal((await runScript('db-upgrade', ['--frobnicate'], nowhere)).code, 2);
    await using database = await createTestDatabase();
    const unknown = await runScript('db-upgrade', ['--to', '0099'], { DATABASE_URL: database.url });
    assert.equal(unknown.code, 1);
    assert.match(unknown.output, /there is no revision "0099"/);
  });
});

describe('db-status', () => {
  it('tells a database that no upgrade would take over from one that is behind', async () => {
    await using database = await createTestDatabase();
    await START_STATES.find((state) => state.name === 'Alembic 0003')?.create(database.url);
    await execute(database.url, 'alter table predictions add column mine int');
    const status = await runScript('db-status', [], { DATABASE_URL: database.url });
    assert.equal(status.code, 4);
    assert.match(status.output, /column predictions\.mine is not the predecessor's/);
    const nonsense = await runScript('db-status', [], { DATABASE_URL: 'nonsense' });
    assert.equal(nonsense.code, 4);
    assert.match(nonsense.output, /DATABASE_URL: must be a URL such as/);
  });
});

describe('db-downgrade', () => {
  it('goes down only with --yes and a way back', async () => {
    await using database = await createTestDatabase();
    const environment = { DATABASE_URL: database.url };
    await runMigrations(database.url);
    assert.equal((await runScript('db-downgrade', ['--to', '0007'], environment)).code, 2);
    const refused = await runScript('db-downgrade', ['--to', '0003', '--yes'], environment);
    assert.equal(refused.code, 1);
    assert.match(refused.output, /has no way back/);
    const done = await runScript('db-downgrade', ['--to', '0009', '--yes'], environment);
    assert.equal(done.code, 0, done.output);
    assert.match(done.output, /undone 0011_unwitnessed_silence/);
    assert.match(done.output, /undone 0010_wanted_windows/);
  });
});

describe('fix-prediction-outcomes', () => {
  it('shows what it would delete, deletes it with --yes, keeps the newest, and lets the upgrade go on', async () => {
    await using database = await createTestDatabase();
    const environment = { DATABASE_URL: database.url };
    await START_STATES.find((state) => state.name.startsWith('Alembic 0002 that skipped'))?.create(database.url);
    await execute(database.url, DUPLICATE_OUTCOMES);
    await runMigrations(database.url);
    const shown = await runScript('fix-prediction-outcomes', [], environment);
    assert.equal(shown.code, 3);
    assert.match(shown.output, /5 surplus outcomes of 5 predictions would be deleted/);
    const fixed = await runScript('fix-prediction-outcomes', ['--yes'], environment);
    assert.equal(fixed.code, 0);
    const rows = await execute(
      database.url,
      'select actual_outcome, count(*)::int as n from prediction_outcomes group by 1',
    );
    assert.deepEqual(rows, [{ actual_outcome: 1, n: 50 }], 'the older outcomes are those that went');
    assert.deepEqual((await runMigrations(database.url)).steps_applied, ['unique_prediction_outcomes']);
    assert.equal((await runScript('fix-prediction-outcomes', [], environment)).code, 0);
  });

  it('refuses a word behind its option, and so does every command that changes something', async () => {
    const nowhere = { DATABASE_URL: 'postgresql://u@127.0.0.1:1/x' };
    for (const [script, option] of [
      ['fix-prediction-outcomes', '--yes'],
      ['audit', '--repair'],
      ['audit', '--recheck-empty'],
      ['db-downgrade', '--yes'],
      ['db-upgrade', '--convert-large-tables'],
      ['db-upgrade', '--dry-run'],
    ] as const)
      assert.equal((await runScript(script, [`${option}=no`], nowhere)).code, 2, `${script} ${option}=no`);
    for (const words of [['--yes', 'no'], ['--no-yes']])
      assert.equal((await runScript('fix-prediction-outcomes', words, nowhere)).code, 2, words.join(' '));
  });
});

describe('db-revision', () => {
  // In a copy: a revision that appears in this tree would be run by the tests beside this one.
  let copy = '';
  before(async () => {
    copy = await mkdtemp(join(tmpdir(), 'candlekeep-revision-'));
    for (const name of ['src', 'scripts', 'docker', 'package.json'])
      await cp(join(ROOT, name), join(copy, name), { recursive: true });
    await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  });
  after(() => rm(copy, { recursive: true, force: true }));

  function run(...args: string[]): { code: number | null; output: string } {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/db-revision.ts', ...args], { cwd: copy });
    return { code: status, output: `${stdout.toString()}${stderr.toString()}` };
  }

  it('writes the next number from a template, and the next after that', async () => {
    const found = await readdir(join(copy, 'src/db/migrations'));
    const printed = run('--print', 'Planted by', 'a TEST!');
    assert.equal(printed.code, 0, printed.output);
    const [path = ''] = printed.output.split('\n');
    assert.match(path, /^src\/db\/migrations\/0\d{3}_planted_by_a_test\.ts$/);
    assert.deepEqual(await readdir(join(copy, 'src/db/migrations')), found, '--print wrote something');

    const written = run('planted by a test');
    assert.equal(written.code, 0, written.output);
    assert.ok(written.output.includes(`wrote ${path}`), written.output);
    assert.match(await readFile(join(copy, path), 'utf8'), /export async function up\(db: Kysely<unknown>\)/);
    // The file loads as a revision, so the next one gets the next number.
    const next = Number(path.slice(18, 22)) + 1;
    assert.match(run('another').output, new RegExp(`wrote src/db/migrations/${String(next).padStart(4, '0')}_another`));
  });

  it('writes what neither an upgrade, nor a plan, nor a boot will run before it is filled in', async () => {
    const revisions = join(copy, 'src/db/migrations');
    for (const file of await readdir(revisions))
      if (!existsSync(join(ROOT, 'src/db/migrations', file))) await rm(join(revisions, file));
    const stem = (/(\d{4}_left_as_it_is)\.ts/.exec(run('left as it is').output) ?? [])[1] ?? '';
    const path = join(revisions, `${stem}.ts`);
    await using database = await createTestDatabase();
    const env = { PATH: process.env['PATH'], DATABASE_URL: database.url, PORT: '0', DATA_DIR: copy };
    const start = (...args: string[]) => {
      const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: copy, env, timeout: PATIENCE_MS });
      return { code: status, output: `${stdout.toString()}${stderr.toString()}` };
    };
    try {
      for (const args of [['scripts/db-upgrade.ts'], ['scripts/db-upgrade.ts', '--dry-run'], ['src/main.ts']]) {
        const { code, output } = start(...args);
        assert.equal(code, 1, output);
        assert.ok(output.includes(`the revision ${stem} is not written`), output);
        assert.match(output, /\(lines 4 and 12\)\. Write it, or remove the file\. Nothing was run/);
      }
      const tables = await execute(database.url, `select from pg_class where relnamespace = 'public'::regnamespace`);
      assert.equal(tables.length, 0);
      const { code, output } = start('scripts/db-status.ts');
      assert.equal(code, 1, output);
      assert.match(output, /behind by \d+ revisions?: the revision .* is not written: .*\(lines 4 and 12\)\. Write it/);
      assert.doesNotMatch(output, /make db-upgrade/);
    } finally {
      await rm(path);
    }
  });

  it('is written into a checkout through the container too, whatever the name looks like', async () => {
    const bin = await mkdtemp(join(tmpdir(), 'candlekeep-docker-'));
    const write = (name: string, docker: string) => {
      writeFileSync(join(bin, 'docker'), `#!/bin/sh\n${docker}\n`, { mode: 0o755 });
      const env = { PATH: `${bin}:${dirname(process.execPath)}:${process.env['PATH'] ?? ''}` };
      const { status, stdout, stderr } = spawnSync('sh', ['docker/write-revision.sh', name], { cwd: copy, env });
      return { code: status, output: `${stdout.toString()}${stderr.toString()}` };
    };
    // Its container has the same tree.
    const same = 'shift 4; exec "$@"';
    try {
      for (const [name, stem] of [
        ['by the container', 'by_the_container'],
        ['--help', 'help'],
      ] as const) {
        const { code, output } = write(name, same);
        assert.equal(code, 0, output);
        const path = (/wrote (src\/db\/migrations\/\d{4}_\w+\.ts)\n/.exec(output) ?? [])[1] ?? '';
        assert.ok(path.endsWith(`_${stem}.ts`), output);
        assert.match(output, /next: fill in what it marks.* npm run schema:write/);
        assert.match(await readFile(join(copy, path), 'utf8'), /^import \{ sql, type Kysely \}/);
      }
      const before = await readdir(copy, { recursive: true });
      assert.notEqual(write('', same).code, 0);
      assert.match(write('x', 'echo no container of that name').output, /answered no revision but: no container/);
      assert.deepEqual(await readdir(copy, { recursive: true }), before);
    } finally {
      await rm(bin, { recursive: true, force: true });
    }
  });

  it('refuses a name that is none', () => {
    for (const name of ['', '!!!', '123', 'x'.repeat(80)]) assert.equal(run(name).code, 2, name);
  });
});
