import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PLAIN, switchOn, type DialectName } from '../../../../simulator/zoo/zoo-dialect.ts';
import { ZooMarket, type ZooMarketOptions } from '../../../../simulator/zoo/zoo-market.ts';
import {
  boundRequests,
  countHistory,
  findRepetition,
  joinSlots,
  type ZooRequest,
} from '../../../../simulator/zoo/zoo-requests.ts';
import { findTruth } from '../../../../simulator/zoo/zoo-truth.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NOW = Date.UTC(2025, 2, 5, 7, 30, 12);
const END = Math.floor(NOW / MINUTE) * MINUTE;
const SPAN = { since: END - 2000 * MINUTE, until: Infinity };

function truthOf(names: readonly DialectName[], options: Partial<ZooMarketOptions> = {}) {
  const market = new ZooMarket('unit', { symbol: 'ADA/USD', listedMs: NOW - 40 * HOUR, ...options });
  return findTruth(market, '1m', switchOn(PLAIN, names), SPAN, NOW);
}

describe('the truth of the zoo', () => {
  it('is each closed candle, each to be had, and each other slot empty', () => {
    const { rows, available, empty } = truthOf([], { holes: [{ since: END - 10 * MINUTE, until: END - 7 * MINUTE }] });
    assert.deepEqual([rows.size, available.length, empty.size], [1997, 1997, 3]);
    assert.equal(rows.has(END), false, 'the one in progress');
    assert.deepEqual(
      [...empty],
      [10, 9, 8].map((minutes) => END - minutes * MINUTE),
    );
  });

  it('knows what the exchange no longer has, and what nobody can ask for', () => {
    assert.equal(truthOf(['newest_slots_only']).available.length, 719);
    assert.equal(truthOf(['newest_slots_only']).rows.size, 2000);
    assert.equal(truthOf(['since_ignored']).available.length, 2000, 'by until');
    assert.equal(truthOf(['since_ignored', 'until_ignored']).available.length, 999);
    assert.equal(truthOf(['hours_for_minutes']).available.length, 0);
  });

  it('takes a repeated price for a candle, and zeros for none', () => {
    const holes = [{ since: END - 10 * MINUTE, until: END - 7 * MINUTE }];
    assert.deepEqual(
      [truthOf(['empty_repeated'], { holes }).rows.size, truthOf(['empty_repeated'], { holes }).empty.size],
      [2000, 0],
    );
    assert.deepEqual(
      [truthOf(['empty_as_zeros'], { holes }).rows.size, truthOf(['empty_as_zeros'], { holes }).empty.size],
      [1997, 3],
    );
  });

  it('fills the slot in which a candle off the grid opens', () => {
    const market = new ZooMarket('unit', { symbol: 'ADA/USD', listedMs: NOW - 40 * HOUR });
    const since = Math.floor(NOW / HOUR) * HOUR - 10 * HOUR;
    const offGrid = { timeframe: '1h', since, until: since + 4 * HOUR, shiftMs: 700_000 };
    const { rows, empty } = findTruth(market, '1h', { ...PLAIN, offGrid }, { since: since - HOUR, until: NOW }, NOW);
    assert.equal([...rows.keys()].filter((at) => at % HOUR !== 0).length, 4);
    assert.equal(empty.size, 0);
  });
});

describe('the requests of the zoo', () => {
  const request = (at: number, since: number): ZooRequest => ({
    path: '/candles',
    at,
    symbol: 'ADA/USD',
    timeframe: '1m',
    since,
    until: null,
    limit: null,
    rows: 0,
  });

  it('tell the most that one of them came in a minute', () => {
    const requests = [0, 10, 59, 60, 70, 200].map((second) => request(second * 1000, 1));
    assert.equal(findRepetition([...requests, request(61_000, 2)]).times, 3);
    assert.equal(findRepetition([]).times, 0);
    assert.equal(countHistory([request(1, 5), request(2, 50)], 10), 1);
  });

  it('are bounded by pages and holes', () => {
    assert.equal(boundRequests({ slots: 1440, page: 1000, holes: 2, levels: 4 }), 36);
    assert.deepEqual(joinSlots([0, 5, 20], 5), [
      { since: 0, until: 10 },
      { since: 20, until: 25 },
    ]);
  });
});
