import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RequestCost, RequestKind } from '../../../src/exchanges/exchange.ts';
import {
  planBackfill,
  type PlanInput,
  type PlannedExchange,
  type PlannedKey,
} from '../../../src/planning/plan-backfill.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const SINCE = Date.UTC(2026, 0, 1);
const WINDOW = { since: SINCE, until: SINCE + 1000 * DAY };
const COSTS: Partial<Record<RequestKind, readonly RequestCost[]>> = {
  candles: [{ counter: 'spot', weight: 2 }],
  open_interest: [{ counter: 'statistics', weight: 1 }],
  funding_rate: [{ counter: 'funding', weight: 1 }],
  mark_price: [{ counter: 'futures', weight: 2 }],
};
const BINANCE: PlannedExchange = {
  id: 'binance',
  candleLimit: 1000,
  futuresFeeds: new Map([
    ['open_interest', { limit: 500 }],
    ['funding_rate', { limit: 1000 }],
    ['mark_price', { limit: 499 }],
  ]),
  budgets: [
    { name: 'spot', limit: 6000, windowMs: 60_000 },
    { name: 'futures', limit: 2400, windowMs: 60_000 },
    { name: 'statistics', limit: 1000, windowMs: 300_000 },
    { name: 'funding', limit: 500, windowMs: 300_000 },
  ],
  costOf: (kind) => COSTS[kind] ?? [],
};

function key(metric: PlannedKey['metric'], missing: PlannedKey['missing'], more: Partial<PlannedKey> = {}): PlannedKey {
  return { exchange: 'binance', symbol: 'BTC/USDT', timeframe: '1h', metric, missing, ...more };
}

function plan(keys: readonly PlannedKey[], changes: Partial<PlanInput> = {}) {
  return planBackfill({
    window: WINDOW,
    exchanges: [BINANCE],
    keys,
    rowBytes: { candle: 200, futures: 100 },
    ...changes,
  });
}

describe('planBackfill', () => {
  it('counts slots, pages, minutes of the allowance, rows and bytes', () => {
    const minutes = { timeframe: '1m', missing: [{ since: SINCE, until: SINCE + 500 * DAY }] };
    const keys = ['BTC/USDT', 'ETH/USDT'].map((symbol) => key('ohlcv', [], { symbol, ...minutes }));
    const { total, exchanges } = plan(keys);
    // 720,000 minutes are 720 pages of weight 2, twice: 2880 of 4200 a minute.
    assert.deepEqual(total, {
      series: 2,
      slots: 1_440_000,
      requests: 1440,
      minutes: 0.7,
      rows: 1_440_000,
      bytes: 288_000_000,
    });
    assert.deepEqual(exchanges[0]?.allowances, [
      { name: 'spot', limit: 6000, window_seconds: 60, weight: 2880, minutes: 0.7 },
    ]);
    assert.deepEqual(exchanges[0].lines, [
      { metric: 'ohlcv', timeframe: '1m', series: 2, slots: 1_440_000, requests: 1440 },
    ]);
  });

  it('asks once for each hole, and for nothing where nothing is missing', () => {
    const holes = [0, 10, 20].map((hour) => ({ since: SINCE + hour * HOUR, until: SINCE + (hour + 1) * HOUR }));
    const { total, exchanges } = plan([key('ohlcv', holes), key('ohlcv', [], { symbol: 'ETH/USDT' })]);
    assert.deepEqual([total.series, total.slots, total.requests], [1, 3, 3]);
    assert.equal(exchanges[0]?.lines[0]?.series, 1);
    const nothing = plan([key('ohlcv', [])]).total;
    assert.deepEqual(nothing, { series: 0, slots: 0, requests: 0, minutes: 0, rows: 0, bytes: 0 });
  });

  it('takes the slowest counter of an exchange, and the slowest exchange', () => {
    const month = [{ since: SINCE, until: SINCE + 30 * DAY }];
    // 720 hours: two pages of statistics, two of mark prices with weight 2 each, one of 90 settlements.
    const symbols = Array.from({ length: 300 }, (_, index) => `C${index}/USDT`);
    const keys = symbols.flatMap((symbol) =>
      (['open_interest', 'mark_price', 'funding_rate'] as const).map((metric) => key(metric, month, { symbol })),
    );
    const [binance] = plan(keys).exchanges;
    assert.deepEqual(
      binance?.allowances.map(({ name, weight, minutes }) => [name, weight, minutes]),
      [
        ['futures', 1200, 0.7],
        ['statistics', 600, 4.3],
        ['funding', 300, 4.3],
      ],
    );
    assert.equal(binance.minutes, 4.3);
    const slow: PlannedExchange = {
      ...BINANCE,
      id: 'slow',
      budgets: [{ name: 'all', limit: 100, windowMs: 60_000 }],
      costOf: () => [{ counter: 'all', weight: 1 }],
    };
    const both = plan(
      [...keys, key('ohlcv', [{ since: SINCE, until: SINCE + 700_000 * HOUR }], { exchange: 'slow' })],
      {
        exchanges: [BINANCE, slow],
      },
    );
    assert.deepEqual([both.exchanges[1]?.minutes, both.total.minutes], [10, 10]);
  });

  it('does not invent minutes where an exchange counts what is not known', () => {
    const other: PlannedExchange = { ...BINANCE, id: 'okx', budgets: [], costOf: () => [] };
    const { total, exchanges } = plan([key('ohlcv', [WINDOW], { exchange: 'okx' })], { exchanges: [BINANCE, other] });
    assert.deepEqual([exchanges[1]?.minutes, total.minutes, total.requests], [null, null, 24]);
  });

  it('counts one futures row for an hour that several feeds fill, and a settlement elsewhere by itself', () => {
    const keys = [
      key('open_interest', [{ since: SINCE + 10 * DAY, until: SINCE + 20 * DAY }]),
      key('mark_price', [{ since: SINCE + 15 * DAY, until: SINCE + 25 * DAY }]),
      key('funding_rate', [{ since: SINCE, until: SINCE + 20 * DAY }]),
    ];
    const { rows, slots } = plan(keys).total;
    assert.equal(rows, 15 * 24 + 10 * 3);
    assert.equal(slots, 240 + 240 + 60);
  });

  it('refuses a key that no exchange serves', () => {
    assert.throws(() => plan([key('ohlcv', [WINDOW], { exchange: 'kraken' })]), /kraken and no such exchange/);
    assert.throws(() => plan([key('top_trader_ratio', [WINDOW])]), /binance has no top_trader_ratio/);
  });
});
