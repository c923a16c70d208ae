import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cp, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

const ROOT = join(import.meta.dirname, '../..');

/** Runs the project's own rules over a copy of its sources. */
function cruise(folder: string): Promise<{ code: number | null; output: string }> {
  const bin = join(folder, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs');
  const child = spawn(process.execPath, [bin, '--config', '.dependency-cruiser.mjs', 'src'], { cwd: folder });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((done, fail) => {
    child.once('error', fail);
    child.once('exit', (code) => done({ code, output }));
  });
}

describe('the rules of the house', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'candlekeep-rules-'));
    for (const name of ['src', 'package.json', 'tsconfig.json', '.dependency-cruiser.mjs'])
      await cp(join(ROOT, name), join(folder, name), { recursive: true });
    await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('hold for the sources as they are', async () => {
    const { code, output } = await cruise(folder);
    assert.equal(code, 0, output);
    assert.match(output, /no dependency violations found \(\d{3,} modules/, output);
  });

  const planted: [string, string, string][] = [
    ['src/market/planted.ts', `import '../db/client.ts';`, 'market-imports-nothing'],
    ['src/ingest/planted.ts', `import '../exchanges/ccxt/create-exchange.ts';`, 'ingest-imports'],
    ['src/http/planted.ts', `import '../exchanges/exchange.ts';`, 'http-imports'],
    ['src/http/planted.ts', `import pg from 'pg';\nexport const p = pg;`, 'kysely-and-pg-only-in-db'],
    ['src/ingest/planted.ts', `import ccxt from 'ccxt';\nexport const c = ccxt;`, 'ccxt-only-in-its-adapter'],
    [
      'src/exchanges/ccxt/planted.ts',
      `import { WebSocket } from 'ws';\nexport const w = WebSocket;`,
      'ws-only-in-streams',
    ],
    [
      'src/exchanges/binance-stream/planted.ts',
      `import ccxt from 'ccxt';\nexport const c = ccxt;`,
      'ccxt-only-in-its-adapter',
    ],
    ['src/jobs/planted.ts', `import cron from 'node-cron';\nexport const c = cron;`, 'node-cron-only-in-the-scheduler'],
  ];
  for (const [path, text, rule] of planted) {
    it(`catch a bad import: ${rule}`, async () => {
      await writeFile(join(folder, path), text);
      try {
        const { code, output } = await cruise(folder);
        assert.notEqual(code, 0, output);
        assert.ok(output.includes(rule), output);
      } finally {
        await rm(join(folder, path));
      }
    });
  }
});
