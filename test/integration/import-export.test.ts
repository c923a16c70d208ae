import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { createMigratedDatabase } from '../support/database.ts';
import { PATIENCE_MS } from '../support/patience.ts';
import { createTestDatabase, execute, type TestDatabase } from '../support/postgres.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SHARED = join(ROOT, '../shared/data');
const SKIP = existsSync(SHARED) ? false : 'the recorded market data (../shared/data) is not here';
const MINUTE = 60_000;
const T0 = Date.UTC(2024, 0, 1);
const NAMED = ['--exchange', 'binance', '--symbol', 'BTC/USDT', '--timeframe', '1m'];

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

describe('import and export', () => {
  let database: TestDatabase;
  let folder: string;
  before(async () => {
    database = await createMigratedDatabase();
    folder = await mkdtemp(join(tmpdir(), 'candlekeep-import-'));
  });
  after(async () => {
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  });
  beforeEach(() => execute(database.url, 'truncate ohlcv_data'));

  function run(script: string, args: readonly string[], { input = '', url = database.url, cut = false } = {}) {
    return new Promise<Outcome>((resolve, reject) => {
      const child = spawn(process.execPath, [join(ROOT, 'scripts', script), ...args], {
        env: { ...process.env, DATABASE_URL: url },
        timeout: PATIENCE_MS,
      });
      let [stdout, stderr] = ['', ''];
      child.stdout.on('data', (data: Buffer) => {
        stdout += data.toString();
        if (cut) child.stdout.destroy();
      });
      child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
      child.on('error', reject);
      child.on('close', (code) => resolve({ code, stdout, stderr }));
      // A command that refuses its input closes it early.
      child.stdin.on('error', () => undefined);
      child.stdin.end(input);
    });
  }
  const stored = (symbol: string) =>
    execute(
      database.url,
      `select (extract(epoch from timestamp) * 1000)::bigint::text as t, open::text, high::text, low::text, close::text, volume::text
       from ohlcv_data where symbol = '${symbol}' order by timestamp`,
    ).then((rows) => rows.map((row) => Object.values(row)));

  const rowsFrom = (count: number, offset = 0) =>
    Array.from({ length: count }, (_, index) => {
      const row = index + offset;
      return [T0 + row * MINUTE, `1.${row}0`, `3.00`, '0.00000100', '2', `${row}.5`];
    });
  const csvOf = (rows: readonly (readonly unknown[])[]) =>
    `timestamp,open,high,low,close,volume\n${rows.map((row) => row.join(',')).join('\n')}\n`;

  it('stores recorded candles digit by digit, and nothing the second time', { skip: SKIP }, async () => {
    const file = join(SHARED, 'cryptofeed/bitget_VVSUSDT_1m.json');
    const args = ['--file', file, '--exchange', 'bitget', '--symbol', 'VVS/USDT', '--timeframe', '1m'];
    const first = await run('import.ts', args);
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stdout, /1,000 inserted, 0 updated, 0 unchanged/);
    assert.deepEqual(await stored('VVS/USDT'), JSON.parse(await readFile(file, 'utf8')));
    const again = await run('import.ts', args);
    assert.match(again.stdout, /0 inserted, 0 updated, 1,000 unchanged/);
  });

  it('takes the numbers of freqtrade JSON as written, gaps included', { skip: SKIP }, async () => {
    const file = join(SHARED, 'freqtrade/XRP_ETH-1m.json');
    const result = await run('import.ts', [
      '--file',
      file,
      '--exchange',
      'binance',
      '--symbol',
      'XRP/ETH',
      '--timeframe',
      '1m',
    ]);
    assert.match(result.stdout, /2,469 inserted/);
    const expected = [...(await readFile(file, 'utf8')).matchAll(/\[(\d[^\]]*)\]/g)].map((match) =>
      match[1]!.split(/,\s*/),
    );
    assert.deepEqual(await stored('XRP/ETH'), expected);
  });

  it(
    'refuses seconds of the archive as minutes, whose closing times in microseconds say so',
    { skip: SKIP },
    async () => {
      const file = join(SHARED, 'binance-examples/archive_spot_klines_1s_2025-01-01_microseconds.csv');
      const result = await run('import.ts', ['--file', file, ...NAMED]);
      assert.equal(result.code, 1);
      assert.match(
        result.stderr,
        /no candles of binance BTC\/USDT 1m: .* closing times: 1 s instead of 1m. Nothing was/,
      );
      assert.deepEqual(await stored('BTC/USDT'), []);
    },
  );

  it('understands microseconds of the archive and counts single rows of another length as faulty', async () => {
    const row = (minute: number, closingMs: number) =>
      [
        `${T0 + minute * MINUTE}000`,
        '0.31600000',
        '0.4',
        '0.3',
        '0.32',
        '27.0',
        `${closingMs}999`,
        0,
        1,
        0,
        0,
        0,
      ].join();
    const sound = [0, 1, 2].map((minute) => row(minute, T0 + minute * MINUTE + MINUTE - 1));
    const result = await run('import.ts', ['--file', '-', ...NAMED], {
      input: [...sound, row(3, T0 + 3 * MINUTE + 999)].join('\n'),
    });
    assert.equal(result.code, 1);
    assert.match(result.stderr, /line 4: the closing time says that the candle lasts 1 s instead of 1m/);
    assert.equal((await stored('BTC/USDT')).length, 3);
  });

  it('gives back what it took in, as CSV and JSON lines, packed or not', async () => {
    const rows = rowsFrom(25_000);
    const imported = await run('import.ts', ['--file', '-', ...NAMED], { input: csvOf(rows) });
    assert.match(imported.stdout, /25,000 inserted/, imported.stderr);
    const before = await stored('BTC/USDT');
    assert.deepEqual(
      before,
      rows.map((row) => row.map(String)),
    );
    for (const [format, name] of [
      ['csv', 'out.csv'],
      ['ndjson', 'out.ndjson.gz'],
    ] as const) {
      const file = join(folder, name);
      const exported = await run('export.ts', [...NAMED, '--format', format, '--output', file]);
      assert.equal(exported.code, 0, exported.stderr);
      assert.ok(!existsSync(`${file}.partial`));
      await execute(database.url, 'truncate ohlcv_data');
      const back = await run('import.ts', ['--file', file]);
      assert.equal(back.code, 0, back.stderr);
      assert.match(back.stdout, /binance BTC\/USDT 1m: 25,000 rows, 0 faulty\n25,000 inserted/);
      assert.deepEqual(await stored('BTC/USDT'), before);
    }
    const packed = gunzipSync(await readFile(join(folder, 'out.ndjson.gz'))).toString();
    assert.equal(packed.split('\n').length, 25_001);
    const dash = await run('export.ts', [...NAMED, '--output', '-']);
    assert.equal(dash.stdout.trimEnd().split('\n').length, 25_001);
    assert.ok(!existsSync('-'), 'a file of that name appeared');
    const part = await run('export.ts', [...NAMED, '--since', '2024-01-01T00:01Z', '--until', String(T0 + 2 * MINUTE)]);
    assert.equal(
      part.stdout,
      'exchange,symbol,timeframe,timestamp,open,high,low,close,volume\n' +
        'binance,BTC/USDT,1m,2024-01-01T00:01:00.000Z,1.10,3.00,0.00000100,2,1.5\n',
    );
  });

  it('ends quietly when the reader of an export has enough', async () => {
    await run('import.ts', ['--file', '-', ...NAMED], { input: csvOf(rowsFrom(60_000)) });
    const { code, stderr } = await run('export.ts', NAMED, { cut: true });
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  });

  it('takes the series of each row of mixed files, and refuses rows of another one', async () => {
    const line = (symbol: string, minute: number) => `binance,${symbol},1m,${T0 + minute * MINUTE},1,1,1,1,1`;
    const input = `exchange,symbol,timeframe,timestamp,open,high,low,close,volume\n${[0, 1, 2]
      .flatMap((minute) => [line('BTC/USDT', minute), line('ETH/USDT', minute)])
      .join('\n')}\nbinance,BTCUSDT,1m,${T0},1,1,1,1,1\nbinance,A/B,1x,${T0},1,1,1,1,1\n`;
    const mixed = await run('import.ts', ['--file', '-'], { input });
    assert.equal(mixed.code, 1);
    assert.match(mixed.stderr, /line 8: "BTCUSDT" is no symbol[^]*line 9: "1x" is not a timeframe/);
    assert.equal((await stored('BTC/USDT')).length + (await stored('ETH/USDT')).length, 6);
    const other = await run('import.ts', ['--file', '-', '--symbol', 'ETH/USDT', '--skip-bad'], { input });
    assert.equal(other.code, 0);
    assert.match(other.stderr, /line 2: the row is of binance BTC\/USDT 1m, but --symbol ETH\/USDT was given/);
    assert.match(other.stdout, /5 faulty\n0 inserted, 0 updated, 3 unchanged/);
  });

  it('shows the first ten faulty rows, stores the good ones, and exits 1 unless told to skip', async () => {
    const rows = [...rowsFrom(5), ...rowsFrom(12, 5).map((row) => row.with(2, '0.1'))];
    const input = csvOf(rows);
    const { code, stdout, stderr } = await run('import.ts', ['--file', '-', ...NAMED], { input });
    assert.equal(code, 1);
    assert.match(stderr, /^line 7: low is above high|open is above high/);
    assert.equal(stderr.match(/^line \d+: /gm)?.length, 10);
    assert.match(stderr, /and 2 more rows/);
    assert.match(stdout, /17 rows, 12 faulty\n5 inserted/);
    const skipped = await run('import.ts', ['--file', '-', ...NAMED, '--skip-bad'], { input });
    assert.equal(skipped.code, 0);
  });

  it('refuses a candle in progress', async () => {
    const open = Math.floor(Date.now() / 86_400_000) * 86_400_000;
    const input = csvOf([
      [open, 1, 1, 1, 1, 1],
      [open - 86_400_000, 1, 1, 1, 1, 1],
    ]);
    const { code, stderr } = await run('import.ts', ['--file', '-', ...NAMED.with(-1, '1d')], { input });
    assert.equal(code, 1);
    assert.match(stderr, /line 2: the candle is still in progress/);
    assert.equal((await stored('BTC/USDT')).length, 1);
  });

  it('stores what came before the place where a source breaks off', async () => {
    const json = `[${rowsFrom(100)
      .map((row) => `[${row.join(',')}]`)
      .join(',')}`;
    const cut = await run('import.ts', ['--file', '-', ...NAMED], { input: json });
    assert.equal(cut.code, 1);
    assert.match(cut.stderr, /in the middle of the array: it was cut/);
    assert.equal((await stored('BTC/USDT')).length, 100);
    const file = join(folder, 'cut.csv.gz');
    const packed = gzipSync(csvOf(rowsFrom(5000)));
    await writeFile(file, packed.subarray(0, packed.length - 20));
    const broken = await run('import.ts', ['--file', file, ...NAMED]);
    assert.equal(broken.code, 1);
    assert.match(broken.stderr, /cut\.csv\.gz cannot be read: unexpected end of file/);
  });

  it('lets the later of two rows with one opening time stay, unless they are close together', async () => {
    const near = await run('import.ts', ['--file', '-', ...NAMED], {
      input: csvOf([...rowsFrom(3), rowsFrom(1)[0]!.with(5, '99')]),
    });
    assert.equal(near.code, 1);
    assert.match(near.stderr, /two candles of binance BTC\/USDT 1m open at 2024-01-01T00:00:00.000Z and differ/);
    assert.deepEqual(await stored('BTC/USDT'), []);
    const far = [...rowsFrom(20_000), ...rowsFrom(20_000).map((row) => row.with(5, '99'))];
    const result = await run('import.ts', ['--file', '-', ...NAMED], { input: csvOf(far) });
    assert.match(result.stdout, /20,000 inserted, 20,000 updated/, result.stderr);
    assert.ok((await stored('BTC/USDT')).every((row) => row[5] === '99'));
  });

  it('checks without a database in a dry run', async () => {
    const url = 'postgresql://nobody@127.0.0.1:1/none';
    const dry = await run('import.ts', ['--file', '-', '--dry-run', ...NAMED], { input: csvOf(rowsFrom(3)), url });
    assert.equal(dry.code, 0, dry.stderr);
    assert.match(dry.stdout, /3 rows, 0 faulty\nnothing was stored/);
    assert.deepEqual(await stored('BTC/USDT'), []);
  });

  it('says what is wrong, without a stack trace, with the exit code of its kind', async () => {
    await using empty = await createTestDatabase();
    const missing = join(folder, 'missing.csv');
    await writeFile(join(folder, 'archive.zip'), 'PK\x03\x04rest');
    const input = csvOf(rowsFrom(1));
    const cases: [string, string[], number, RegExp, { input?: string; url?: string }?][] = [
      ['import.ts', [], 2, /--file is missing/],
      ['import.ts', ['--flie', 'x'], 2, /Unknown option '--flie'/],
      ['import.ts', ['--file', '-'], 2, /does not say whose candles/, { input }],
      ['import.ts', ['--file', '-', '--timeframe', '7y'], 2, /--timeframe: "7y" is not a timeframe/, { input }],
      ['import.ts', ['--file', '-', '--symbol', 'BTC'], 2, /write BASE\/QUOTE/, { input }],
      ['import.ts', ['--file', missing, ...NAMED], 1, /missing\.csv cannot be read: ENOENT/],
      ['import.ts', ['--file', join(folder, 'archive.zip'), ...NAMED], 1, /zip archive: unpack it first/],
      ['import.ts', ['--file', '-', ...NAMED], 1, /run "npm run db-upgrade" first/, { input, url: empty.url }],
      ['import.ts', ['--file', '-', ...NAMED], 1, /ECONNREFUSED/, { input, url: 'postgresql://x@127.0.0.1:1/x' }],
      ['export.ts', [], 2, /--exchange, --symbol and --timeframe are needed/],
      ['export.ts', [...NAMED, '--since', 'soon'], 2, /--since soon: must be ISO 8601, such as/],
      ['export.ts', [...NAMED, '--since', '1704067200'], 2, /--since 1704067200: looks like epoch seconds/],
      ['export.ts', [...NAMED, '--since', '20240101'], 2, /--since 20240101: looks like a date: write 2024-01-01/],
      ['export.ts', [...NAMED, '--since', '2024-02-01', '--until', '2024-01-01'], 2, /must lie before/],
      ['export.ts', [...NAMED, '--format', 'xml'], 2, /write csv or ndjson/],
      ['export.ts', NAMED, 1, /no candle of binance BTC\/USDT 1m is stored in that range/],
    ];
    for (const [script, args, code, message, options] of cases) {
      const result = await run(script, args, options);
      assert.match(result.stderr, message);
      assert.equal(result.code, code, result.stderr);
      assert.doesNotMatch(result.stderr, /^\s+at /m);
      assert.equal(result.stdout, '');
    }
  });

  it('writes no file where an export fails', async () => {
    await run('import.ts', ['--file', '-', ...NAMED], { input: csvOf(rowsFrom(3)) });
    const path = join(folder, 'no-such-folder', 'out.csv');
    const { code, stderr } = await run('export.ts', [...NAMED, '--output', path]);
    assert.equal(code, 1);
    assert.match(stderr, /out\.csv cannot be written: ENOENT/);
  });

  it('explains itself', async () => {
    for (const script of ['import.ts', 'export.ts', 'bench.ts']) {
      const { code, stdout } = await run(script, ['--help']);
      assert.equal(code, 0);
      assert.match(stdout, /Exit codes: 0 /);
    }
  });
});
