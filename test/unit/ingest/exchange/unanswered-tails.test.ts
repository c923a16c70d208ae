import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { ExchangeDataError, ExchangeUnavailableError } from '../../../../src/errors.ts';
import { createCandle, MemoryStream } from '../fakes.ts';
import { BTC, closedUntil, createSetting, HOUR, M1, MINUTE, START } from '../setting.ts';
import { candleKey } from '../../../../src/market/coverage.ts';

let stop = (): Promise<void> => Promise.resolve();
afterEach(async () => {
  await stop();
});

const UNREACHABLE = () => new ExchangeUnavailableError('binance', 'connect ECONNREFUSED');

/** A complete service, ten seconds after a candle closed. */
async function createComplete(symbols: readonly string[] = ['BTC/USDT']) {
  const setting = createSetting();
  stop = setting.stop;
  const { clock, exchange, stores, start, untilComplete } = setting;
  const stream = new MemoryStream();
  exchange.candleStream = stream;
  for (const symbol of symbols) exchange.list(symbol, createCandle);
  const service = await start({ markets: [{ exchange: 'binance', symbol: '*/USDT' }], sinceMs: START - HOUR });
  assert.ok(await untilComplete(service));
  await clock.run(closedUntil(clock.now()) + MINUTE + 10_000 - clock.now());
  const open = closedUntil(clock.now());
  const goAway = () => {
    exchange.failure = UNREACHABLE;
    exchange.generalFailure = UNREACHABLE;
  };
  const comeBack = () => {
    exchange.failure = () => null;
    exchange.generalFailure = () => null;
  };
  const tail = () => stores.listCoverage(candleKey(BTC), { since: open, until: open + HOUR });
  const before = stores.ledgerCommits;
  return { ...setting, stream, service, open, goAway, comeBack, tail, writes: () => stores.ledgerCommits - before };
}

describe('slots that end while the exchange is away', () => {
  it('are missing in the ledger within a minute, with nobody asked, and in the count and the state', async () => {
    const { clock, service, open, goAway, tail } = await createComplete();
    goAway();
    await clock.run(open + MINUTE + 14_000 - clock.now());
    assert.deepEqual([tail(), service.series()[0]?.state, service.series()[0]?.missing], [[], 'complete', 0]);
    for (let minutes = 1; minutes <= 30; minutes++) {
      await clock.run(open + minutes * MINUTE + 50_000 - clock.now());
      const told = tail().map(({ since, until, state, asks, lastAskedAt }) => [since, until, state, asks, lastAskedAt]);
      assert.deepEqual(told, [[open, open + minutes * MINUTE, 'missing', 0, null]]);
      assert.deepEqual([service.series()[0]?.state, service.series()[0]?.missing], ['behind', minutes]);
    }
  });

  it('cost each series one small write a minute, and are fetched when it is back', async () => {
    const symbols = Array.from({ length: 40 }, (_, n) => (n === 0 ? 'BTC/USDT' : `C${n}/USDT`));
    const { clock, stores, service, open, goAway, comeBack, tail, writes, untilComplete } =
      await createComplete(symbols);
    goAway();
    const before = writes();
    await clock.run(open + 10 * MINUTE + 50_000 - clock.now());
    assert.equal(writes() - before, 10 * symbols.length);
    comeBack();
    assert.ok(await untilComplete(service, 3 * MINUTE));
    assert.deepEqual(
      tail().map(({ state }) => state),
      ['have'],
    );
    assert.deepEqual(stores.audit(BTC), []);
  });

  it('are told of a single series that gets no usable answer, and of no other', async () => {
    const { clock, exchange, stores, open, tail } = await createComplete(['BTC/USDT', 'ETH/USDT']);
    exchange.failure = ({ symbol }) =>
      symbol === 'BTC/USDT' ? new ExchangeDataError('binance', 'no list of rows') : null;
    await clock.run(open + 3 * MINUTE + 50_000 - clock.now());
    assert.deepEqual(
      tail().map(({ since, until, state }) => [since, until, state]),
      [[open, open + 3 * MINUTE, 'missing']],
    );
    const other = candleKey({ ...BTC, symbol: 'ETH/USDT' });
    assert.deepEqual(await stores.coverage.listMissing(other, { since: 0, until: open + HOUR }), []);
  });

  it('are nothing while the live stream goes on', async () => {
    const { clock, service, stream, open, goAway, tail, writes } = await createComplete();
    goAway();
    const before = writes();
    for (let slot = open; slot < open + 10 * MINUTE; slot += MINUTE) {
      await clock.run(slot + MINUTE + 50 - clock.now());
      stream.send('BTC/USDT', M1, createCandle(slot));
    }
    await clock.run(5_000);
    assert.deepEqual([writes() - before, tail().map(({ state }) => state)], [0, ['have']]);
    assert.deepEqual([service.series()[0]?.state, service.series()[0]?.missing], ['complete', 0]);
  });
});
