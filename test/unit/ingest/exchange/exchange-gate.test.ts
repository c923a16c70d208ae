import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { ExchangeRejectedError, ExchangeUnavailableError } from '../../../../src/errors.ts';
import { ExchangeGate } from '../../../../src/ingest/exchange/exchange-gate.ts';
import { createKeptLog } from '../../../support/kept-log.ts';
import { createCandle, MemoryStream, VirtualClock } from '../fakes.ts';
import { BTC, closedUntil, createSetting, HOUR, M1, MINUTE, START } from '../setting.ts';

let stop = (): Promise<void> => Promise.resolve();
afterEach(async () => {
  await stop();
});

const UNREACHABLE = () => new ExchangeUnavailableError('binance', 'connect ECONNREFUSED');

function createGate() {
  const clock = new VirtualClock(START);
  const gate = new ExchangeGate({ exchange: 'binance', logger: createKeptLog().logger, clock });
  return { clock, gate };
}

describe('a sign that the exchange is back', () => {
  it('ends a wait of our own choice, once', () => {
    const { gate } = createGate();
    for (let n = 0; n < 8; n++) gate.noteUnavailable(UNREACHABLE(), START + n);
    assert.ok(gate.blockedUntil > START + 20_000);
    assert.equal(gate.noteSign(), true);
    assert.ok(gate.blockedUntil <= START);
    assert.deepEqual([gate.state, gate.noteSign()], ['down', false], 'only an answer makes it up');
    gate.noteUnavailable(UNREACHABLE(), START + 9);
    assert.ok(gate.blockedUntil > START + 20_000, 'the try failed: the wait goes on as before');
  });

  it('ends no wait that the exchange asked for', () => {
    const { gate } = createGate();
    for (let n = 0; n < 8; n++) gate.noteUnavailable(UNREACHABLE(), START + n);
    gate.noteUnavailable(new ExchangeUnavailableError('binance', '429', { retryAfterMs: 7_000 }), START + 9);
    gate.noteSign();
    assert.equal(gate.blockedUntil, START + 7_000);
    gate.noteUnavailable(new ExchangeUnavailableError('binance', '418', { reason: 'banned' }), START + 10);
    assert.equal(gate.noteSign(), false);
    assert.equal(gate.blockedUntil, START + 120_000);
    gate.noteRefused(new ExchangeRejectedError('binance', '451', { reason: 'access' }));
    assert.equal(gate.noteSign(), false);
    assert.equal(gate.blockedUntil, START + 15 * MINUTE);
  });

  it('is a live stream that comes back: REST asks at once, and one try only', async () => {
    const { clock, exchange, start, stop: stopAll, stores, untilComplete } = createSetting();
    stop = stopAll;
    const stream = new MemoryStream();
    exchange.candleStream = stream;
    exchange.list('BTC/USDT', createCandle);
    const service = await start({ sinceMs: START - HOUR });
    assert.ok(await untilComplete(service));
    let tries = 0;
    const fail = () => {
      tries++;
      return UNREACHABLE();
    };
    exchange.failure = fail;
    exchange.generalFailure = fail;
    stream.drop('BTC/USDT', M1);
    await clock.run(15 * MINUTE);
    const failed = tries;
    assert.ok(await clock.runUntil(() => tries > failed, 2 * MINUTE));
    // The next one is most of a minute away.
    await clock.run(3_000);
    const before = tries;
    stream.revive();
    await clock.run(2_000);
    assert.equal(tries, before + 1, 'one try');
    exchange.failure = () => null;
    exchange.generalFailure = () => null;
    stream.revive();
    const revivedAt = clock.now();
    await clock.run(1_500);
    const newest = stores.list(BTC).at(-1)?.timestamp ?? 0;
    assert.ok(newest >= closedUntil(revivedAt) - 2 * MINUTE, new Date(newest).toISOString());
  });
});
