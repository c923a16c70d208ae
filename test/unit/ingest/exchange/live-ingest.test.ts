import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { createCandle, listTrue, MemoryStream } from '../fakes.ts';
import { BTC, closedUntil, createSetting as createSettingOnce, HOUR, M1, MINUTE, START } from '../setting.ts';
import { candleKey } from '../../../../src/market/coverage.ts';

const settings: ReturnType<typeof createSettingOnce>[] = [];
afterEach(async () => {
  await Promise.all(settings.splice(0).map((setting) => setting.stop()));
});

/** A service that is complete, with a live stream, half a minute after a candle closed. */
async function createLive(symbols: readonly string[] = ['BTC/USDT']) {
  const setting = createSettingOnce();
  settings.push(setting);
  const { clock, exchange, start, untilComplete } = setting;
  const stream = new MemoryStream();
  exchange.candleStream = stream;
  for (const symbol of symbols) exchange.list(symbol, createCandle);
  const service = await start({ markets: [{ exchange: 'binance', symbol: '*/USDT' }], sinceMs: START - HOUR });
  assert.ok(await untilComplete(service));
  await clock.run(closedUntil(clock.now()) + MINUTE + 30_000 - clock.now());
  exchange.requests.length = 0;
  const open = closedUntil(clock.now());
  /** Lets time pass until just after the close of the candle that opened at `slot`. */
  const runToClose = (slot: number) => clock.run(slot + MINUTE + 20 - clock.now());
  return { ...setting, stream, service, open, runToClose };
}

describe('LiveIngest', () => {
  it('stores a closed candle at once, with its ledger, and REST asks for nothing', async () => {
    const { clock, exchange, stores, stream, service, open, runToClose } = await createLive();
    assert.deepEqual(stream.subscribed, [{ symbol: 'BTC/USDT', timeframe: M1 }]);
    for (let n = 0; n < 5; n++) {
      const slot = open + n * MINUTE;
      await runToClose(slot);
      stream.send('BTC/USDT', M1, createCandle(slot));
      await clock.run(100);
      assert.equal(stores.list(BTC).at(-1)?.timestamp, slot);
    }
    assert.deepEqual(exchange.requests, []);
    assert.deepEqual(stores.audit(BTC), []);
    const { streamed, stored } = service.counters();
    assert.deepEqual([streamed, stored], [5, stores.list(BTC).length]);
    assert.equal(service.series()[0]?.last_candle_at, new Date(open + 4 * MINUTE).toISOString());
  });

  it('counts what was written, and not what nobody collects here', async () => {
    const { clock, stream, service, open, runToClose } = await createLive();
    await runToClose(open);
    stream.send('BTC/USDT', M1, createCandle(open));
    stream.send('ETH/USDT', M1, createCandle(open));
    await clock.run(100);
    assert.equal(service.counters().streamed, 1);
  });

  it('says in the ledger what was skipped, and leaves it to REST', async () => {
    const { clock, exchange, stores, stream, open, runToClose } = await createLive();
    exchange.readyAt = () => Infinity;
    await runToClose(open + 2 * MINUTE);
    stream.send('BTC/USDT', M1, createCandle(open + 2 * MINUTE));
    await clock.run(100);
    const ledger = stores.listCoverage(candleKey(BTC), { since: open, until: open + 3 * MINUTE });
    assert.deepEqual(
      ledger.map(({ since, until, state }) => [(since - open) / MINUTE, (until - open) / MINUTE, state]),
      [
        [0, 2, 'missing'],
        [2, 3, 'have'],
      ],
    );
    assert.deepEqual(stores.audit(BTC), []);
    exchange.readyAt = () => 0;
    await clock.run(MINUTE);
    const newest = stores.list(BTC).map(({ timestamp }) => timestamp);
    assert.deepEqual(
      newest.filter((slot) => slot >= open).slice(0, 3),
      [0, 1, 2].map((n) => open + n * MINUTE),
    );
    assert.deepEqual(stores.audit(BTC), []);
  });

  it('asks REST for what is late by three seconds or so', async () => {
    const { clock, exchange, stores, open, runToClose } = await createLive();
    await runToClose(open);
    await clock.run(2_900);
    assert.deepEqual(exchange.requests, []);
    await clock.run(1_500);
    assert.equal(stores.list(BTC).at(-1)?.timestamp, open);
    assert.equal(exchange.requests.length, 1);
  });

  it('polls as ever while the stream is down', async () => {
    const { clock, stores, stream, open, runToClose } = await createLive();
    stream.drop('BTC/USDT', M1);
    for (let n = 0; n < 3; n++) {
      await runToClose(open + n * MINUTE);
      await clock.run(2_100);
      assert.equal(stores.list(BTC).at(-1)?.timestamp, open + n * MINUTE);
    }
  });

  it('stores hundreds of series in a few transactions', async () => {
    const symbols = Array.from({ length: 300 }, (_, n) => `C${n}/USDT`);
    const { clock, stores, stream, open, runToClose } = await createLive(symbols);
    await runToClose(open);
    const before = stores.commits;
    for (const symbol of symbols) stream.send(symbol, M1, createCandle(open));
    await clock.run(200);
    for (const symbol of symbols) assert.equal(stores.list({ ...BTC, symbol }).at(-1)?.timestamp, open);
    assert.ok(stores.commits - before <= 3, `${stores.commits - before} transactions`);
  });

  it('takes the later one of two that say different things, and REST the truth after it settled', async () => {
    const { clock, stores, stream, open, runToClose } = await createLive();
    await runToClose(open);
    stream.send('BTC/USDT', M1, createCandle(open, '2.0'));
    stream.send('BTC/USDT', M1, createCandle(open, '3.0'));
    await clock.run(100);
    const closeOf = () => stores.list(BTC).find(({ timestamp }) => timestamp === open)?.close;
    assert.equal(closeOf(), '3.0');
    stream.send('BTC/USDT', M1, createCandle(open, '2.5'));
    await clock.run(100);
    assert.equal(closeOf(), '2.5');
    await clock.run(25 * MINUTE);
    assert.equal(closeOf(), '1.50000000');
    const changes = stores.revisions.filter(({ after }) => after.timestamp === open);
    assert.deepEqual(
      changes.map(({ before, after }) => [before.close, after.close]),
      [
        ['3.0', '2.5'],
        ['2.5', '1.50000000'],
      ],
    );
  });

  it('believes no candle whose end is yet to come', async () => {
    const { clock, stores, stream, open } = await createLive();
    stream.send('BTC/USDT', M1, createCandle(open));
    await clock.run(1_000);
    assert.notEqual(stores.list(BTC).at(-1)?.timestamp, open);
  });

  it('keeps aside what cannot be a candle', async () => {
    const { clock, stores, stream, open, service } = await createLive();
    stream.reject('BTC/USDT', M1, { raw: '{"k":1}', reason: 'no candle', timestamp: open });
    await clock.run(1_000);
    const [entry] = stores.quarantined;
    assert.deepEqual([entry?.source, entry?.raw, entry?.claimedAt], ['stream', '{"k":1}', open]);
    assert.equal(service.counters().quarantined, 1);
  });

  it('loses nothing while the database is away', async () => {
    const { clock, stores, stream, open, runToClose } = await createLive();
    stores.failure = () => new Error('Connection terminated unexpectedly');
    for (let n = 0; n < 4; n++) {
      await runToClose(open + n * MINUTE);
      stream.send('BTC/USDT', M1, createCandle(open + n * MINUTE));
    }
    await clock.run(5_000);
    stores.failure = () => null;
    await clock.run(30_000);
    const wanted = listTrue({ since: START - HOUR, until: open + 4 * MINUTE }, MINUTE, createCandle);
    assert.deepEqual(stores.list(BTC), wanted);
    assert.deepEqual(stores.audit(BTC), []);
  });
});
