import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, it } from 'node:test';
import { ExchangeUnavailableError } from '../../src/errors.ts';
import type { Clock } from '../../src/clock.ts';
import { ACCESS_WAITS } from '../../src/exchanges/kit/access-waits.ts';
import { elapsedMs } from '../support/machine-watch.ts';
import { waitUntil } from '../support/patience.ts';
import { KeptStream, StreamStage } from '../support/stream-stage.ts';
import { startRefusingStream } from '../support/zoo/refusing-stream.ts';
import { pushText } from '../unit/exchanges/binance/pushes.ts';

const MINUTE = 60_000;
const T0 = Math.floor(Date.now() / MINUTE) * MINUTE - 60 * MINUTE;
const BTC = 'BTC/USDT 1m';

describe('the live stream of Binance', () => {
  it('subscribes in pieces and gives only closed candles, with every digit', async () => {
    await using stage = await StreamStage.open();
    await using kept = new KeptStream(stage.url, { limits: { streamsPerMessage: 2 } });
    assert.equal(kept.stream.state().state, 'connecting', 'nothing is live before anything is subscribed to');
    kept.subscribe(BTC, 'ETH/USDT 1m', 'ETH/USDT 1h', 'BTC/USDT 7m');
    await waitUntil(() => stage.clients[0]?.streams.size === 3, 'the subscription');
    assert.equal(stage.last.url, '/stream');
    assert.deepEqual(
      stage.last.requests.map(({ method, params }) => [method, ...params]),
      [
        ['SUBSCRIBE', 'btcusdt@kline_1m', 'ethusdt@kline_1m'],
        ['SUBSCRIBE', 'ethusdt@kline_1h'],
      ],
    );
    await waitUntil(() => kept.isLive('ETH/USDT 1h'), 'life');
    assert.equal(kept.isLive('BTC/USDT 7m'), false);
    const pushedAt = Date.now();
    stage.push(pushText(T0, { x: false }));
    stage.push(pushText(T0, { o: '2.0000', v: '0.00000100' }));
    stage.push(pushText(T0, { s: 'XRPUSDT' }));
    await waitUntil(() => kept.candles.length > 0, 'the candle');
    assert.deepEqual(kept.candles, [
      {
        symbol: 'BTC/USDT',
        timeframe: '1m',
        candle: { timestamp: T0, open: '2.0000', high: '3.10', low: '1.00', close: '2.50', volume: '0.00000100' },
      },
    ]);
    const { last_message_at: at, ...state } = kept.stream.state();
    const atMs = Date.parse(at ?? '');
    assert.ok(atMs >= pushedAt && atMs <= Date.now(), String(at));
    const quiet = { reconnects: 0, received: 1, last_error: null };
    assert.deepEqual(state, { state: 'live', subscribed: 3, connections: 1, ...quiet });
    assert.deepEqual(kept.gaps, []);
  });

  it('is down, and says why, where every subscription was refused', async () => {
    await using server = await startRefusingStream();
    await using kept = new KeptStream(server.url);
    kept.subscribe(BTC, 'ETH/USDT 1m');
    await waitUntil(() => kept.stream.state().state === 'down', 'two refusals');
    assert.equal(kept.log.length, 2);
    assert.equal(kept.isLive(BTC), false);
    const { state, subscribed, connections, last_error: error } = kept.stream.state();
    assert.deepEqual({ state, subscribed, connections }, { state: 'down', subscribed: 0, connections: 1 });
    const why = 'Invalid request: unknown stream';
    assert.equal(error, `the exchange refused 2 of 2 series: BTC/USDT 1m, ETH/USDT 1m: ${why}`);
    assert.equal(kept.lives, 0);
  });

  it('is live where some were refused, and names them until they are not wanted any more', async () => {
    await using server = await startRefusingStream((stream) => /^(old|gone)\d*usdt/.test(stream));
    await using kept = new KeptStream(server.url);
    const gone = [1, 2, 3, 4, 5, 6].map((number) => `GONE${number}/USDT 1m`);
    kept.subscribe(BTC, 'OLD/USDT 1m', ...gone);
    await waitUntil(() => kept.stream.state().state === 'live', 'life');
    const { subscribed, last_error: error } = kept.stream.state();
    assert.equal(subscribed, 1);
    assert.match(error ?? '', /refused 7 of 8 series: OLD\/USDT 1m, GONE1.*, GONE4\/USDT 1m, … \(7\): Invalid request/);
    kept.subscribe(BTC, 'ETH/USDT 1m');
    await waitUntil(() => kept.stream.state().subscribed === 2, 'both');
    assert.deepEqual([kept.stream.state().state, kept.stream.state().last_error], ['live', null]);
  });

  it('follows what is wanted, over as many connections as it takes', async () => {
    await using stage = await StreamStage.open();
    const unlisted = new Set(['NEW/USDT']);
    await using kept = new KeptStream(stage.url, {
      limits: { streamsPerConnection: 2 },
      findMarketId: (symbol) => Promise.resolve(unlisted.has(symbol) ? null : symbol.replace('/', '')),
    });
    const all = ['A/USDT 1m', 'B/USDT 1m', 'C/USDT 1m', 'D/USDT 1m', 'E/USDT 1m', 'NEW/USDT 1m'];
    kept.subscribe(...all);
    await waitUntil(() => kept.stream.state().subscribed === 5, 'five series');
    assert.equal(kept.stream.state().connections, 3);
    assert.deepEqual(
      stage.clients.map(({ streams }) => streams.size),
      [2, 2, 1],
    );
    unlisted.clear();
    kept.subscribe(...all.slice(2));
    await waitUntil(() => kept.isLive('NEW/USDT 1m'), 'the new listing');
    await waitUntil(() => stage.clients.some(({ isClosed }) => isClosed), 'the end of an empty connection');
    assert.deepEqual([kept.isLive('A/USDT 1m'), kept.stream.state().connections], [false, 2]);
    assert.deepEqual(kept.gaps, [], 'what is not wanted any more is no gap');
  });

  it('comes back after a drop, and says what it may have missed', async () => {
    await using stage = await StreamStage.open();
    await using kept = new KeptStream(stage.url);
    kept.subscribe(BTC, 'ETH/USDT 1m');
    await waitUntil(() => kept.isLive('ETH/USDT 1m'), 'life');
    const livesBefore = kept.lives;
    stage.last.socket.terminate();
    await waitUntil(() => kept.gaps.length > 0, 'the gap');
    assert.deepEqual(kept.gaps[0], [BTC, 'ETH/USDT 1m']);
    assert.match(kept.stream.state().last_error ?? '', /closed the connection \(1006\)/);
    await waitUntil(() => kept.isLive(BTC) && kept.isLive('ETH/USDT 1m'), 'life again');
    assert.ok(livesBefore > 0 && kept.lives > livesBefore, 'it says when it is live, and live again');
    stage.push(pushText(T0));
    await waitUntil(() => kept.candles.length === 1, 'a candle');
    const { state, reconnects, last_error: error } = kept.stream.state();
    assert.deepEqual([state, reconnects, error], ['live', 1, null]);
  });

  it('tells a skipped candle, and leaves out one that was sent twice', async () => {
    await using stage = await StreamStage.open();
    await using kept = new KeptStream(stage.url, { exchangeNow: () => T0 + 60_500 });
    kept.subscribe(BTC);
    await waitUntil(() => kept.isLive(BTC), 'life');
    for (const text of [pushText(T0), pushText(T0), pushText(T0, { c: '2.51' })]) stage.push(text);
    await waitUntil(() => kept.candles.length === 2, 'two candles');
    assert.deepEqual(kept.gaps, []);
    stage.push(pushText(T0 + 2 * MINUTE));
    await waitUntil(() => kept.rejected.length === 1, 'the refusal of a candle from the future');
    assert.deepEqual(kept.rejected[0]?.reason, 'the opening time lies in the future');
    assert.deepEqual(kept.rejected[0].timestamp, T0 + 2 * MINUTE);
  });

  it('asks for what was skipped and goes on', async () => {
    await using stage = await StreamStage.open();
    let nowMs = T0 + 60_500;
    await using kept = new KeptStream(stage.url, { exchangeNow: () => nowMs });
    kept.subscribe(BTC);
    await waitUntil(() => kept.isLive(BTC), 'life');
    stage.push(pushText(T0));
    await waitUntil(() => kept.candles.length === 1, 'the first');
    nowMs += 2 * MINUTE;
    stage.push(pushText(T0 + 2 * MINUTE));
    await waitUntil(() => kept.candles.length === 2, 'the third');
    assert.deepEqual(kept.gaps, [[BTC]]);
  });

  it('drops a connection that is silent, though it is open', async () => {
    await using stage = await StreamStage.open();
    await using kept = new KeptStream(stage.url, { limits: { silenceMs: 240 } });
    kept.subscribe(BTC);
    await waitUntil(() => kept.isLive(BTC), 'life');
    const [first] = stage.clients;
    await waitUntil(() => kept.gaps.length === 1, 'the gap');
    assert.match(kept.stream.state().last_error ?? '', /nothing came/);
    await waitUntil(() => stage.clients.length === 2 && first!.isClosed, 'the next connection');
  });

  it('does not call a series live whose connection only pings', async () => {
    await using stage = await StreamStage.open();
    await using kept = new KeptStream(stage.url, { limits: { silenceMs: 240 } });
    kept.subscribe(BTC);
    await waitUntil(() => kept.isLive(BTC), 'life');
    const pings = setInterval(() => stage.last.socket.ping(), 20);
    try {
      await waitUntil(() => !kept.isLive(BTC), 'doubt');
      assert.deepEqual([stage.clients.length, kept.stream.state().state], [1, 'live']);
      stage.push(pushText(T0, { x: false }));
      await waitUntil(() => kept.isLive(BTC), 'trust');
    } finally {
      clearInterval(pings);
    }
  });

  it('drops one that does not answer SUBSCRIBE, and one that talks nonsense', async () => {
    await using stage = await StreamStage.open();
    await using kept = new KeptStream(stage.url, { limits: { answerTimeoutMs: 100 } });
    stage.isAnswering = false;
    kept.subscribe(BTC);
    await waitUntil(() => stage.clients.length === 2, 'a second try');
    assert.equal(kept.isLive(BTC), false);
    stage.isAnswering = true;
    await waitUntil(() => kept.isLive(BTC), 'life');
    const count = stage.clients.length;
    for (let n = 0; n < 9; n++) stage.last.socket.send('<html>504 Gateway Time-out</html>');
    stage.push(pushText(T0));
    stage.push('{"stream":"btcusdt@kline_1m","data":{"e":"kline","k":{"t":' + String(T0) + ',"o":null}}}');
    await waitUntil(() => kept.rejected.length === 1, 'the refusal');
    assert.equal(kept.rejected[0]?.timestamp, T0);
    assert.deepEqual([kept.candles.length, stage.clients.length], [1, count], 'a few do no harm');
    for (let n = 0; n < 10; n++) stage.last.socket.send('<html>504 Gateway Time-out</html>');
    await waitUntil(() => stage.clients.length === count + 1, 'another connection');
  });

  it('gives up a handshake that nobody answers, and stops at once while it waits', async () => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => void sockets.push(socket));
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    try {
      const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/stream`;
      await using kept = new KeptStream(url, { limits: { handshakeTimeoutMs: 100 } });
      kept.subscribe(BTC);
      await waitUntil(() => sockets.length === 2, 'a second try');
      assert.match(kept.stream.state().last_error ?? '', /handshake has timed out/);
      assert.equal(kept.stream.state().state, 'down');
      const stoppedMs = await elapsedMs(() => kept.stop());
      assert.ok(stoppedMs < 1_000, `${stoppedMs} ms`);
    } finally {
      for (const socket of sockets) socket.destroy();
      server.close();
    }
  });

  it('leaves an exchange alone that refuses it, and waits as long as it is told to', async () => {
    await using stage = await StreamStage.open();
    stage.refuse = (attempt) =>
      attempt === 1 ? 'HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\n\r\n' : 'HTTP/1.1 451 Unavailable\r\n\r\n';
    await using kept = new KeptStream(stage.url);
    kept.subscribe(BTC);
    await waitUntil(() => stage.attempts.length === 2, 'the second try');
    assert.ok(stage.attempts[1]! - stage.attempts[0]! >= 990);
    await delay(300);
    assert.equal(stage.attempts.length, 2);
    assert.match(kept.stream.state().last_error ?? '', /refuses this address \(HTTP 451\); REST polling goes on/);
  });

  it('waits after refusals without a time as every request does, longer with each in a row', async () => {
    await using stage = await StreamStage.open();
    let nowMs = T0;
    const tries: number[] = [];
    const clock: Clock = {
      now: () => nowMs,
      sleep: async (ms, signal) => {
        await delay(1, undefined, { signal });
        nowMs += ms;
      },
    };
    stage.refuse = () => {
      tries.push(nowMs);
      return 'HTTP/1.1 429 Too Many Requests\r\n\r\n';
    };
    await using kept = new KeptStream(stage.url, { clock });
    kept.subscribe(BTC);
    await waitUntil(() => tries.length >= 4, 'four tries');
    const waits = [1, 2, 3].map((index) => tries[index]! - tries[index - 1]!);
    const { firstMs } = ACCESS_WAITS.throttled;
    for (const [index, waitMs] of waits.entries()) {
      assert.ok(waitMs >= firstMs * 2 ** index, `${waits.join(', ')} ms`);
      assert.ok(waitMs <= firstMs * 2 ** index + 10_000, `${waits.join(', ')} ms`);
    }
  });

  it('renews a connection before it breaks, without losing or repeating a candle', async () => {
    await using stage = await StreamStage.open();
    let nowMs = T0;
    await using kept = new KeptStream(stage.url, {
      limits: { renewAfterMs: 150, renewSpreadMs: 0, connectsPerMinute: 100 },
      exchangeNow: () => nowMs,
    });
    kept.subscribe(BTC);
    await waitUntil(() => kept.isLive(BTC), 'life');
    let pushed = 0;
    for (; pushed < 200; pushed++) {
      nowMs = T0 + (pushed + 1) * MINUTE + 20;
      assert.ok(kept.isLive(BTC));
      stage.push(pushText(T0 + pushed * MINUTE));
      await delay(5);
    }
    await waitUntil(() => kept.candles.length === pushed, 'the last candle');
    assert.deepEqual(
      kept.candles.map(({ candle }) => (candle.timestamp - T0) / MINUTE),
      Array.from({ length: pushed }, (_, index) => index),
    );
    assert.ok(stage.clients.length >= 4, `${stage.clients.length} connections`);
    assert.deepEqual(kept.gaps, []);
  });

  it('moves on when the server says that it shuts down', async () => {
    await using stage = await StreamStage.open();
    await using kept = new KeptStream(stage.url);
    kept.subscribe(BTC);
    await waitUntil(() => kept.isLive(BTC), 'life');
    stage.push(`{"e":"serverShutdown","E":${T0}}`);
    await waitUntil(() => stage.clients.length === 2 && stage.clients[0]!.isClosed, 'the successor');
    assert.deepEqual([kept.isLive(BTC), kept.gaps], [true, []]);
  });

  it('looks its markets up again where that failed', async () => {
    await using stage = await StreamStage.open();
    let asked = 0;
    await using kept = new KeptStream(stage.url, {
      findMarketId: () =>
        asked++ === 0
          ? Promise.reject(new ExchangeUnavailableError('binance', 'no answer'))
          : Promise.resolve('BTCUSDT'),
    });
    kept.subscribe(BTC);
    await waitUntil(() => kept.isLive(BTC), 'life');
    assert.ok(kept.log.some(({ msg, error }) => msg.includes('look up its markets') && error === 'no answer'));
  });

  it('says goodbye and resolves when it is stopped, and fails for a fault of its listener', async () => {
    await using stage = await StreamStage.open();
    const kept = new KeptStream(stage.url);
    kept.subscribe(BTC);
    await waitUntil(() => kept.isLive(BTC), 'life');
    const farewell = new Promise((done) => stage.last.socket.once('close', done));
    await kept.stop();
    assert.equal(await farewell, 1000);
    assert.deepEqual([kept.gaps, kept.stream.state().connections], [[], 0]);
    await using broken = new KeptStream(stage.url, {
      onCandle: () => {
        throw new Error('a bug of ours');
      },
    });
    broken.subscribe(BTC);
    await waitUntil(() => broken.isLive(BTC), 'life');
    stage.push(pushText(T0));
    await assert.rejects(broken.ended, /a bug of ours/);
  });
});
