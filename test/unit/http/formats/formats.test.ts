import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parquetReadObjects } from 'hyparquet';
import { chooseFormat } from '../../../../src/http/formats/choose-format.ts';
import { writeRow } from '../../../../src/http/formats/row-text.ts';
import type { Problem } from '../../../../src/http/protocol/problems.ts';
import { BTC, createTestApp, FIRST_MS, get, HOUR_MS, hourlyCandles, iso } from '../in-memory.ts';

const OHLCV = '/v1/ohlcv?symbol=BTC/USDT&timeframe=1h';
const CLOSED = `${OHLCV}&since=${iso(0)}&until=${iso(4)}`;

describe('chooseFormat', () => {
  it('takes the parameter before the header, and of the header what it likes best', () => {
    assert.equal(chooseFormat('csv', 'application/json'), 'csv');
    assert.equal(chooseFormat(undefined, undefined), 'json');
    assert.equal(chooseFormat(undefined, 'text/html, */*;q=0.8'), 'json');
    assert.equal(chooseFormat(undefined, 'application/json;q=0.5, text/csv'), 'csv');
    // The most specific range decides, also where it says no.
    assert.equal(chooseFormat(undefined, 'application/json;q=0, */*'), 'csv');
    assert.equal(chooseFormat(undefined, 'text/*;q=0, application/json;q=0, */*;q=0.5'), 'ndjson');
    assert.equal(chooseFormat(undefined, '*/*;q=0.1, application/*;q=0.2, text/csv;q=0.3'), 'csv');
    assert.equal(chooseFormat(undefined, 'application/x-ndjson'), 'ndjson');
    assert.equal(chooseFormat(undefined, 'text/csv;q=0, application/vnd.apache.parquet;q=0.1'), 'parquet');
    assert.equal(chooseFormat(undefined, 'application/json; q = 0.5, text/csv; q = 0.9'), 'csv');
    assert.throws(() => chooseFormat(undefined, 'image/png'), /Accept application\/json/);
    assert.throws(() => chooseFormat(undefined, 'constructor'), /Accept application\/json/);
  });
});

describe('writeRow', () => {
  it('writes what JSON has no number for as null, and what is not known as null or nothing', () => {
    const row = { timestamp: FIRST_MS, values: ['NaN', '1.50', null] };
    const columns = ['a', 'b', 'c'];
    assert.equal(writeRow(row, columns, 'array', 'float'), `[${FIRST_MS},null,1.50,null]`);
    assert.equal(writeRow(row, columns, 'object', 'string'), `{"timestamp":"${iso(0)}","a":"NaN","b":"1.50","c":null}`);
    assert.equal(writeRow(row, columns, 'csv', 'string'), `${iso(0)},NaN,1.50,`);
  });
});

describe('formats of /v1/ohlcv', () => {
  it('answers bare arrays as ccxt has them, with the next page in the link header', async () => {
    const { app } = createTestApp();
    const response = await app.inject(`${OHLCV}&since=${iso(0)}&limit=2&format=arrays&numbers=float`);
    assert.deepEqual(response.json(), [
      [FIRST_MS, 100.00002452, 200.1, 0.000000123456, 150, 12345678901234.5],
      [FIRST_MS + HOUR_MS, 101.00002452, 201.1, 0.000000123456, 151, 12345678901234.5],
    ]);
    const [, next = ''] = /^<(.*)>; rel="next"$/.exec(String(response.headers['link'])) ?? [];
    const [[first] = []] = await get<number[][]>(app, next);
    assert.equal(first, FIRST_MS + 2 * HOUR_MS);
  });

  it('answers the whole range as CSV, by the parameter and by the header', async () => {
    const { app } = createTestApp();
    const byParameter = await app.inject(`${CLOSED}&format=csv`);
    const byHeader = await app.inject({ url: CLOSED, headers: { accept: 'text/csv' } });
    const lines = byParameter.body.split('\n');
    assert.deepEqual(lines.slice(0, 2), [
      'timestamp,open,high,low,close,volume',
      `${iso(0)},100.00002452,200.10,0.000000123456,150,12345678901234.5`,
    ]);
    assert.equal(lines.length, 6);
    assert.equal(byHeader.body, byParameter.body);
    assert.match(String(byHeader.headers['content-type']), /^text\/csv/);
    assert.equal(byHeader.headers['content-disposition'], 'attachment; filename="binance-BTC-USDT-1h.csv"');
  });

  it('answers NDJSON, and Parquet with exact texts or doubles', async () => {
    const { app } = createTestApp();
    const ndjson = await app.inject(`${CLOSED}&format=ndjson`);
    const rows = ndjson.body.trimEnd().split('\n');
    assert.equal(rows.length, 4);
    assert.equal((JSON.parse(rows[3]!) as { open: string }).open, '103.00002452');
    for (const [numbers, open] of [
      ['string', '103.00002452'],
      ['float', 103.00002452],
    ]) {
      const { rawPayload } = await app.inject(`${CLOSED}&format=parquet&numbers=${numbers}`);
      const file = new Uint8Array(rawPayload).buffer;
      const read = await parquetReadObjects({ file });
      assert.equal(read.length, 4);
      assert.deepEqual([read[3]!['timestamp'], read[3]!['open']], [new Date(iso(3)), open]);
    }
  });

  it('takes any limit, or none, for exports only', async () => {
    const { app } = createTestApp();
    const lines = async (query: string) => (await app.inject(`${OHLCV}&format=csv${query}`)).body.trimEnd().split('\n');
    assert.equal((await lines('')).length, 13);
    assert.equal((await lines('&limit=999999')).length, 13);
    assert.deepEqual(
      (await lines('&limit=2')).map((line) => line.slice(0, 24)),
      ['timestamp,open,high,low,', iso(10), iso(11)],
    );
    const problem = await get<Problem>(app, `${OHLCV}&limit=5001`, 400);
    assert.deepEqual(
      problem.errors?.map(({ field }) => field),
      ['limit'],
    );
    await get(app, `${OHLCV}&format=xml`, 400);
  });

  it('answers 406 where nothing that is accepted can be made, and HEAD of an export without its rows', async () => {
    const { app } = createTestApp();
    const refused = await app.inject({ url: OHLCV, headers: { accept: 'image/png' } });
    assert.equal(refused.statusCode, 406);
    const head = await app.inject({ method: 'HEAD', url: `${OHLCV}&format=csv` });
    assert.deepEqual([head.statusCode, head.body, head.headers['x-complete']], [200, '', 'true']);
  });

  it('tells what is missing, in the object and in headers', async () => {
    const { app, rows } = createTestApp();
    rows.gaps = [{ since: FIRST_MS, until: FIRST_MS + HOUR_MS, state: 'missing' }];
    const page = await get<{ complete: boolean; gaps: unknown[] }>(app, CLOSED);
    assert.deepEqual([page.complete, page.gaps], [false, [{ since: iso(0), until: iso(1), state: 'missing' }]]);
    for (const format of ['arrays', 'csv', 'parquet']) {
      const { headers } = await app.inject(`${CLOSED}&format=${format}`);
      assert.deepEqual([headers['x-complete'], headers['x-gaps']], ['false', '1'], format);
    }
  });
});

describe('entity tags', () => {
  it('has closed ranges without gaps answered with 304 as long as they are the same', async () => {
    for (const format of ['json', 'arrays', 'csv', 'ndjson', 'parquet']) {
      const { app, rows } = createTestApp();
      const url = `${CLOSED}&format=${format}`;
      const first = await app.inject(url);
      const tag = String(first.headers['etag']);
      assert.match(tag, /^"[\w-]{20,}"$/, format);
      assert.match(String(first.headers['cache-control']), /max-age=60/);
      const headers = { 'if-none-match': `"other", ${tag}` };
      const again = await app.inject({ url, headers });
      assert.deepEqual([again.statusCode, again.body, again.headers['etag']], [304, '', tag], format);
      assert.equal((await app.inject({ url: `${url}&numbers=float`, headers })).statusCode, 200);
      rows.gaps = [{ since: FIRST_MS, until: FIRST_MS + HOUR_MS, state: 'missing' }];
      const incomplete = await app.inject({ url, headers });
      assert.deepEqual([incomplete.statusCode, incomplete.headers['etag']], [200, undefined], format);
    }
  });

  it('has none for ranges that are still open', async () => {
    const { app } = createTestApp();
    for (const url of [OHLCV, `${OHLCV}&until=2999-01-01`, `${OHLCV}&format=csv`]) {
      const { headers } = await app.inject(url);
      assert.deepEqual([headers['etag'], headers['cache-control']], [undefined, 'no-cache'], url);
    }
  });
});

describe('a candle that has not ended', () => {
  it('leaves the range open, in pages and in exports', async () => {
    const { app, rows } = createTestApp();
    const hour = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;
    rows.put(BTC, [{ ...hourlyCandles(1)[0]!, timestamp: hour }]);
    for (const format of ['json', 'arrays', 'csv', 'ndjson', 'parquet']) {
      const url = `${OHLCV}&since=${hour - HOUR_MS}&until=${hour + 1}&format=${format}`;
      const { statusCode, headers } = await app.inject({ url, headers: { 'if-none-match': '*' } });
      assert.deepEqual([statusCode, headers['etag'], headers['cache-control']], [200, undefined, 'no-cache'], format);
      const ended = await app.inject(`${OHLCV}&since=${hour - HOUR_MS}&until=${hour}&format=${format}`);
      assert.ok(ended.headers['etag'], format);
    }
  });
});

describe('formats of /v1/recent and /v1/futures', () => {
  it('writes rows of the view', async () => {
    const { app } = createTestApp();
    const recent = `/v1/recent?symbol=BTC/USDT&timeframe=1h&since=${iso(0)}&until=${iso(3)}`;
    assert.equal((await app.inject(`${recent}&format=csv`)).body.trimEnd().split('\n').length, 4);
    assert.equal((await get<unknown[]>(app, `${recent}&format=arrays`)).length, 3);
    await get(app, '/v1/recent?symbol=NOPE/USDT&timeframe=1h&format=csv', 404);
  });

  it('writes the newest rows of the view, however old they are', async () => {
    const { app } = createTestApp();
    const recent = '/v1/recent?symbol=BTC/USDT&timeframe=1h';
    const hours = async (query: string) =>
      (await app.inject(`${recent}&format=csv${query}`)).body
        .trimEnd()
        .split('\n')
        .slice(1)
        .map((line) => line.slice(0, 24));
    assert.deepEqual(await hours('&limit=2'), [iso(10), iso(11)]);
    assert.deepEqual(await hours(`&limit=2&until=${iso(40)}`), [iso(10), iso(11)]);
    assert.equal((await hours('')).length, 12);
    const arrays = await get<[number][]>(app, `${recent}&format=arrays&limit=2`);
    assert.deepEqual(
      arrays.map(([time]) => time),
      [FIRST_MS + 10 * HOUR_MS, FIRST_MS + 11 * HOUR_MS],
    );
  });

  it('writes futures with nothing where a metric is not known', async () => {
    const { app, rows } = createTestApp();
    rows.snapshots.set('binance BTC/USDT', [{ timestamp: FIRST_MS }, { timestamp: FIRST_MS + HOUR_MS }]);
    const futures = '/v1/futures?symbol=BTC/USDT';
    const csv = (await app.inject(`${futures}&format=csv`)).body.split('\n');
    assert.deepEqual(csv.slice(1, 3), [`${iso(0)},,,,,,`, `${iso(1)},,,,,,`]);
    assert.deepEqual((await get<unknown[]>(app, `${futures}&format=arrays&limit=1`))[0], [
      FIRST_MS + HOUR_MS,
      ...Array.from({ length: 6 }, () => null),
    ]);
    const { rawPayload } = await app.inject(`${futures}&format=parquet`);
    const read = await parquetReadObjects({ file: new Uint8Array(rawPayload).buffer });
    assert.deepEqual([read.length, read[0]!['mark_price'] ?? null], [2, null]);
  });
});

describe('GET /v1/exchanges', () => {
  it('joins what is stored with what is collected', async () => {
    const { app } = createTestApp();
    const { data } = await get<{ data: Record<string, unknown>[] }>(app, '/v1/exchanges');
    assert.deepEqual(
      data.map(({ id, state, timeframes, markets }) => ({ id, state, timeframes, markets })),
      [{ id: 'binance', state: 'up', timeframes: ['1h'], markets: ['BTC/USDT'] }],
    );
  });
});
