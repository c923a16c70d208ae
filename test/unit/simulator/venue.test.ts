import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RequestParameters } from '../../../simulator/request-parameters.ts';
import { createRoutes } from '../../../simulator/routes.ts';
import { DEFAULT_MARKETS, inventMarkets } from '../../../simulator/symbol-catalogue.ts';
import { createVenue } from '../../../simulator/venue.ts';
import { WireError } from '../../../simulator/wire-error.ts';

const MINUTE = 60_000;
const NOW = Date.UTC(2026, 8, 1, 10, 20, 30);
const FULL = NOW - 30_000;

function createStage() {
  const venue = createVenue({ seed: 'test', markets: DEFAULT_MARKETS.slice(0, 2), recorded: [] });
  const routes = createRoutes(venue);
  const ask = (path: string, query: Record<string, string>, nowMs: number): unknown =>
    routes.get(path)!.answer(new RequestParameters(new URLSearchParams(query)), nowMs);
  const klines = (symbol: string, interval: string, nowMs: number, path = '/api/v3/klines') =>
    ask(path, { symbol, interval, limit: '1000' }, nowMs) as (string | number)[][];
  const statuses = (path: string, nowMs: number) =>
    (ask(path, {}, nowMs) as { symbols: { symbol: string; status: string }[] }).symbols
      .map(({ symbol, status }) => `${symbol} ${status}`)
      .sort();
  return { venue, klines, statuses };
}

const isUnknown = (error: unknown) => error instanceof WireError && (error.body as { code: number }).code === -1121;

describe('Venue', () => {
  it('lists a market while it is open, from its minute on', () => {
    const { venue, klines, statuses } = createStage();
    const listedMs = FULL + 2 * MINUTE;
    venue.list({ ...DEFAULT_MARKETS[2]!, listedMs });
    assert.throws(() => klines('SOLUSDT', '1m', listedMs - 1), isUnknown);
    assert.ok(!statuses('/api/v3/exchangeInfo', listedMs - 1).includes('SOLUSDT TRADING'));
    assert.ok(statuses('/api/v3/exchangeInfo', listedMs).includes('SOLUSDT TRADING'));
    const rows = klines('SOLUSDT', '1m', listedMs + 3 * MINUTE);
    assert.deepEqual([rows.length, rows[0]?.[0]], [4, listedMs]);
    const [hour] = klines('SOLUSDT', '1h', listedMs + 60 * MINUTE);
    assert.deepEqual([hour?.[0], hour?.[1]], [Date.UTC(2026, 8, 1, 10), rows[0]?.[1]]);
    assert.throws(() => venue.list(DEFAULT_MARKETS[2]!), /given twice/);
    assert.throws(() => venue.list({ ...DEFAULT_MARKETS[3]!, listedMs: 1 }), /full minutes/);
  });

  it('ends trading at a minute and keeps the history as it was', () => {
    const { venue, klines, statuses } = createStage();
    const before = klines('BTCUSDT', '1m', FULL);
    venue.halt('BTC/USDT', FULL);
    assert.deepEqual(statuses('/api/v3/exchangeInfo', FULL - 1), ['BTCUSDT TRADING', 'ETHUSDT TRADING']);
    assert.deepEqual(statuses('/api/v3/exchangeInfo', FULL), ['BTCUSDT BREAK', 'ETHUSDT TRADING']);
    assert.deepEqual(statuses('/fapi/v1/exchangeInfo', FULL), ['BTCUSDT CLOSE', 'ETHUSDT TRADING']);
    const after = klines('BTCUSDT', '1m', FULL + 30 * MINUTE);
    assert.equal(after.at(-1)?.[0], FULL - MINUTE);
    assert.deepEqual(after.slice(-999), before.slice(-1_000, -1));
    const hour = klines('BTCUSDT', '1h', FULL + 3 * 60 * MINUTE).at(-1);
    assert.deepEqual([hour?.[0], hour?.[4]], [Date.UTC(2026, 8, 1, 10), after.at(-1)?.[4]]);
    assert.throws(() => venue.halt('BTC/USDT', FULL), /halted before/);
    assert.throws(() => venue.halt('NONE/USDT', FULL), /not invented/);
  });

  it('makes a market unknown, and lets it come back with its whole history', () => {
    const { venue, klines, statuses } = createStage();
    const before = klines('BTCUSDT', '1h', NOW);
    venue.remove('BTC/USDT', NOW);
    assert.deepEqual(statuses('/api/v3/exchangeInfo', NOW), ['ETHUSDT TRADING']);
    assert.throws(() => klines('BTCUSDT', '1h', NOW), isUnknown);
    assert.throws(() => klines('BTCUSDT', '1h', NOW, '/fapi/v1/klines'), isUnknown);
    venue.list(DEFAULT_MARKETS[0]!);
    assert.deepEqual(klines('BTCUSDT', '1h', NOW), before);
    assert.throws(() => venue.remove('NONE/USDT', NOW), /not there/);
  });

  it('serves as many invented markets as are wanted', () => {
    const venue = createVenue({ seed: 'test', markets: inventMarkets(500), recorded: [] });
    assert.deepEqual([venue.spot.size, venue.perpetuals.size], [500, 500]);
  });
});
