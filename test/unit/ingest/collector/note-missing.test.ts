import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import type { FuturesFeed } from '../../../../src/market/futures-snapshot.ts';
import { createCandle } from '../fakes.ts';
import { BTC, closedUntil, createSetting, DAY, H1, HOUR, MINUTE, START } from '../setting.ts';
import { feedKey, missingRange } from '../../../../src/market/coverage.ts';
import type { MemoryStores } from '../memory-stores.ts';

const KEY = { ...BTC, metric: 'ohlcv' } as const;

let stop = (): Promise<void> => Promise.resolve();
afterEach(async () => {
  await stop();
});

async function createComplete() {
  const setting = createSetting();
  stop = setting.stop;
  setting.exchange.list('BTC/USDT', createCandle);
  const service = await setting.start({ sinceMs: START - 10 * HOUR });
  assert.ok(await setting.untilComplete(service));
  // What was read at the start is read once more, when it is final.
  await setting.clock.run(15 * MINUTE);
  setting.exchange.requests.length = 0;
  const slot = closedUntil(START) - 5 * HOUR;
  const range = { since: slot, until: slot + MINUTE };
  const asks = () =>
    setting.exchange.requests.filter((request) => request.range.since <= slot && request.range.until > slot).length;
  return { ...setting, service, range, slot, asks };
}

describe('what others find missing', () => {
  it('is asked for at once, and only once however often it is told', async () => {
    const { clock, stores, service, range, asks } = await createComplete();
    stores.record(KEY, [missingRange(range)]);
    for (let n = 0; n < 3; n++) service.noteMissing(KEY, [range]);
    await clock.run(5_000);
    assert.equal(asks(), 1);
    assert.equal(stores.listCoverage(KEY, range)[0]?.state, 'have');
  });

  it('is not asked for in a loop where the exchange has it no more', async () => {
    const { clock, exchange, stores, service, range, slot, asks } = await createComplete();
    const honest = exchange.fetchCandles.bind(exchange);
    exchange.fetchCandles = async (request, signal) => {
      const page = await honest(request, signal);
      return { ...page, candles: page.candles.filter(({ timestamp }) => timestamp !== slot) };
    };
    stores.record(KEY, [missingRange(range)]);
    for (let second = 0; second < 50; second++) {
      service.noteMissing(KEY, [range]);
      await clock.run(1_000);
    }
    assert.equal(asks(), 1, 'told again it keeps its time');
    await clock.run(5 * MINUTE);
    assert.equal(asks(), 2);
    assert.equal(stores.listCoverage(KEY, range)[0]?.state, 'confirmed_empty');
  });

  it('is seen in the ledger within an hour where nobody told, with one small look', async () => {
    const { clock, stores, range, asks } = await createComplete();
    stores.record(KEY, [missingRange(range)]);
    let looks = 0;
    const listMissing = stores.coverage.listMissing.bind(stores.coverage);
    Object.assign(stores.coverage, {
      listMissing: (...args: Parameters<typeof listMissing>) => {
        looks++;
        return listMissing(...args);
      },
    });
    await clock.run(HOUR + MINUTE);
    assert.equal(asks(), 1);
    assert.equal(stores.listCoverage(KEY, range)[0]?.state, 'have');
    await clock.run(2 * HOUR);
    assert.ok(looks >= 2 && looks <= 3, `${looks} looks in three hours`);
  });

  it('is left alone where it is not collected here, or lies outside the window', async () => {
    const { clock, exchange, service, range } = await createComplete();
    service.noteMissing({ ...KEY, exchange: 'okx' }, [range]);
    service.noteMissing({ ...KEY, symbol: 'ETH/USDT' }, [range]);
    service.noteMissing({ ...KEY, metric: 'mark_price' }, [range]);
    service.noteMissing(KEY, [{ since: START - DAY, until: START - DAY + MINUTE }]);
    const until = Math.ceil(clock.now() / MINUTE) * MINUTE;
    await clock.run(until - clock.now() - 1_000);
    assert.deepEqual(
      exchange.requests.filter(({ range: asked }) => asked.since < START - HOUR),
      [],
    );
    assert.deepEqual([service.series()[0]?.state, service.series()[0]?.missing], ['complete', 0]);
  });

  it('reaches the collector of a futures feed', async () => {
    const feeds = new Map<FuturesFeed, { limit: number; depthMs: number | null }>([
      ['mark_price', { limit: 100, depthMs: null }],
    ]);
    const setting = createSetting({ feeds });
    stop = setting.stop;
    const { clock, exchange, stores, start } = setting;
    exchange.list('BTC/USDT', createCandle, { hasPerpetual: true });
    const service = await start({ futures: true, timeframes: [H1], sinceMs: START - 3 * DAY });
    assert.ok(await clock.runUntil(() => service.health().futures.complete === 1, HOUR));
    exchange.futuresRequests.length = 0;
    const slot = Math.floor(START / HOUR) * HOUR - DAY;
    const key = feedKey('binance', 'BTC/USDT', 'mark_price');
    stores.record(key, [missingRange({ since: slot, until: slot + HOUR })]);
    service.noteMissing(key, [{ since: slot, until: slot + HOUR }]);
    await clock.run(5_000);
    assert.deepEqual(
      exchange.futuresRequests.map(({ range }) => range),
      [{ since: slot, until: slot + HOUR }],
    );
    assert.equal(stores.listCoverage(key, { since: slot, until: slot + HOUR })[0]?.state, 'have');
  });

  it('is not lost where it is told while the ledger is being read', async () => {
    const setting = createSetting();
    stop = setting.stop;
    const { clock, exchange, start, stores, untilComplete } = setting;
    exchange.list('BTC/USDT', createCandle);
    const slot = closedUntil(START) - 20 * MINUTE;
    const range = { since: slot, until: slot + MINUTE };
    const survey = stores.coverage.survey.bind(stores.coverage);
    let told = false;
    const first = await start({ sinceMs: START - HOUR });
    assert.ok(await untilComplete(first));
    await first.stop();
    const second = setting.create({ sinceMs: START - HOUR });
    Object.assign(stores.coverage, {
      survey: async (...args: Parameters<MemoryStores['coverage']['survey']>) => {
        const seen = await survey(...args);
        if (!told && args[1].since <= slot && args[1].until > slot) {
          told = true;
          stores.record(KEY, [missingRange(range)]);
          second.noteMissing(KEY, [range]);
        }
        return seen;
      },
    });
    exchange.requests.length = 0;
    await second.start({ signal: new AbortController().signal, fail: (error) => setting.failures.push(error) });
    await clock.run(30_000);
    assert.ok(told);
    assert.equal(stores.listCoverage(KEY, range)[0]?.state, 'have');
  });
});
