import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { ExchangeUnavailableError } from '../../../../src/errors.ts';
import { createCandle, MemoryStream } from '../fakes.ts';
import { BTC, closedUntil, createSetting, HOUR, M1, MINUTE, START } from '../setting.ts';

let stop = (): Promise<void> => Promise.resolve();
afterEach(async () => {
  await stop();
});

const UNREACHABLE = () => new ExchangeUnavailableError('binance', 'connect ECONNREFUSED');

describe('a sign that the exchange is back', () => {
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
