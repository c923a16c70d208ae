import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CandleAnswer, CoverageObject, FuturesAnswer } from '../../../../src/http/page/browser/answers.ts';
import { alignFutures, createTimeline } from '../../../../src/http/page/browser/timeline.ts';

const START = Date.UTC(2026, 0, 1);
const HOUR_MS = 3_600_000;
const hourOf = (ms: number) => (ms - START) / HOUR_MS;
const at = (hour: number) => new Date(START + hour * HOUR_MS).toISOString();

function candle(hour: number): CandleAnswer {
  return { timestamp: at(hour), open: '1', high: '2', low: '0.5', close: '1.5', volume: '9' };
}

function range(
  since: number,
  until: number,
  state: CoverageObject['state'],
  reason: string | null = null,
): CoverageObject {
  return {
    exchange: 'binance',
    symbol: 'BTC/USDT',
    timeframe: '1h',
    metric: 'ohlcv',
    since: at(since),
    until: at(until),
    state,
    slots: until - since,
    asks: 0,
    first_asked_at: null,
    last_asked_at: null,
    reason,
  };
}

/** The places as a line: c for a candle, - for none. */
const draw = ({ places }: ReturnType<typeof createTimeline>) =>
  places.map(({ candle: stored }) => (stored === null ? '-' : 'c')).join('');
const HOURLY = { timeframe: '1h', until: START };

describe('the axis of the chart', () => {
  it('has a place for each opening time, and no hole where the candles follow one another', () => {
    const timeline = createTimeline([candle(0), candle(1), candle(2)], [range(0, 3, 'have')], HOURLY);
    assert.equal(draw(timeline), 'ccc');
    assert.deepEqual(timeline.holes, []);
  });

  it('keeps the width of a hole, cut where the ledger says something else of it', () => {
    const ledger = [range(0, 1, 'have'), range(1, 3, 'missing'), range(3, 4, 'confirmed_empty', 'no trades')];
    const timeline = createTimeline([candle(0), candle(5)], ledger, HOURLY);
    assert.equal(draw(timeline), 'c----c');
    assert.deepEqual(
      timeline.holes.map(({ since, until, state, slots, reason }) => [
        hourOf(since),
        hourOf(until),
        state,
        slots,
        reason,
      ]),
      [
        [1, 3, 'missing', 2, null],
        [3, 4, 'confirmed_empty', 1, 'no trades'],
        [4, 5, 'unknown', 1, null],
      ],
    );
  });

  it('takes the ranges of the ledger in any order', () => {
    const ledger = [range(3, 5, 'refused'), range(1, 3, 'missing')];
    const { holes } = createTimeline([candle(0), candle(5)], ledger, HOURLY);
    assert.deepEqual(
      holes.map(({ state }) => state),
      ['missing', 'refused'],
    );
  });

  it('shows what the ledger knows to be missing after the last candle, and nothing that is merely to come', () => {
    const until = START + 4 * HOUR_MS;
    const known = createTimeline([candle(0)], [range(1, 3, 'missing')], { timeframe: '1h', until });
    assert.equal(draw(known), 'c--');
    assert.equal(draw(createTimeline([candle(0)], [], { timeframe: '1h', until })), 'c');
  });

  it('gives a long hole a bounded width and its true size', () => {
    const { places, holes } = createTimeline([candle(0), candle(5000)], [range(1, 5000, 'missing')], HOURLY);
    assert.equal(holes[0]?.slots, 4999);
    assert.ok(places.length < 300, `${places.length} places`);
    assert.equal(holes[0].lastShown, places.at(-2)?.time);
  });

  it('counts months by the calendar', () => {
    const months = [0, 1, 3].map((month) => ({
      ...candle(0),
      timestamp: new Date(Date.UTC(2026, month, 1)).toISOString(),
    }));
    const { places } = createTimeline(months, [], { timeframe: '1M', until: 0 });
    assert.deepEqual(
      places.map(({ time }) => new Date(time).toISOString().slice(0, 10)),
      ['2026-01-01', '2026-02-01', '2026-03-01', '2026-04-01'],
    );
  });

  it('ends, whatever the timeframe is called', () => {
    assert.equal(draw(createTimeline([candle(0), candle(2)], [], { timeframe: 'odd', until: 0 })), 'cc');
  });
});

describe('futures data beside candles', () => {
  const row = (hour: number, funding: string | null): FuturesAnswer => ({
    timestamp: at(hour),
    open_interest: null,
    funding_rate: funding,
    mark_price: String(hour),
  });

  it('takes the last hour of each place, and leaves out what is not known', () => {
    const times = [START, START + 24 * HOUR_MS];
    const rows = [row(0, '0.1'), row(8, '0.2'), row(23, null), row(24, null), row(30, '-0.1')];
    assert.deepEqual(alignFutures(times, rows, 'funding_rate'), [
      { time: START, value: '0.2' },
      { time: times[1], value: '-0.1' },
    ]);
    assert.deepEqual(
      alignFutures(times, rows, 'mark_price').map(({ value }) => value),
      ['23', '30'],
    );
    assert.deepEqual(alignFutures(times, rows, 'open_interest'), []);
  });

  it('stays at its own hour where the candles are finer, and drops what lies before them', () => {
    const times = Array.from({ length: 61 }, (_, minute) => START + minute * 60_000);
    assert.deepEqual(alignFutures(times, [row(-1, '9'), row(0, '1'), row(1, '2')], 'funding_rate'), [
      { time: START, value: '1' },
      { time: START + HOUR_MS, value: '2' },
    ]);
    assert.deepEqual(alignFutures([], [row(0, '1')], 'funding_rate'), []);
  });
});
