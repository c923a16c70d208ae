import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WeightCounter } from '../../../simulator/weight-counter.ts';
import { RequestParameters } from '../../../simulator/request-parameters.ts';
import { createRoutes } from '../../../simulator/routes.ts';
import { DEFAULT_MARKETS } from '../../../simulator/symbol-catalogue.ts';
import { createVenue } from '../../../simulator/venue.ts';
import { WireError } from '../../../simulator/wire-error.ts';

const NOW = Date.UTC(2026, 8, 1, 10, 20, 30);
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const routes = createRoutes(createVenue({ seed: 'test', markets: DEFAULT_MARKETS, recorded: [] }));

type Query = Record<string, string | number>;

function answer(path: string, query: Query, nowMs: number): unknown {
  const parameters = new RequestParameters(
    new URLSearchParams(Object.entries(query).map(([k, v]) => [k, String(v)] as [string, string])),
  );
  return routes.get(path)!.answer(parameters, nowMs);
}

const ask = (path: string, query: Query, nowMs = NOW) => answer(path, query, nowMs) as Query[];
const askOne = (path: string, query: Query, nowMs = NOW) => answer(path, query, nowMs) as Record<string, string>;
const askKlines = (path: string, query: Query, nowMs = NOW) => answer(path, query, nowMs) as (string | number)[][];
const askListing = (path: string, nowMs = NOW) =>
  answer(path, {}, nowMs) as { symbols: { symbol: string; status: string }[] };

function assertRefused(path: string, query: Query, code: number | string): void {
  assert.throws(
    () => ask(path, query),
    (error) =>
      error instanceof WireError && error.status === 400 && (error.body as { code: number | string }).code === code,
    `${path} ${JSON.stringify(query)} is refused with ${code}`,
  );
}

const BTC = { symbol: 'BTCUSDT' };
const HOURLY = { ...BTC, interval: '1h' };

describe('routes', () => {
  it('refuses in the words of Binance', () => {
    for (const path of ['/api/v3/klines', '/fapi/v1/klines', '/fapi/v1/markPriceKlines']) {
      assertRefused(path, { interval: '1h' }, -1102);
      assertRefused(path, BTC, -1102);
      assertRefused(path, { symbol: '', interval: '1h' }, -1102);
      assertRefused(path, { symbol: 'NONEUSDT', interval: '1h' }, -1121);
      assertRefused(path, { ...BTC, interval: '7m' }, -1120);
      assertRefused(path, { ...HOURLY, startTime: '-5' }, -1100);
      assertRefused(path, { ...HOURLY, endTime: 'now' }, -1100);
      assertRefused(path, { ...HOURLY, endTime: '99999999999999999999' }, -1130);
      assertRefused(path, { ...HOURLY, limit: 0 }, -1130);
    }
    assertRefused('/fapi/v1/klines', { symbol: 'PEPEUSDT', interval: '1h' }, -1121);
    assertRefused('/api/v3/exchangeInfo', { symbol: 'NONEUSDT' }, -1121);
  });

  it('answers more rows than the limit with the limit', () => {
    assert.equal(ask('/api/v3/klines', { ...HOURLY, limit: 5_000 }).length, 1_000);
    assert.equal(ask('/fapi/v1/klines', { ...HOURLY, limit: 5_000 }).length, 1_500);
    assert.equal(ask('/api/v3/klines', HOURLY).length, 500);
  });

  it('writes the twelve columns as Binance does', () => {
    const [spot] = askKlines('/api/v3/klines', { ...HOURLY, limit: 1, startTime: NOW - DAY });
    assert.equal(spot?.length, 12);
    for (const column of [1, 2, 3, 4, 5, 7, 9, 10]) assert.match(String(spot[column]), /^\d+\.\d{8}$/);
    assert.deepEqual([typeof spot[0], typeof spot[6], typeof spot[8], spot[11]], ['number', 'number', 'number', '0']);
    const [mark] = askKlines('/fapi/v1/markPriceKlines', { ...HOURLY, limit: 1, startTime: NOW - DAY });
    assert.deepEqual([mark?.[5], ...(mark?.slice(7) ?? [])], ['0', '0', 3_600, '0', '0', '0']);
  });

  it('lists what trades now, what is halted, and nothing before its listing', () => {
    const { symbols } = askListing('/api/v3/exchangeInfo');
    assert.ok(symbols.filter(({ symbol }) => symbol.endsWith('USDT')).length >= 10);
    assert.deepEqual(
      symbols.filter(({ status }) => status === 'BREAK').map(({ symbol }) => symbol),
      ['XMRUSDT'],
    );
    const perpetuals = new Set(askListing('/fapi/v1/exchangeInfo').symbols.map(({ symbol }) => symbol));
    assert.ok(perpetuals.has('BTCUSDT') && !perpetuals.has('PEPEUSDT'));
    assert.ok(symbols.some(({ symbol }) => symbol === 'NOVAUSDT'));
    const before = Date.UTC(2026, 0, 1);
    assert.ok(!askListing('/api/v3/exchangeInfo', before).symbols.some(({ symbol }) => symbol === 'NOVAUSDT'));
    const halted = askKlines('/api/v3/klines', { symbol: 'XMRUSDT', interval: '1h', limit: 1 });
    assert.equal(halted[0]?.[0], Date.UTC(2024, 1, 20, 2));
  });

  it('keeps spot, perpetual, index and mark price of a coin close together', () => {
    const at = { ...HOURLY, startTime: NOW - DAY, limit: 24 };
    const spot = askKlines('/api/v3/klines', at);
    const perpetual = askKlines('/fapi/v1/klines', at);
    const mark = askKlines('/fapi/v1/markPriceKlines', at);
    for (const [index, row] of spot.entries()) {
      for (const other of [perpetual, mark]) {
        assert.ok(Math.abs(Number(other[index]?.[4]) / Number(row[4]) - 1) < 0.005);
      }
    }
    const premium = askOne('/fapi/v1/premiumIndex', BTC);
    assert.ok(Math.abs(Number(premium['markPrice']) / Number(premium['indexPrice']) - 1) < 0.005);
    assert.equal(Number(premium['nextFundingTime']), Date.UTC(2026, 8, 1, 16));
    assert.equal(ask('/fapi/v1/premiumIndex', {}).length, ask('/fapi/v1/fundingInfo', {}).length);
  });

  it('settles funding every eight hours, stamped 0 to 19 ms late', () => {
    const rows = ask('/fapi/v1/fundingRate', { ...BTC, limit: 900 });
    assert.equal(rows.length, 900);
    assert.deepEqual(rows, ask('/fapi/v1/fundingRate', { ...BTC, limit: 900 }));
    const delays = rows.map(({ fundingTime }) => Number(fundingTime) % (8 * HOUR));
    assert.ok(delays.every((delay) => delay <= 19) && delays.includes(0) && delays.some((delay) => delay > 0));
    const slots = rows.map(({ fundingTime }) => Math.floor(Number(fundingTime) / (8 * HOUR)));
    assert.ok(slots.every((slot, index) => index === 0 || slot === slots[index - 1]! + 1));
    assert.equal(slots.at(-1), Math.floor(NOW / (8 * HOUR)));
    for (const { fundingRate } of rows) assert.match(String(fundingRate), /^-?0\.\d{8}$/);
    assert.ok(new Set(rows.map(({ fundingRate }) => fundingRate)).size > 10);
    assert.equal(rows.at(-1)?.['fundingRate'], askOne('/fapi/v1/premiumIndex', BTC)['lastFundingRate']);

    const [first] = rows;
    const time = Number(first?.['fundingTime']);
    assert.deepEqual(ask('/fapi/v1/fundingRate', { ...BTC, startTime: time, limit: 1 }), [first]);
    assert.deepEqual(ask('/fapi/v1/fundingRate', { ...BTC, startTime: time, endTime: time }), [first]);
    assert.deepEqual(ask('/fapi/v1/fundingRate', { ...BTC, endTime: time, limit: 1 }), [first]);
    assert.deepEqual(ask('/fapi/v1/fundingRate', { ...BTC, startTime: NOW + 1 }), []);
    const all = ask('/fapi/v1/fundingRate', { ...BTC, startTime: 0, limit: 1 });
    assert.ok(Number(all[0]?.['fundingTime']) >= Date.UTC(2019, 8, 8, 17));
    assertRefused('/fapi/v1/fundingRate', { ...BTC, limit: 1_001 }, '000002');
  });

  for (const path of ['openInterestHist', 'topLongShortPositionRatio', 'takerlongshortRatio']) {
    it(`reaches back thirty days in ${path}, and no further`, () => {
      const url = `/futures/data/${path}`;
      const hourly = { ...BTC, period: '1h' };
      const times = (query: object) => ask(url, { ...hourly, ...query }).map(({ timestamp }) => Number(timestamp));
      const day = times({ startTime: NOW - 10 * DAY, endTime: NOW - 9 * DAY, limit: 500 });
      assert.equal(day.length, 24);
      assert.ok(day.every((time, index) => time % HOUR === 0 && (index === 0 || time === day[index - 1]! + HOUR)));
      assert.equal(times({}).length, 30);
      assert.ok(times({}).at(-1)! <= NOW);
      const span = times({ startTime: NOW - 29 * DAY, limit: 500 });
      assert.deepEqual([span.length, span.at(-1)], [500, times({}).at(-1)]);
      assertRefused(url, { ...hourly, startTime: NOW - 30 * DAY - 1 }, -1130);
      assertRefused(url, { ...hourly, endTime: NOW - 31 * DAY }, -1130);
      assertRefused(url, { ...hourly, limit: 501 }, -1130);
      assertRefused(url, { ...BTC, period: '1m' }, -1120);
      assertRefused(url, BTC, -1102);
      assertRefused(url, { symbol: 'PEPEUSDT', period: '1h' }, -1121);
    });
  }

  it('gives statistics that agree with each other and with the candles', () => {
    const window = { startTime: NOW - DAY, endTime: NOW - HOUR };
    const statistic = (path: string) => ask(`/futures/data/${path}`, { ...BTC, period: '1h', ...window });
    const mark = new Map(
      askKlines('/fapi/v1/markPriceKlines', { ...HOURLY, ...window }).map((row) => [row[0], row[1]]),
    );
    for (const row of statistic('openInterestHist')) {
      const value = Number(row['sumOpenInterest']) * Number(mark.get(row['timestamp']));
      assert.ok(Math.abs(value / Number(row['sumOpenInterestValue']) - 1) < 1e-9);
    }
    for (const row of statistic('topLongShortPositionRatio')) {
      const [long, short] = [Number(row['longAccount']), Number(row['shortAccount'])];
      assert.ok(Math.abs(long + short - 1) < 1e-9);
      assert.ok(Math.abs(long / short - Number(row['longShortRatio'])) < 1e-4);
    }
    const candles = new Map(askKlines('/fapi/v1/klines', { ...HOURLY, ...window }).map((row) => [row[0], row]));
    for (const row of statistic('takerlongshortRatio')) {
      const candle = candles.get(row['timestamp']);
      assert.equal(Number(row['buyVol']), Number(candle?.[9]));
      assert.ok(Math.abs(Number(row['buyVol']) + Number(row['sellVol']) - Number(candle?.[5])) < 1e-6);
    }
  });

  it('weighs requests as documented', () => {
    const weight = (path: string, query: Record<string, string>) =>
      routes.get(path)!.weight(new RequestParameters(new URLSearchParams(query)));
    assert.equal(weight('/api/v3/klines', {}), 2);
    assert.equal(weight('/api/v3/exchangeInfo', {}), 20);
    const futures = ['99', '100', '499', '500', '1000', '1001'].map((limit) => weight('/fapi/v1/klines', { limit }));
    assert.deepEqual(futures, [1, 2, 2, 5, 5, 10]);
    assert.equal(weight('/fapi/v1/klines', {}), 5);
    assert.equal(weight('/fapi/v1/premiumIndex', {}), 10);
  });

  it('counts weight per minute and says how long to wait when it is spent', () => {
    let nowMs = 60_000 * 1_000 + 45_000;
    const counter = new WeightCounter({ now: () => nowMs });
    assert.deepEqual(counter.spend('spot', 6_000), { used: 6_000, retryAfterMs: null });
    assert.deepEqual(counter.spend('spot', 2), { used: 6_002, retryAfterMs: 15_000 });
    assert.equal(counter.used('futures'), 0);
    nowMs += 15_000;
    assert.deepEqual(counter.spend('spot', 2), { used: 2, retryAfterMs: null });
  });
});
