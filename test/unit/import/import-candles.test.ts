import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { CandleRecord } from '../../../src/import/candle-record.ts';
import { importCandles } from '../../../src/import/import-candles.ts';
import { JUDGED_ROWS } from '../../../src/import/judged-series.ts';
import type { CommitEntry } from '../../../src/market/commit-entry.ts';
import { parseTimeframe, timeframeMs, type Timeframe } from '../../../src/market/timeframe.ts';

const MONDAY = Date.UTC(2018, 0, 1);
const [minute, hour] = [parseTimeframe('1m'), parseTimeframe('1h')];
const NAMED = { exchange: 'binance', symbol: 'BTC/USDT' };

const record = (line: number, openMs: number, lengthMs: number | null = null): CandleRecord => {
  const values = { open: '2', high: '3', low: '1', close: '2', volume: '7' };
  const closing = lengthMs === null ? {} : { closingTime: String(openMs + lengthMs - 1) };
  return { line, time: String(openMs), ...closing, ...values };
};
const every = (timeframe: Timeframe, count: number, { from = MONDAY, line = 1, tells = false } = {}) =>
  Array.from({ length: count }, (_, at) =>
    record(line + at, from + at * timeframeMs(timeframe), tells ? timeframeMs(timeframe) : null),
  );

/** Imports rows; gives what was stored too. */
async function run(rows: readonly CandleRecord[], series: Parameters<typeof importCandles>[0]['series']) {
  const stored: number[] = [];
  const commit = async (entries: readonly CommitEntry[]) => {
    const times = entries.flatMap((entry) => entry.rows.map(({ timestamp }) => timestamp));
    stored.push(...times);
    return await Promise.resolve({ inserted: times.length, updated: 0, unchanged: 0 });
  };
  async function* lists() {
    for (let at = 0; at < rows.length; at += 1_000) yield await Promise.resolve(rows.slice(at, at + 1_000));
  }
  const options = { sink: { commit }, records: lists(), series, nowMs: Date.UTC(2026, 0, 1), writers: 2 };
  const [outcome] = await Promise.allSettled([importCandles(options)]);
  const report = outcome.status === 'fulfilled' ? outcome.value : undefined;
  const error = outcome.status === 'rejected' ? (outcome.reason as Error) : undefined;
  return { stored, report, error };
}

describe('importCandles and the timeframe', () => {
  it('stores any quiet file of the timeframe itself, and nothing of a file of another one that its rows tell', async () => {
    const timeframes = fc.constantFrom(...['1m', '15m', '1h', '1d'].map(parseTimeframe));
    await fc.assert(
      fc.asyncProperty(
        timeframes,
        timeframes,
        fc.uniqueArray(fc.nat(1_000), { minLength: 1, maxLength: 60 }),
        async (said, held, slots) => {
          const lengthMs = timeframeMs(held);
          const rows = slots.map((slot, at) => record(at + 1, MONDAY + slot * lengthMs, lengthMs));
          const { stored, error } = await run(rows, { ...NAMED, timeframe: said });
          assert.equal(stored.length, said === held ? slots.length : 0);
          if (said !== held)
            assert.match(error?.message ?? '', new RegExp(`: ${held} instead of ${said}. Nothing was stored`));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('refuses shorter candles by their spacing, says so and what to do', async () => {
    const { stored, error } = await run(every(minute, 3_000), { ...NAMED, timeframe: hour });
    assert.deepEqual(stored, []);
    assert.equal(
      error?.message,
      'the rows from line 1 on are no candles of binance BTC/USDT 1h: the spacing of its rows is as short as 1m, and ' +
        'candles of the timeframe 1h cannot be closer than that. Nothing was stored. Give the timeframe that the file ' +
        'holds, as --timeframe (TIMEFRAME)',
    );
  });

  it('tells honestly what was stored where rows of another timeframe come later in a long file', async () => {
    const sound = every(minute, JUDGED_ROWS, { tells: true });
    const from = MONDAY + JUDGED_ROWS * timeframeMs(hour);
    const other = every(hour, 50, { from, line: JUDGED_ROWS + 1, tells: true });
    const { stored, error } = await run([...sound, ...other], { ...NAMED, timeframe: minute });
    assert.equal(stored.length, JUDGED_ROWS);
    assert.match(
      error?.message ?? '',
      /from line 20001 on .*1h instead of 1m. 20,000 rows that came before are stored/,
    );
    const few = await run([...sound, ...other.slice(0, 5)], { ...NAMED, timeframe: minute });
    assert.deepEqual([few.stored.length, few.report?.faulty], [JUDGED_ROWS, 5], 'a few strange rows are judged alone');
  });

  it('stores nothing of any series where one of a short file contradicts its timeframe', async () => {
    const name = (symbol: string, rows: CandleRecord[]) =>
      rows.map((row) => ({ ...row, ...NAMED, symbol, timeframe: '1h' }));
    const mixed = [...name('BTC/USDT', every(hour, 100)), ...name('ETH/USDT', every(minute, 100))];
    const { stored, error } = await run(mixed, {});
    assert.deepEqual(stored, []);
    assert.match(error?.message ?? '', /no candles of binance ETH\/USDT 1h/);
  });

  it('does not read a file of another timeframe to its end', async () => {
    const rows = every(minute, 3 * JUDGED_ROWS);
    let read = 0;
    async function* lists() {
      for (const row of rows) {
        read++;
        yield await Promise.resolve([row]);
      }
    }
    const series = { ...NAMED, timeframe: hour };
    await assert.rejects(importCandles({ sink: null, records: lists(), series, nowMs: Date.now(), writers: 1 }), {
      code: 'IMPORT_TIMEFRAME',
    });
    assert.equal(read, JUDGED_ROWS);
  });

  it('leaves partial candles out, each with the reason', async () => {
    const rows = every(hour, 5).map((row, at) => ({ ...row, partial: String(at === 2 || at === 4) }));
    const { stored, report } = await run(rows, { ...NAMED, timeframe: hour });
    assert.deepEqual(
      stored.map((at) => (at - MONDAY) / timeframeMs(hour)),
      [0, 1, 3],
    );
    assert.deepEqual(
      report?.faults.map(({ line }) => line),
      [3, 5],
    );
    assert.match(report.faults[0]?.reason ?? '', /the candle is partial/);
  });
});
