import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ExchangeDataError } from '../../../../src/errors.ts';
import { BINANCE_FEEDS } from '../../../../src/exchanges/binance/binance-futures-feeds.ts';
import { parseFuturesPage } from '../../../../src/exchanges/kit/futures-page.ts';
import { FUTURES_FEEDS, type FuturesFeed } from '../../../../src/market/futures-snapshot.ts';

const HOUR = 3_600_000;
const T0 = Date.UTC(2024, 0, 30, 16);

function parse(feed: FuturesFeed, rows: unknown, { hours = 4, nowMs = T0 + 100 * HOUR, limit = 10 } = {}) {
  const { readRow, periodMs } = BINANCE_FEEDS[feed];
  const asked = { since: T0, until: T0 + hours * HOUR };
  return parseFuturesPage({
    exchange: 'test',
    feed,
    subject: `the ${feed}`,
    asked,
    limit,
    nowMs,
    rows,
    readRow,
    periodMs,
  });
}

const funding = (time: number, fundingRate: unknown = '-0.00063521') => ({
  symbol: 'BTCUSDT',
  fundingRate,
  fundingTime: time,
});

describe('parseFuturesPage', () => {
  it('reads each feed with all digits', () => {
    const kline = [T0, '9653.29201333', '9654.5', '9653.0', '9653.1', '0', T0 + HOUR - 1, '0', 60, '0', '0', '0'];
    const rows: Record<FuturesFeed, unknown> = {
      open_interest: {
        symbol: 'BTCUSDT',
        sumOpenInterest: '75375.61700000',
        sumOpenInterestValue: '3248828883.71251440',
        timestamp: T0,
      },
      top_trader_ratio: {
        symbol: 'BTCUSDT',
        longAccount: '0.4558',
        longShortRatio: '0.8376',
        shortAccount: '0.5442',
        timestamp: T0,
      },
      taker_buy_sell_ratio: { buySellRatio: '1.1603', buyVol: '298.2800', sellVol: '257.0660', timestamp: T0 },
      funding_rate: funding(T0 + 19),
      mark_price: kline,
    };
    const read = FUTURES_FEEDS.map((feed) => parse(feed, [rows[feed]]).snapshots);
    assert.deepEqual(read, [
      [{ timestamp: T0, open_interest: '75375.61700000', open_interest_value: '3248828883.71251440' }],
      [{ timestamp: T0, top_trader_ratio: '0.8376' }],
      [{ timestamp: T0, taker_buy_sell_ratio: '1.1603' }],
      [{ timestamp: T0, funding_rate: '-0.00063521' }],
      [{ timestamp: T0, mark_price: '9653.29201333' }],
    ]);
  });

  it('keeps aside rows that belong to no hour or hold no number', () => {
    const { snapshots, rejected } = parse('funding_rate', [
      funding(T0 + 61_000),
      funding(T0, ''),
      funding(T0 + HOUR),
      null,
      [1],
    ]);
    assert.deepEqual(
      snapshots.map(({ timestamp }) => timestamp),
      [T0 + HOUR],
    );
    assert.deepEqual(
      rejected.map(({ reason }) => reason.split(' ').slice(-3).join(' ')),
      ['a full hour', 'funding_rate is empty', 'has another shape', 'has another shape'].map((text) =>
        text.split(' ').slice(-3).join(' '),
      ),
    );
    const negative = { sumOpenInterest: '-1', sumOpenInterestValue: '1', timestamp: T0 };
    assert.deepEqual(parse('open_interest', [negative]).rejected[0], {
      raw: negative,
      reason: 'open_interest is negative',
      timestamp: T0,
    });
  });

  it('does not take for an answer what is of other times', () => {
    const kline = (time: number) => [time, '1', '1', '1', '1', '0', time + HOUR - 1, '0', 60, '0', '0', '0'];
    const strange: [FuturesFeed, unknown[]][] = [
      ['funding_rate', [funding(T0 * 1000), funding((T0 + HOUR) * 1000)]],
      ['funding_rate', [funding(T0 / 1000)]],
      ['funding_rate', [funding(T0 + 90 * HOUR), funding(T0 + 91 * HOUR)]],
      ['funding_rate', [funding(T0 - 21), funding(T0 - HOUR), funding(T0 + HOUR)]],
      ['funding_rate', [funding(T0), funding(T0 + 4 * HOUR + 20), funding(T0 + 200 * HOUR)]],
      ['open_interest', [{ sumOpenInterest: '1', sumOpenInterestValue: '1', timestamp: T0 + 90 * HOUR }]],
      ['taker_buy_sell_ratio', [{ buySellRatio: '1', timestamp: T0 * 1000 }]],
      ['mark_price', [kline(T0 + 98 * HOUR), kline(T0 + 99 * HOUR)]],
    ];
    for (const [feed, rows] of strange) {
      assert.throws(
        () => parse(feed, rows),
        (error) => error instanceof ExchangeDataError && /rows from other times/.test(error.message),
        JSON.stringify(rows),
      );
    }
  });

  it('keeps aside a single row of another unit, and allows what funding is stamped off the hour', () => {
    const { snapshots, rejected } = parse('funding_rate', [
      funding(T0 - 20),
      funding(T0 + HOUR + 19),
      funding((T0 + 2 * HOUR) * 1000),
      funding(T0 + 4 * HOUR + 19),
    ]);
    assert.deepEqual(
      snapshots.map(({ timestamp }) => timestamp),
      [T0, T0 + HOUR],
    );
    assert.deepEqual(
      rejected.map(({ reason, timestamp }) => [reason, timestamp]),
      [['the time cannot be in milliseconds: seconds or microseconds?', undefined]],
    );
  });

  it('keeps aside a few rows of other times, which stretch nothing, and reads the others', () => {
    const times = [T0 - 48 * HOUR, T0, T0 + HOUR, T0 + 5 * HOUR, T0 + 48 * HOUR];
    const rows = [...times, T0 + 2 * HOUR].map((timestamp) => ({
      sumOpenInterest: '1',
      sumOpenInterestValue: '1',
      timestamp,
    }));
    const { snapshots, rejected, answered } = parse('open_interest', rows, { nowMs: T0 + 5 * HOUR, limit: 6 });
    assert.deepEqual(
      snapshots.map(({ timestamp }) => timestamp),
      [T0, T0 + HOUR, T0 + 2 * HOUR],
    );
    assert.deepEqual(
      rejected.map(({ reason, timestamp }) => [reason, timestamp]),
      [
        ['the time lies outside of what was asked for', times[0]],
        ['the time lies outside of what was asked for', times[3]],
        ['the time lies in the future', times[4]],
      ],
    );
    assert.deepEqual(answered, { since: T0, until: T0 + 3 * HOUR });
  });

  it('counts equal rows once and keeps aside those that differ', () => {
    assert.equal(parse('funding_rate', [funding(T0), funding(T0 + 3)]).snapshots.length, 1);
    const differing = parse('funding_rate', [funding(T0, '0.1'), funding(T0, '0.2')]);
    assert.deepEqual([differing.snapshots.length, differing.rejected.length], [0, 2]);
  });

  it('keeps the good metric beside an empty one, and nothing of a row with a value that is no number', () => {
    const good = fc.constantFrom('20403.63700000', '0', 17);
    const empty = fc.constantFrom('', ' ', null);
    const junk = fc.constantFrom('-', 'NaN', true, undefined, '-1');
    const kind = fc.oneof(
      good.map((value) => ({ is: 'good' as const, value })),
      empty.map((value) => ({ is: 'empty' as const, value })),
      junk.map((value) => ({ is: 'junk' as const, value })),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(kind, kind), { minLength: 1, maxLength: 4 }), (hours) => {
        const rows = hours.map(([first, second], at) => ({
          sumOpenInterest: first.value,
          sumOpenInterestValue: second.value,
          timestamp: T0 + at * HOUR,
        }));
        const { snapshots, rejected } = parse('open_interest', rows);
        const expected = hours.flatMap(([first, second], at) =>
          first.is !== 'good' || second.is === 'junk'
            ? []
            : [
                {
                  timestamp: T0 + at * HOUR,
                  open_interest: String(first.value),
                  ...(second.is === 'good' ? { open_interest_value: String(second.value) } : {}),
                },
              ],
        );
        assert.deepEqual(snapshots, expected);
        assert.equal(rejected.length, hours.length - expected.length);
      }),
    );
  });

  it('puts together what two rows of one hour say of different metrics', () => {
    const row = (sumOpenInterestValue: string) => ({ sumOpenInterest: '5', sumOpenInterestValue, timestamp: T0 });
    for (const values of [
      ['', '7'],
      ['7', ''],
      ['7', '', '7.0'],
    ]) {
      const { snapshots, rejected } = parse('open_interest', values.map(row));
      assert.equal(snapshots[0]?.open_interest, '5');
      assert.equal(Number(snapshots[0].open_interest_value), 7);
      assert.deepEqual(rejected, []);
    }
    assert.equal(parse('open_interest', ['7', '', '8'].map(row)).rejected.length, 2);
  });

  it('takes no mark price of nothing', () => {
    const kline = [T0, '0.00', '1', '0', '1', '0', T0 + HOUR - 1, '0', 60, '0', '0', '0'];
    assert.equal(parse('mark_price', [kline]).rejected[0]?.reason, 'mark_price is zero');
  });

  it('refuses sums of shorter periods, which begin on full hours too, and keeps values of a moment', () => {
    const times = Array.from({ length: 10 }, (_, at) => T0 + at * 5 * 60_000);
    const sums = times.map((timestamp) => ({ buySellRatio: '1.1', timestamp }));
    assert.throws(
      () => parse('taker_buy_sell_ratio', sums),
      /shorter periods: the spacing of its rows is as short as 5m/,
    );
    const moments = times.map((timestamp) => ({ longShortRatio: '1.1', timestamp }));
    assert.equal(parse('top_trader_ratio', moments).snapshots.length, 1);
  });

  it('leaves out an hour whose sums still grow', () => {
    const row = (timestamp: number) => ({ buySellRatio: '1.1', timestamp });
    const { snapshots, answered } = parse('taker_buy_sell_ratio', [row(T0), row(T0 + HOUR)], {
      nowMs: T0 + HOUR + 60_000,
    });
    assert.equal(snapshots.length, 1);
    assert.equal(answered.until, T0 + HOUR);
  });

  it('speaks of no more than was published, or fits into one answer', () => {
    assert.equal(parse('funding_rate', []).answered.until, T0 + 4 * HOUR);
    assert.equal(parse('funding_rate', [funding(T0)], { limit: 1 }).answered.until, T0 + HOUR);
    assert.equal(parse('open_interest', [], { nowMs: T0 + 2 * HOUR + 10 * 60_000 }).answered.until, T0 + 2 * HOUR);
    assert.throws(() => parse('open_interest', [], { nowMs: T0 + 60_000 }), /has not published/);
    assert.throws(() => parse('funding_rate', [funding(T0, 'x')], { limit: 1 }), ExchangeDataError);
    assert.throws(() => parse('funding_rate', { code: 0 }), ExchangeDataError);
  });

  it('believes of a full page only what lies between its rows, where it may be cut at its start too', () => {
    const { readRow, periodMs } = BINANCE_FEEDS.funding_rate;
    const read = (limit: number, mayBeCutAtStart: boolean) =>
      parseFuturesPage({
        exchange: 'test',
        feed: 'funding_rate',
        subject: 'funding',
        asked: { since: T0, until: T0 + 20 * HOUR },
        limit,
        nowMs: T0 + 100 * HOUR,
        rows: [funding(T0 + 16 * HOUR), funding(T0 + 8 * HOUR)],
        readRow,
        periodMs,
        mayBeCutAtStart,
      }).answered;
    assert.deepEqual(read(2, true), { since: T0 + 8 * HOUR, until: T0 + 17 * HOUR });
    assert.deepEqual(read(2, false), { since: T0, until: T0 + 17 * HOUR });
    assert.deepEqual(read(3, true), { since: T0, until: T0 + 20 * HOUR });
  });
});
