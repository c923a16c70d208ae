import assert from 'node:assert/strict';
import { beforeEach, it } from 'node:test';
import fc from 'fast-check';
import type { CandlePageRequest } from '../../src/db/repositories/read-candle-page.ts';
import { FORMAT_NAMES } from '../../src/http/formats/formats.ts';
import { pageLines } from '../../src/http/formats/page-lines.ts';
import { readNewest } from '../../src/http/formats/read-newest.ts';
import { writeRow } from '../../src/http/formats/row-text.ts';
import { createCandleEvent, createRevisionEvent } from '../../src/http/live/live-event.ts';
import type { Candle } from '../../src/market/candle.ts';
import type { Series } from '../../src/market/instrument.ts';
import { parseTimeframe } from '../../src/market/timeframe.ts';
import { candleOf, candlesFrom, seriesOf } from '../support/candles.ts';
import { describeOnEachServer } from '../support/repository-lanes.ts';
import { storeCandles } from '../support/store-candles.ts';
import { createTestApp } from '../unit/http/in-memory.ts';

const HOUR = 3_600_000;
const START = Date.UTC(2026, 0, 1);
const BTC = seriesOf('binance', 'BTC/USDT', '1h');
const ALL = { since: 0, until: Date.UTC(9999, 0, 1) };
const COLUMNS = ['open', 'high', 'low', 'close', 'volume'] as const;
const SHAPES = ['object', 'array', 'csv'] as const;
const NUMBERS = ['string', 'float'] as const;
type Texts = readonly [string, string, string, string, string];

const toTextRow = (candle: Candle) => ({ timestamp: candle.timestamp, values: COLUMNS.map((name) => candle[name]) });
const write = (candle: Candle, shape: (typeof SHAPES)[number], numbers: (typeof NUMBERS)[number]) =>
  writeRow(toTextRow(candle), COLUMNS, shape, numbers);

async function join(pages: AsyncGenerator<{ readonly lines: Buffer; readonly count: number }, void>) {
  let [text, count] = ['', 0];
  for await (const page of pages) {
    text += page.lines.toString();
    count += page.count;
  }
  assert.equal(text.split('\n').length - 1, count);
  return text;
}

describeOnEachServer('candles as text, by the server and by us', ({ repositories, rows, query, clear }) => {
  beforeEach(clear);

  /** Asks every writer for all candles of a series, and sees that each says what ours makes of these. */
  async function assertSame(series: Series, candles: readonly Candle[]): Promise<void> {
    const { ohlcv } = repositories();
    const asked = { series, ...ALL, limit: 5000, from: null, now: ALL.until };
    for (const numbers of NUMBERS)
      for (const shape of SHAPES) {
        const named = `${shape} ${numbers}`;
        const expected = candles.map((candle) => write(candle, shape, numbers));
        const { text, count } = await ohlcv.readPage({ ...asked, shape, numbers });
        assert.deepEqual([text, count], [expected.join(','), candles.length], named);
        const newest = await ohlcv.readPage({ ...asked, since: null, shape, numbers });
        assert.equal(newest.text, text, named);
        if (shape === 'array') continue;
        const lines = expected.map((line) => `${line}\n`).join('');
        for (const limit of [null, 5000, Math.max(1, candles.length)])
          assert.equal(await join(ohlcv.streamText({ ...asked, limit, shape, numbers })), lines, `${named} ${limit}`);
        const list = (range: { since: number; until: number }, limit: number) =>
          Promise.resolve(
            candles
              .filter(({ timestamp }) => timestamp >= range.since)
              .slice(0, limit)
              .map(toTextRow),
          );
        assert.equal(await join(pageLines(list, ALL, null, { columns: COLUMNS, shape, numbers })), lines, named);
      }
    for (const candle of candles)
      for (const numbers of NUMBERS) {
        const event = createCandleEvent({ series, candle }).render(numbers);
        const named = JSON.stringify(series);
        const written = write(candle, 'object', numbers);
        assert.equal(event, `${named.slice(0, -1)},${written.slice(1)}`);
        const rewritten = createRevisionEvent({ id: '1', changedAt: START, series, before: candle, after: candle });
        const values = `{${written.slice(written.indexOf('"open"'))}`;
        assert.ok(rewritten.render(numbers).endsWith(`,"old":${values},"new":${values}}`));
      }
  }

  async function storeAndCompare(series: Series, candles: readonly Candle[]): Promise<void> {
    await rows().candles(series, candles);
    await assertSame(series, candles);
  }

  it('say nothing of nothing', async () => {
    await assertSame(BTC, []);
  });

  it('keep every digit: tiny and huge decimals, zeros in front, behind and alone', async () => {
    const texts: readonly Texts[] = [
      ['0.00000000000000000000000001', '123456789012345678901234567890.123456789', '0.000000123456', '1.10', '0'],
      ['0', '0.0', '0.00000000', '100', '1000000000000000000000000000000'],
      ['9007199254740993', '0.1', '0.30000000000000004', '5.000', '12345678901234.10'],
    ];
    const candles = texts.map((text, index) => candleOf(START + index * HOUR, text));
    await storeAndCompare(BTC, candles);
    const { text } = await repositories().ohlcv.readPage({
      ...{ series: BTC, ...ALL, limit: 9, from: null, now: ALL.until },
      ...{ shape: 'array', numbers: 'float' },
    });
    assert.equal(text, texts.map((row, index) => `[${START + index * HOUR},${row.join(',')}]`).join(','));
  });

  it('write any time: of 2009 and 9998, and each millisecond', async () => {
    for (const [name, time] of [
      ['OLD/USDT', Date.UTC(2009, 0, 3, 18, 15)],
      ['LATE/USDT', Date.UTC(9998, 11, 31, 23, 59, 59, 999)],
    ] as const)
      await storeAndCompare(seriesOf('binance', name, '1h'), [candleOf(time)]);
    await storeAndCompare(BTC, candlesFrom(START, 1, 1000));
  });

  it('cut off what is finer than a millisecond, which only hands can have written', async () => {
    const micros = ['.0004', '.0015', '.123499', '.1235', '.124999', '.5', '.9996', '.999999'];
    await query(`
      insert into ohlcv_data (exchange, symbol, timeframe, timestamp, open, high, low, close, volume)
      select 'binance', day, '1h', (day || 'T00:00:00' || micro || 'Z')::timestamptz, 1, 1, 1, 1, 1
      from unnest(array['2009-01-03', '2026-01-01', '9998-12-31']) day, unnest(array[${micros.map((micro) => `'${micro}'`).join(',')}]) micro`);
    for (const day of ['2009-01-03', '2026-01-01', '9998-12-31']) {
      const series = seriesOf('binance', day, '1h');
      const candles = await repositories().ohlcv.list(series, ALL, 99);
      assert.deepEqual(
        candles.map(({ timestamp }) => timestamp - Date.parse(day)),
        [0, 1, 123, 123, 124, 500, 999, 999],
      );
      await assertSame(series, candles);
    }
  });

  it('write null for what JSON has no number for, which only hands can have written', async () => {
    await query(`
      insert into ohlcv_data (exchange, symbol, timeframe, timestamp, open, high, low, close, volume) values
      ('binance', 'BTC/USDT', '1h', '2026-01-01', 'NaN', 'NaN', 'Infinity', '-Infinity', 'NaN'),
      ('binance', 'BTC/USDT', '1h', '2026-01-02', -1.50, 'NaN', -0.0, 1, 'Infinity')`);
    await assertSame(BTC, await repositories().ohlcv.list(BTC, ALL, 9));
  });

  it('name a series by any text', async () => {
    const candles = candlesFrom(START, HOUR, 3);
    const names = [`A"B',C\\D`, `a\nb\t\r`, "'; drop table ohlcv_data; --", '币安人生/USDT', '😀é', ' ', '$1', '%s'];
    for (const name of names) await storeAndCompare(seriesOf('binance', name, '1h'), candles);
    await storeAndCompare(seriesOf(`o'k\\x`, 'BTC/USDT', '1h'), candles);
  });

  it('write any decimal of any series alike', async () => {
    const digits = (minLength: number, maxLength: number) =>
      fc.string({ unit: fc.constantFrom('0', '1', '2', '3', '4', '5', '6', '7', '8', '9'), minLength, maxLength });
    const decimal = fc
      .tuple(digits(1, 30), fc.option(digits(1, 28)))
      .map(([whole, fraction]) => `${whole.replace(/^0+(?=\d)/, '')}${fraction === null ? '' : `.${fraction}`}`);
    const texts = fc.tuple(decimal, decimal, decimal, decimal, decimal);
    const offset = fc.integer({ min: 0, max: 100_000 * HOUR });
    const candles = fc.uniqueArray(fc.tuple(offset, texts), { selector: ([place]) => place, maxLength: 12 });
    const symbol = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter((text) => !text.includes('\0'));
    await fc.assert(
      fc.asyncProperty(symbol, candles, async (name, drawn) => {
        await clear();
        const sorted = drawn.map(([place, row]) => candleOf(Date.UTC(2009, 0, 3) + place, row));
        await storeAndCompare(
          seriesOf('binance', name, '1h'),
          sorted.toSorted((a, b) => a.timestamp - b.timestamp),
        );
      }),
      { numRuns: 10 },
    );
  });

  it('mark built candles alike in pages and exports, and make the same arrays of those that are whole', async () => {
    const hours = candlesFrom(START, HOUR, 20);
    await storeCandles(repositories(), BTC, [...hours.slice(0, 9), ...hours.slice(11)]);
    const series = { ...BTC, timeframe: parseTimeframe('4h') };
    const { ohlcv } = repositories();
    for (const numbers of NUMBERS) {
      const asked = { series, ...ALL, limit: 9, from: BTC.timeframe, now: ALL.until, numbers } as const;
      const { text } = await ohlcv.readPage({ ...asked, shape: 'object', numbers: 'string' });
      const built = JSON.parse(`[${text}]`) as (Record<keyof Candle, string> & { partial?: true })[];
      assert.deepEqual(
        built.map(({ partial }) => partial ?? false),
        [false, false, true, false, false],
      );
      for (const shape of ['object', 'csv'] as const) {
        const lines = built.map((candle) => {
          const plain = write(
            { ...candle, timestamp: Date.parse(candle.timestamp) } as unknown as Candle,
            shape,
            numbers,
          );
          if (shape === 'csv') return `${plain},${candle.partial ?? false}`;
          return candle.partial ? `${plain.slice(0, -1)},"partial":true}` : plain;
        });
        assert.equal((await ohlcv.readPage({ ...asked, shape })).text, lines.join(','));
        const streamed = await join(ohlcv.streamText({ ...asked, shape, limit: null }));
        assert.equal(streamed, lines.map((line) => `${line}\n`).join(''));
      }
      const arrays = { ...asked, since: null, until: START + 20 * HOUR, shape: 'array' } as const;
      const read = (request: CandlePageRequest) => ohlcv.readPage(request);
      assert.equal((await readNewest(read, arrays)).text, (await ohlcv.readPage(arrays)).text);
    }
  });

  it('make the same files of the table and of the view, which we write, in every format', async () => {
    const first = Math.floor(Date.now() / HOUR) * HOUR - 24 * HOUR;
    await storeCandles(repositories(), BTC, [
      ...candlesFrom(first, HOUR, 9),
      candleOf(first + 9 * HOUR, ['0.000000123456', '123456789012345678901.50', '0', '1.10', '0.0']),
    ]);
    await repositories().recentOhlcv.refresh();
    const { app } = createTestApp({ repositories: repositories() });
    for (const format of FORMAT_NAMES)
      for (const numbers of NUMBERS)
        for (const since of [first, first + 20 * HOUR]) {
          const asked = `symbol=BTC/USDT&timeframe=1h&since=${since}&until=${first + 30 * HOUR}&format=${format}&numbers=${numbers}`;
          const [stored, recent] = await Promise.all(
            ['ohlcv', 'recent'].map(async (name) => {
              const { rawPayload, statusCode } = await app.inject(`/v1/${name}?${asked}`);
              assert.equal(statusCode, 200, asked);
              const text = rawPayload.toString('latin1');
              if (format === 'json') return text.slice(text.indexOf('"data":'));
              // The footer of one tells how complete it is; the other does not know.
              const footer = format === 'parquet' ? rawPayload.readUInt32LE(rawPayload.length - 8) + 8 : 0;
              return text.slice(0, text.length - footer);
            }),
          );
          assert.equal(recent, stored, `${format} ${numbers}`);
        }
  });
});
