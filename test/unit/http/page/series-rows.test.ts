import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CoverageSummary, SeriesObject } from '../../../../src/http/page/browser/answers.ts';
import { arrangeRows, createRows, type SortColumn } from '../../../../src/http/page/browser/series-rows.ts';

const NOW = Date.UTC(2026, 0, 1, 12);

function series(symbol: string, timeframe: string, changes: Partial<SeriesObject> = {}): SeriesObject {
  return {
    exchange: 'binance',
    symbol,
    timeframe,
    candles: null,
    first: '2025-01-01T00:00:00.000Z',
    last: '2026-01-01T11:00:00.000Z',
    last_close: null,
    state: 'complete',
    missing: 0,
    complete_since: null,
    lost: 0,
    rejected: 0,
    last_error: null,
    ...changes,
  };
}

const ALL = [
  series('ETH/USDT', '1h', { last_close: '3244.10' }),
  series('BTC/USDT', '1d', { last: null }),
  series('BTC/USDT', '1h', { last: '2026-01-01T05:00:00.000Z', last_close: '54460.95', state: 'behind' }),
  series('SOL/USDT', '1h', { state: 'refused', last_error: 'no such market' }),
];
const SUMMARIES: CoverageSummary[] = ['ETH/USDT', 'BTC/USDT'].map((symbol, index) => ({
  exchange: 'binance',
  symbol,
  timeframe: '1h',
  metric: 'ohlcv',
  slots: { have: 90 + index * 5, missing: 10 - index * 5, confirmed_empty: 0, refused: 0, out_of_window: 0 },
}));
const rows = createRows(ALL, SUMMARIES, NOW);

/** The rows in order, as `BTC 1h`. */
function order(column: SortColumn, isDescending = false, filter = ''): string[] {
  return arrangeRows(rows, { column, isDescending, filter }).map(
    ({ series: { symbol, timeframe } }) => `${symbol.slice(0, 3)} ${timeframe}`,
  );
}

describe('the rows of the table', () => {
  it('join what is stored and what the ledger says', () => {
    const [eth, daily, late, refused] = rows;
    assert.deepEqual([eth?.share, eth?.lagMs, eth?.tone], [0.9, 0, 'good']);
    assert.deepEqual([daily?.share, daily?.lagMs], [null, null]);
    assert.deepEqual([late?.lagMs, late?.tone], [5 * 3_600_000, 'warn']);
    assert.equal(refused?.tone, 'bad');
  });

  it('stand by symbol and length of the timeframe', () => {
    assert.deepEqual(order('name'), ['BTC 1h', 'BTC 1d', 'ETH 1h', 'SOL 1h']);
    assert.deepEqual(order('name', true), ['SOL 1h', 'ETH 1h', 'BTC 1d', 'BTC 1h']);
  });

  it('sort by value, with what is not known last in both directions', () => {
    assert.deepEqual(order('share').slice(0, 2), ['ETH 1h', 'BTC 1h']);
    assert.deepEqual(order('share', true), ['BTC 1h', 'ETH 1h', 'BTC 1d', 'SOL 1h']);
    assert.deepEqual(order('lag', true), ['BTC 1h', 'ETH 1h', 'SOL 1h', 'BTC 1d']);
    assert.deepEqual(order('close').slice(0, 2), ['ETH 1h', 'BTC 1h']);
  });

  it('hold every word of the filter, in their name or state', () => {
    assert.deepEqual(order('name', false, 'btc 1h'), ['BTC 1h']);
    assert.deepEqual(order('name', false, 'REFUSED'), ['SOL 1h']);
    assert.deepEqual(order('name', false, 'doge'), []);
  });
});
