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
  for await (const list of source.records) records.push(...list);
  return { ...source, records };
}

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
        { line: 1, time: '5', ...VALUES },
        { line: 2, time: '7', ...VALUES },
      ]);
      const json = await read('[\n[5, 1.10, 2, 0.9,1.5, 7.000],\n\n ["6","1.10","2","0.9","1.5","7.000"]]\n', size);
      assert.deepEqual(json.records, [
        { line: 2, time: '5', ...VALUES },
        { line: 4, time: '6', ...VALUES },
      ]);
      const lines = await read('{"exchange":"x","timestamp":"5","open":"1.10"}\nnonsense\n', size);
      assert.deepEqual(
        lines.records.map(({ line, exchange, time, open }) => ({ line, exchange, time, open })),
        [
          { line: 1, exchange: 'x', time: '5', open: '1.10' },
          { line: 2, exchange: undefined, time: undefined, open: undefined },
        ],
      );
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
    ];
    for (const [change, message] of cases)
      assert.throws(
        () => toCandle({ ...record, ...change }, hour, now),
        (error) => error instanceof RecordFault && message.test(error.message),
      );
  });
});
