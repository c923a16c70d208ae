import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { CHECKS } from '../../scripts/test/checks.ts';
import { LANES, LONG_FILES, listTestFiles, orderFiles, ROOT, type LaneName } from '../../scripts/test/lanes.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { elapsedMs } from '../support/machine-watch.ts';
import { waitUntil } from '../support/patience.ts';

describe('the order of the test files', () => {
  it('names files that exist, and begins with them', async () => {
    for (const file of LONG_FILES) assert.ok(existsSync(join(ROOT, file)), `${file} does not exist`);
    assert.deepEqual(orderFiles(['a', ...LONG_FILES.toReversed(), 'b']), [...LONG_FILES, 'a', 'b']);
    for (const lane of Object.keys(LANES) as LaneName[]) {
      const files = await listTestFiles(lane);
      assert.ok(files.length > 0, lane);
      assert.deepEqual(files, orderFiles(files));
    }
  });

  it('checks what package.json has scripts for', () => {
    for (const name of CHECKS) assert.ok(Object.hasOwn(packageJson.scripts, name), name);
  });
});

describe('a run of the tests', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'candlekeep-runner-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  /** Runs such test files in the unit lane. */
  async function run(
    sources: Readonly<Record<string, string>>,
    ...options: string[]
  ): Promise<{ code: number | null; lines: string[] }> {
    const files: string[] = [];
    for (const [name, source] of Object.entries(sources)) {
      files.push(join(folder, `${name}.test.mjs`));
      await writeFile(join(folder, `${name}.test.mjs`), `import { describe, it } from 'node:test';\n${source}`);
    }
    // Else the runner would take itself for a test file.
    const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
    const child = spawn(process.execPath, ['scripts/test.ts', 'unit', ...options, ...files], { cwd: ROOT, env });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
    const code = await new Promise<number | null>((done) => child.once('close', done));
    return { code, lines: output.trimEnd().split('\n') };
  }

  it('sums over its files in the last line', async () => {
    const { code, lines } = await run({
      one: `describe('a', () => { it('b', () => {}); it('c', { skip: 'no database' }, () => {}); });`,
      two: `it('d', () => {});\ndescribe('e', { skip: 'no browser' }, () => { it('f', () => {}); });`,
    });
    assert.equal(code, 0, lines.join('\n'));
    assert.equal(lines.at(-1), '2 passed, 0 failed, 2 skipped');
    assert.ok(lines.some((line) => /^unit: [\d.]+ s/.test(line)));
  });

  it('fails with each failure named again at the end', async () => {
    const { code, lines } = await run({
      one: `describe('a', () => { it('b', () => { throw new Error('wrong'); }); it('c', () => {}); });`,
      two: `throw new Error('cannot be loaded');`,
      three: ``,
      five: `it('f', () => {}); it('g', () => { process.exit(0); }); it('h', () => {});`,
      four: `it('d', () => {}); process.on('exit', () => (process.exitCode = 3));`,
    });
    assert.equal(code, 1);
    assert.equal(lines.at(-1), '2 passed, 5 failed, 0 skipped');
    const named = lines.slice(lines.lastIndexOf('failed:') + 1, -2).map((line) => line.replace(/^.*\//, ''));
    assert.deepEqual(named.toSorted(), [
      'five.test.mjs: the process failed',
      'four.test.mjs: the process failed',
      'one.test.mjs:2 b',
      'three.test.mjs: declares no test',
      'two.test.mjs: the process failed',
    ]);
  });

  it('fails where every test was skipped', async () => {
    const { code, lines } = await run({ one: `it('a', { skip: 'no database' }, () => {});` });
    assert.equal(code, 1);
    assert.equal(lines.at(-1), '0 passed, 0 failed, 1 skipped');
    assert.ok(lines.some((line) => line.includes('the lane unit ran no test')));
  });

  it('kills a file that hangs, wherever it does', async () => {
    const { code, lines } = await run(
      {
        one: `await new Promise(() => setInterval(() => {}, 1000));`,
        two: `process.on('SIGTERM', () => {}); it('a', () => { for (;;); });`,
        three: `it('b', () => {});`,
      },
      '--limit',
      '3',
    );
    assert.equal(code, 1);
    for (const name of ['one', 'two'])
      assert.ok(
        lines.some((line) => line.endsWith(`${name}.test.mjs: killed, it took longer than 3 s`)),
        lines.join('\n'),
      );
    assert.match(lines.at(-1) ?? '', /^1 passed, /);
  });

  it('says in a sentence that a file is not there', async () => {
    const { code, output } = await spawnNode(['scripts/test.ts', 'unit', 'no/such/file']).ended;
    assert.equal(code, 2);
    assert.match(output, /^there is no test file no\/such\/file\n/m);
    assert.doesNotMatch(output, / at /);
  });
});

describe('a run of the checks', () => {
  it('says what it does', async () => {
    const { code, output } = await spawnNode(['scripts/check.ts', '--help']).ended;
    assert.equal(code, 0);
    assert.match(output, /npm run check/);
  });

  for (const [script, signal] of [
    ['test', 'SIGINT'],
    ['test', 'SIGTERM'],
    ['check', 'SIGINT'],
  ] as const)
    it(`ends with all that it started where ${script} is told ${signal}`, async () => {
      const args = script === 'test' ? ['scripts/test.ts', 'unit', 'check'] : ['scripts/check.ts'];
      const { child, ended } = spawnNode([...args, ...(script === 'test' ? ['test/unit/errors.test.ts'] : [])]);
      const started = await waitUntil(() => childrenOf(child.pid!), 'checks');
      child.kill(signal);
      const endedMs = await elapsedMs(() => ended);
      const { code, output } = await ended;
      assert.equal(code, 130, output);
      assert.ok(endedMs < 10_000, `${endedMs} ms`);
      assert.doesNotMatch(output, /aborted/);
      if (script === 'test') assert.match(output, /\d+ passed, \d+ failed, \d+ skipped\n$/);
      for (const pid of started) assert.ok(!existsSync(`/proc/${pid}`), `${pid} is left`);
    });
});

function spawnNode(args: readonly string[]) {
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
  const child = spawn(process.execPath, args, { cwd: ROOT, env });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  const ended = new Promise<{ code: number | null; output: string }>((done) => {
    child.once('close', (code) => {
      done({ code, output });
    });
  });
  return { child, ended };
}

/** Two that run; null as long as there are fewer. */
function childrenOf(pid: number): number[] | null {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  const pids = text === '' ? [] : text.split(' ').map(Number);
  return pids.length >= 2 ? pids : null;
}
