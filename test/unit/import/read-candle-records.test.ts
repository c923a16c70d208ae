import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RecordFault, toCandle, type CandleRecord } from '../../../src/import/candle-record.ts';
import { readCandleRecords } from '../../../src/import/read-candle-records.ts';
import { parseTimeframe } from '../../../src/market/timeframe.ts';

/** Reads a text that arrives in pieces of `size` characters. */
async function read(text: string, size: number) {
  async function* chunks() {
    for (let start = 0; start < text.length; start += size)
      yield await Promise.resolve(text.slice(start, start + size));
  }
  const source = await readCandleRecords(chunks());
  const records: CandleRecord[] = [];
  for await (const list of source.records) records.push(...list.map(withoutAbsent));
  return { ...source, records };
}

const withoutAbsent = (record: CandleRecord) =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as unknown as CandleRecord;

const VALUES = { open: '1.10', high: '2', low: '0.9', close: '1.5', volume: '7.000' };

describe('readCandleRecords', () => {
  for (const size of [1, 7, 10_000]) {
    it(`reads every format, pieces of ${size}`, async () => {
      const header = await read(
        '\n exchange,symbol,timeframe,TIMESTAMP,open,high,low,close,volume\r\n\r\nx,A/B,1m,t,1.10,2,0.9,"1.5",7.000\r\n',
        size,
      );
      assert.equal(header.hasSeries, true);
      assert.deepEqual(header.records, [
        { line: 4, exchange: 'x', symbol: 'A/B', timeframe: '1m', time: 't', ...VALUES },
      ]);
      const archive = await read('5,1.10,2,0.9,1.5,7.000,6,0,0,0,0,0\n7,1.10,2,0.9,1.5,7.000,6,0,0,0,0,0', size);
      assert.deepEqual(archive.records, [
        { line: 1, time: '5', closingTime: '6', ...VALUES },
        { line: 2, time: '7', closingTime: '6', ...VALUES },
      ]);
      const built = await read(
        'timestamp,open,high,low,close,volume,close_time,partial\nt,1.10,2,0.9,1.5,7.000,u,true\n',
        size,
      );
      assert.deepEqual(built.records, [{ line: 2, time: 't', closingTime: 'u', partial: 'true', ...VALUES }]);
      const kline = await read(
        '[[5,"1.10","2","0.9","1.5","7.000",9,"0",1,"0","0","0"],[5,1.10,2,0.9,1.5,7.000,9]]',
        size,
      );
      assert.deepEqual(kline.records, [
        { line: 1, time: '5', closingTime: '9', ...VALUES },
        { line: 1, time: '5', ...VALUES },
      ]);
      const json = await read('[\n[5, 1.10, 2, 0.9,1.5, 7.000],\n\n ["6","1.10","2","0.9","1.5","7.000"]]\n', size);
      assert.deepEqual(json.records, [
        { line: 2, time: '5', ...VALUES },
        { line: 4, time: '6', ...VALUES },
      ]);
      const lines = await read(
        '{"exchange":"x","timestamp":"5","open":"1.10"}\nnonsense\n{"timestamp":"5","open":1.5,"partial":true}\n',
        size,
      );
      assert.deepEqual(lines.records, [
        { line: 1, exchange: 'x', time: '5', open: '1.10' },
        { line: 2 },
        { line: 3, time: '5', open: '1.5', partial: 'true' },
      ]);
    });
  }

  it('says what it cannot understand', async () => {
    const cases: [string, RegExp][] = [
      ['', /it is empty/],
      ['\n \n', /it is empty/],
      ['<html>', /"<html>" is no header/],
      ['time,open,high,low,close\n', /is no header/],
      ['1,2,3,4,5,6\n', /12 columns, and has 6/],
      ['[[1,2,3,4,5,6],\n[1,2', /ends on line 2 in the middle of the array/],
      ['[[1,2,3,4,5,6]\n', /in the middle of the array/],
      ['[{"a":1}]', /line 1 has "{"a.*" where a row/],
      ['[[1,2,3,4,5,6]] x', /line 1 has "x" where a row/],
    ];
    for (const [text, message] of cases) await assert.rejects(read(text, 5), { code: 'IMPORT_FORMAT', message }, text);
  });

  it('reads an array that is one long line, as it is mostly kept', async () => {
    const text = `[${Array.from({ length: 50_000 }, (_, n) => `[${n},1.10,2,0.9,1.5,7.000]`).join(',')}]`;
    const { records } = await read(text, 256 * 1024);
    assert.deepEqual([records.length, records.at(-1)], [50_000, { line: 1, time: '49999', ...VALUES }]);
  });

  it('gives the rows before the place where an array is broken', async () => {
    async function* chunks() {
      yield await Promise.resolve('[[1,2,3,4,5,6], oops]');
    }
    const { records } = await readCandleRecords(chunks());
    const iterator = records[Symbol.asyncIterator]();
    const first = await iterator.next();
    assert.equal(first.done === true ? 0 : first.value.length, 1);
    await assert.rejects(iterator.next());
  });
});

describe('toCandle', () => {
  const hour = parseTimeframe('1h');
  const now = Date.UTC(2024, 0, 2);
  const record = { line: 1, time: '2024-01-01T00:00:00Z', ...VALUES };

  it('keeps digits and writes exponents out', () => {
    assert.deepEqual(toCandle({ ...record, low: '1.2e-5' }, hour, now), {
      timestamp: Date.UTC(2024, 0, 1),
      ...VALUES,
      low: '0.000012',
    });
  });

  it('takes a closing time in milliseconds or microseconds, the last moment or the next one', () => {
    for (const closingTime of ['1704070799999', '1704070799999999', '1704070800000', '2024-01-01T01:00:00Z', ''])
      assert.equal(toCandle({ ...record, closingTime, partial: 'false' }, hour, now).close, '1.5', closingTime);
  });

  it('refuses what is no candle, with the reason', () => {
    const cases: [Partial<CandleRecord>, RegExp][] = [
      [{ time: 'yesterday' }, /"yesterday" is neither/],
      [{ time: undefined }, /"" is neither/],
      [{ volume: 'null' }, /volume "null" is not a decimal/],
      [{ close: undefined }, /close is missing/],
      [{ high: '1.2' }, /close is above high/],
      [{ low: '-1' }, /low is negative/],
      [{ time: '2024-01-01T00:30:00Z' }, /off the 1h grid/],
      [{ time: '2024-01-02T00:00:00Z' }, /still in progress/],
      [{ time: '2024-01-03T00:00:00Z' }, /in the future/],
      [{ partial: 'true' }, /the candle is partial/],
      [{ partial: '1' }, /the candle is partial/],
      [{ closingTime: 'later' }, /closing time "later" is neither/],
      [{ closingTime: '1704067259999' }, /lasts 1m instead of 1h/],
      [{ open: '0', high: '0.00', low: '0', close: '0', volume: '0' }, /all prices are zero/],
    ];
    for (const [change, message] of cases)
      assert.throws(
        () => toCandle({ ...record, ...change }, hour, now),
        (error) => error instanceof RecordFault && message.test(error.message),
      );
  });
});
