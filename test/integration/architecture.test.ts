import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { appendFile, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';

const ROOT = join(import.meta.dirname, '../..');

/** Runs the project's own rules over a copy of its sources. */
function cruise(folder: string): Promise<{ code: number | null; output: string }> {
  const bin = join(folder, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs');
  const args = [bin, '--config', '.dependency-cruiser.mjs', '--output-type', 'err', 'src', 'simulator'];
  const child = spawn(process.execPath, args, { cwd: folder });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((done, fail) => {
    child.once('error', fail);
    child.once('exit', (code) => done({ code, output }));
  });
}

/** Bad imports, each with the rule that must catch it. */
const PLANTED: readonly (readonly [folder: string, text: string, rule: string])[] = [
  ['src/market', `import '../db/client.ts';`, 'market-imports-nothing'],
  ['src/db', `import '../exchanges/exchange.ts';`, 'db-imports-market'],
  ['src/db/repositories', `import '../commit/upsert-candles.ts';`, 'one-door-into-commit'],
  ['src/db/migrator', `import '../commit/commit-entries.ts';`, 'one-door-into-commit'],
  ['src/ingest', `import '../db/commit/commit-entries.ts';`, 'one-door-into-commit'],
  ['src/jobs', `import '../db/repositories/coverage-rows.ts';`, 'ledger-rows-only-in-db'],
  ['src/exchanges', `import '../db/client.ts';`, 'exchanges-import-market'],
  ['src/exchanges/kit', `import '../ccxt/ccxt-client.ts';`, 'kit-imports-market'],
  ['src/exchanges/binance', `import '../create-exchange.ts';`, 'binance-imports-kit'],
  ['src/exchanges/ccxt', `import '../binance/binance-exchange.ts';`, 'ccxt-imports-kit'],
  ['src/import', `import '../db/repositories/index.ts';`, 'import-imports-market'],
  ['src/replicas', `import '../exchanges/exchange.ts';`, 'replicas-imports'],
  ['src/planning', `import '../ingest/ingest-state.ts';`, 'planning-imports'],
  ['src/ingest', `import '../exchanges/create-exchange.ts';`, 'ingest-imports'],
  ['src/ingest/collector', `import '../exchange/periodic-tasks.ts';`, 'collector-imports'],
  ['src/ingest/exchange', `import '../ingest-service.ts';`, 'exchange-loop-imports'],
  ['src/jobs', `import '../exchanges/exchange.ts';`, 'jobs-imports'],
  ['src/http', `import '../exchanges/exchange.ts';`, 'http-imports'],
  ['src/http/protocol', `import '../formats/formats.ts';`, 'http-protocol-imports'],
  ['src/http/protocol', `import '../../db/repositories/index.ts';`, 'http-protocol-imports'],
  ['src/http/formats', `import '../query/parameters.ts';`, 'http-formats-imports'],
  ['src/http/query', `import '../routes/series.ts';`, 'http-query-imports'],
  ['src/http/health', `import '../routes/health.ts';`, 'http-health-imports'],
  ['src/http/live', `import '../health/health.ts';`, 'http-live-imports'],
  ['src/http/udf', `import '../routes/ohlcv.ts';`, 'http-udf-imports'],
  ['src/http/page', `import '../protocol/http-app.ts';`, 'http-page-imports'],
  ['src/http/routes', `import '../create-http-app.ts';`, 'http-routes-imports'],
  ['simulator', `import '../src/db/client.ts';`, 'simulator-imports'],
  ['src', `import '../simulator/noise.ts';`, 'nothing-imports-simulator-tests-or-scripts'],
  ['src/http', `import pg from 'pg';\nexport const p = pg;`, 'kysely-and-pg-only-in-db'],
  ['src/ingest', `import ccxt from 'ccxt';\nexport const c = ccxt;`, 'ccxt-only-in-its-adapter'],
  ['src/exchanges/binance', `import ccxt from 'ccxt';\nexport const c = ccxt;`, 'ccxt-only-in-its-adapter'],
  ['src/exchanges/ccxt', `import { WebSocket } from 'ws';\nexport const w = WebSocket;`, 'ws-only-in-streams'],
  ['src/jobs', `import cron from 'node-cron';\nexport const c = cron;`, 'node-cron-only-in-the-scheduler'],
  ['src', `import './market/candle.ts';\nimport './no-such-file.ts';`, 'no-unresolvable'],
  ['src/jobs', `import '../db/repositories/index.ts';\nimport '../planted/index.ts';`, 'no-barrels'],
  ['src/jobs', `import { fastify } from 'fastify';\nexport const f = fastify;`, 'fastify-only-in-http'],
];

/** Bad imports at the end of files that rules know by their names. */
const ADDED: Readonly<Record<string, string>> = {
  'src/wakeup.ts': `import './ingest/ingest-state.ts';`,
  'src/db/repositories/index.ts': `import '../commit/upsert-candles.ts';`,
};

describe('the rules of the house', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'candlekeep-rules-'));
    for (const name of ['src', 'simulator', 'package.json', 'tsconfig.json', '.dependency-cruiser.mjs'])
      await cp(join(ROOT, name), join(folder, name), { recursive: true });
    await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('hold for the sources as they are', async () => {
    const { code, output } = await cruise(folder);
    assert.equal(code, 0, output);
    assert.match(output, /no dependency violations found \(\d{3,} modules/, output);
  });

  it('leave one door through which rows of candles and futures data are written', async () => {
    const writes = /(insert\s+into|copy|update|delete\s+from|merge\s+into)\s+(only\s+)?(ohlcv_data|futures_data)\b/i;
    const byBuilder = /(insertInto|updateTable|deleteFrom|mergeInto|replaceInto)\(\s*['"`](ohlcv_data|futures_data)\b/;
    // Shows a statement to people, and runs none.
    const printed = 'db/repositories/audit-repeated-candles.ts';
    const doors: string[] = [];
    for (const file of await readdir(join(folder, 'src'), { recursive: true })) {
      if (!file.endsWith('.ts') || file.startsWith('db/migrations/')) continue;
      const text = await readFile(join(folder, 'src', file), 'utf8');
      if (writes.test(text) || byBuilder.test(text)) doors.push(file);
    }
    assert.ok(doors.includes(printed), `${printed} shows none any more: leave it out here`);
    doors.splice(doors.indexOf(printed), 1);
    assert.deepEqual(doors.toSorted(), [
      'db/commit/copy-candles.ts',
      'db/commit/upsert-snapshots.ts',
      'db/commit/write-candles.ts',
    ]);
  });

  it('catch every bad import, each by its own rule', async () => {
    const plantedAt = (index: number) => `${PLANTED[index]?.[0] ?? ''}/planted-${index}.ts`;
    for (const [index, [, text]] of PLANTED.entries()) await writeFile(join(folder, plantedAt(index)), text);
    await mkdir(join(folder, 'src/planted'));
    await writeFile(join(folder, 'src/planted/index.ts'), '');
    await writeFile(join(folder, 'src/market/planted-one.ts'), `import './planted-other.ts';`);
    await writeFile(join(folder, 'src/market/planted-other.ts'), `import './planted-one.ts';`);
    // Rules that look at a file by its name.
    for (const [file, text] of Object.entries(ADDED)) await appendFile(join(folder, file), `\n${text}\n`);
    const { code, output } = await cruise(folder);
    assert.notEqual(code, 0, output);
    const wanted = [
      ...PLANTED.map(([, , rule], index) => `error ${rule}: ${plantedAt(index)} →`),
      'error no-cycles: src/market/planted-one.ts →',
      'error leaves-import-leaves: src/wakeup.ts →',
      'error the-door-is-commit-entries: src/db/repositories/index.ts →',
    ];
    assert.deepEqual(
      wanted.filter((line) => !output.includes(line)),
      [],
    );
    const { href } = pathToFileURL(join(ROOT, '.dependency-cruiser.mjs'));
    const rules = (await import(href)) as { default: { forbidden: { name: string }[] } };
    const names = rules.default.forbidden.map(({ name }) => name);
    assert.deepEqual(
      names.filter((name) => !wanted.some((line) => line.startsWith(`error ${name}:`))),
      [],
      'a rule without a bad import that it catches',
    );
  });
});
