import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { ExchangeUnavailableError } from '../../../../src/errors.ts';
import type { RequestBlock } from '../../../../src/exchanges/exchange.ts';
import { createCandle } from '../fakes.ts';
import { MemoryBlocks } from '../memory-blocks.ts';
import { createSetting, DAY, HOUR, MINUTE, START } from '../setting.ts';

let stop = (): Promise<void> => Promise.resolve();
afterEach(async () => {
  await stop();
});

function createShared() {
  const blocks = new MemoryBlocks();
  const setting = createSetting({ blocks });
  stop = setting.stop;
  blocks.now = () => setting.clock.now();
  setting.exchange.list('BTC/USDT', createCandle);
  let calls = 0;
  const asked = () => setting.exchange.requests.length + calls;
  setting.exchange.generalFailure = () => {
    calls++;
    return null;
  };
  const ban = (minutes: number): RequestBlock => ({
    reason: 'banned',
    until: setting.clock.now() + minutes * MINUTE,
    message: 'banned until later',
  });
  return { ...setting, blocks, asked, ban };
}

describe('what an exchange told us to wait for', () => {
  it('holds after a restart: nothing is sent before it ends', async () => {
    const { clock, blocks, asked, ban, start, untilComplete, count, exchange } = createShared();
    blocks.stored.set('binance', ban(20));
    const service = await start({ sinceMs: START - HOUR });
    await clock.run(19 * MINUTE);
    assert.equal(asked(), 0);
    assert.equal(service.exchanges()[0]?.block?.until, new Date(START + 20 * MINUTE).toISOString());
    assert.equal(count('the exchange told this address to wait; nothing is asked until then'), 1);
    assert.ok(await untilComplete(service));
    assert.equal(exchange.access().block, null);
    assert.equal(blocks.notes, 0, 'what was only heard of is not noted again');
  });

  it('waits for the database before the first request, and holds then', async () => {
    const { clock, blocks, asked, ban, start } = createShared();
    blocks.failure = new Error('away');
    blocks.stored.set('binance', ban(20));
    await start({ sinceMs: START - HOUR });
    await clock.run(MINUTE);
    assert.equal(asked(), 0);
    blocks.failure = null;
    await clock.run(18 * MINUTE);
    assert.equal(asked(), 0);
    await clock.run(2 * MINUTE);
    assert.ok(asked() > 0);
  });

  it('is noted as soon as it is told, once', async () => {
    const { clock, exchange, blocks, start, untilComplete } = createShared();
    const service = await start({ sinceMs: START - HOUR });
    assert.ok(await untilComplete(service));
    await clock.run(7_000);
    exchange.failure = () =>
      new ExchangeUnavailableError('binance', 'banned until later', { reason: 'banned', retryAfterMs: 30 * MINUTE });
    const isBanned = () => exchange.access().block !== null;
    assert.ok(await clock.runUntil(isBanned, 2 * MINUTE));
    const toldAt = clock.now();
    assert.ok(await clock.runUntil(() => blocks.notes > 0, MINUTE));
    assert.equal(clock.now(), toldAt, 'a process may be killed in the next second');
    const until = toldAt + 30 * MINUTE;
    assert.deepEqual(blocks.stored.get('binance'), { reason: 'banned', until, message: 'banned until later' });
    await clock.run(10 * MINUTE);
    assert.equal(blocks.notes, 1);
  });

  it('reaches a process beside us within seconds', async () => {
    const { clock, blocks, asked, ban, start, untilComplete } = createShared();
    const service = await start({ sinceMs: START - HOUR });
    assert.ok(await untilComplete(service));
    blocks.stored.set('binance', ban(30));
    await clock.run(6_000);
    const before = asked();
    await clock.run(20 * MINUTE);
    assert.equal(asked(), before);
    assert.equal(service.exchanges()[0]?.block?.reason, 'banned');
  });

  it('was looked up less than five seconds before any request, also in a long backfill and with slow answers', async () => {
    const { clock, exchange, blocks, start, untilComplete } = createShared();
    const ages: number[] = [];
    const answer = exchange.fetchCandles.bind(exchange);
    exchange.fetchCandles = async (request, signal) => {
      ages.push(clock.now() - blocks.foundAt);
      await clock.sleep(12_000, signal);
      return await answer(request, signal);
    };
    const service = await start({ sinceMs: START - 20 * DAY });
    assert.ok(await untilComplete(service));
    await clock.run(20 * MINUTE);
    assert.ok(ages.length > 20, `${ages.length} requests`);
    assert.ok(Math.max(...ages) <= 5_000, `${Math.max(...ages)} ms`);
  });

  it('is looked up for those requests only: in between the database is left alone', async () => {
    const { clock, asked, blocks, start, untilComplete } = createShared();
    const service = await start({ sinceMs: START - HOUR });
    assert.ok(await untilComplete(service));
    await clock.run(10_000);
    const before = { finds: blocks.finds, asked: asked() };
    await clock.run(30 * MINUTE);
    const finds = blocks.finds - before.finds;
    assert.ok(finds > 0 && finds <= asked() - before.asked, `${finds} looks for ${asked() - before.asked} requests`);
  });

  it('is over when it is over, whatever is stored of it', async () => {
    const { blocks, ban, start, untilComplete, exchange } = createShared();
    blocks.stored.set('binance', ban(-1));
    assert.ok(await untilComplete(await start({ sinceMs: START - HOUR })));
    assert.equal(exchange.adopted, null);
  });
});
