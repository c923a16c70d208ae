import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { findKlineTopic, type KlinePush } from '../../../simulator/kline-push.ts';
import { StreamChannel } from '../../../simulator/stream-channel.ts';
import { DEFAULT_MARKETS } from '../../../simulator/symbol-catalogue.ts';
import { createVenue } from '../../../simulator/venue.ts';

const RECORDED = new URL('../../../../shared/data/cryptofeed/binance_spot_ws_kline_1m.ndjson', import.meta.url);
const skip = existsSync(RECORDED) ? false : 'the recorded data in ../shared/data is absent';
const MINUTE = 60_000;
const START = Date.UTC(2026, 8, 1, 10, 20);
const TIMES = { intervalMs: 2_000, closeDelayMs: 20 };
const venue = createVenue({ seed: 'test', markets: DEFAULT_MARKETS, recorded: [] });
const { klines } = venue.spot.get('BTCUSDT')!;

function collect(stream: string, fromMs: number, untilMs: number, stepMs: number): KlinePush[] {
  const channel = new StreamChannel(findKlineTopic(stream)!, TIMES, fromMs);
  const pushes: KlinePush[] = [];
  for (let nowMs = fromMs; nowMs <= untilMs; nowMs += stepMs) pushes.push(...channel.takeDue(klines, nowMs));
  return pushes;
}

describe('StreamChannel', () => {
  it('sends the candle in progress every two seconds and each closed one once, as REST tells it', () => {
    const pushes = collect('btcusdt@kline_1m', START + 30_000, START + 3 * MINUTE + 20, 10);
    const closed = pushes.filter(({ k }) => k.x);
    const rows = klines.listKlines({
      interval: '1m',
      startMs: START,
      endMs: null,
      limit: 3,
      nowMs: START + 9 * MINUTE,
    });
    assert.deepEqual(
      closed.map(({ k }) => [k.t, k.o, k.h, k.l, k.c, k.v, k.T, k.q, k.n, k.V, k.Q, k.B]),
      rows,
    );
    assert.deepEqual(
      closed.map(({ E, k }) => E - k.T),
      [21, 21, 21],
    );
    const open = pushes.filter(({ k }) => !k.x);
    assert.ok(open.length >= 70 && open.length <= 76, `${open.length} pushes of candles in progress`);
    for (const { E, k } of open) assert.ok(E >= k.t && E <= k.T);
  });

  it('brings what closed while the clock jumped, oldest first', () => {
    const pushes = collect('btcusdt@kline_5m', START, START + 16 * MINUTE, 16 * MINUTE);
    assert.deepEqual(
      pushes.filter(({ k }) => k.x).map(({ k }) => k.t - START),
      [0, 5 * MINUTE, 10 * MINUTE],
    );
  });

  it('says nothing about a time without a candle', () => {
    const channel = new StreamChannel(findKlineTopic('btcusdt@kline_1m')!, TIMES, START);
    assert.deepEqual(channel.takeDue({ listKlines: () => [] }, START + 5 * MINUTE), []);
    assert.equal(channel.closeDueMs, START + 5 * MINUTE + 20);
  });

  it('understands names in small letters only', () => {
    assert.deepEqual(findKlineTopic('1000satsusdt@kline_1M'), { id: '1000SATSUSDT', interval: '1M' });
    for (const name of ['BTCUSDT@kline_1m', 'btcusdt@kline_7m', 'btcusdt@trade', 'btcusdt', '']) {
      assert.equal(findKlineTopic(name), null, name);
    }
  });

  it('has the shape of recorded messages', { skip }, () => {
    const line = readFileSync(RECORDED, 'utf8').split('\n')[0]!;
    const { data } = (JSON.parse(line) as { msg: { data: KlinePush } }).msg;
    const [push] = collect('btcusdt@kline_1m', START, START + 5_000, 10);
    const shape = (value: object): unknown =>
      Object.entries(value).map(([name, part]: [string, unknown]) => [
        name,
        typeof part === 'object' && part !== null ? shape(part) : typeof part,
      ]);
    assert.deepEqual(shape(push!), shape(data));
    assert.match(push!.k.c, /^\d+\.\d{8}$/);
  });
});
