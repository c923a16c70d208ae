import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import type { FuturesFeed } from '../../../../src/market/futures-snapshot.ts';
import { createCandle } from '../fakes.ts';
import { BTC, createSetting, DAY, H1, HOUR, MINUTE, START } from '../setting.ts';
import { feedKey } from '../../../../src/market/coverage.ts';

const ALL = { since: 0, until: START + 365 * DAY };
const FUNDING = feedKey('binance', 'BTC/USDT', 'funding_rate');
const OPEN_INTEREST = feedKey('binance', 'BTC/USDT', 'open_interest');

let stop = (): Promise<void> => Promise.resolve();
afterEach(async () => {
  await stop();
});

/** A service on an exchange that publishes the newest value of a feed late, and says nothing of its hour before. */
function createLate(publishingMs: Partial<Record<FuturesFeed, number>>) {
  const feeds = new Map<FuturesFeed, { limit: number; depthMs: number | null }>([
    ['open_interest', { limit: 100, depthMs: 30 * DAY }],
    ['funding_rate', { limit: 1000, depthMs: null }],
  ]);
  const setting = createSetting({ feeds });
  stop = setting.stop;
  const { exchange } = setting;
  exchange.list('BTC/USDT', createCandle, { hasPerpetual: true });
  const honest = exchange.fetchFutures.bind(exchange);
  exchange.fetchFutures = async (request, signal) => {
    const page = await honest(request, signal);
    const published = exchange.time() - (publishingMs[request.feed] ?? 0);
    const snapshots = page.snapshots.filter(({ timestamp }) => timestamp <= published);
    const told = (Math.floor((exchange.time() - 15 * MINUTE) / HOUR) + 1) * HOUR;
    const until = Math.min(page.answered.until, Math.max(told, (snapshots.at(-1)?.timestamp ?? 0) + HOUR));
    return { ...page, snapshots, answered: { since: page.answered.since, until } };
  };
  const startFed = async () => {
    const service = await setting.start({ futures: true, timeframes: [H1], sinceMs: START - 10 * DAY });
    const isDone = () => service.health().futures.complete === 2;
    assert.ok(await setting.clock.runUntil(isDone, HOUR));
    await setting.clock.run(10_000);
    return service;
  };
  const missing = (key: typeof FUNDING) => setting.stores.coverage.listMissing(key, ALL);
  return { ...setting, startFed, missing };
}

describe('what is due', () => {
  it('leaves the hours after a settlement alone until the next one is due, and asks once an hour', async () => {
    const { clock, exchange, stores, startFed, missing } = createLate({ funding_rate: 4 * MINUTE });
    await startFed();
    exchange.futuresRequests.length = 0;
    for (let minute = 0; minute < 10 * 60; minute++) {
      await clock.run(MINUTE);
      assert.deepEqual(await missing(FUNDING), [], new Date(clock.now()).toISOString());
    }
    const asked = exchange.futuresRequests.filter(({ feed }) => feed === 'funding_rate').length;
    // One settlement was due meanwhile, and a few minutes late.
    assert.ok(asked >= 10 && asked <= 10 + 6, `${asked} requests in ten hours`);
    const settled = stores.listFutures('binance', 'BTC/USDT', 'funding_rate').map(({ timestamp }) => timestamp);
    assert.equal(settled.at(-1), Math.floor(clock.now() / (8 * HOUR)) * 8 * HOUR);
    const [have, ...others] = stores.listCoverage(FUNDING);
    assert.deepEqual([have?.state, have?.until, others], ['have', Math.floor(clock.now() / HOUR) * HOUR + HOUR, []]);
  });

  it('tells of a settlement that is late, from a quarter of an hour on', async () => {
    const { clock, startFed, missing } = createLate({ funding_rate: 25 * MINUTE });
    await startFed();
    const due = Math.ceil(START / (8 * HOUR)) * 8 * HOUR;
    await clock.run(due + 14 * MINUTE - clock.now());
    assert.deepEqual(await missing(FUNDING), []);
    await clock.run(10 * MINUTE);
    const [late] = await missing(FUNDING);
    assert.deepEqual(
      [late?.since, late?.until, late?.reason],
      [due, due + HOUR, 'the exchange has not published it yet'],
    );
    await clock.run(10 * MINUTE);
    assert.deepEqual(await missing(FUNDING), []);
  });

  it('takes over an interval that becomes shorter', async () => {
    const { clock, exchange, stores, startFed } = createLate({});
    const changedAt = Math.ceil(START / (8 * HOUR)) * 8 * HOUR;
    const late = exchange.fetchFutures.bind(exchange);
    exchange.fetchFutures = async (request, signal) => {
      const page = await late(request, signal);
      if (request.feed !== 'funding_rate') return page;
      const between = [4, 12]
        .map((hours) => changedAt + hours * HOUR)
        .filter((at) => at >= request.range.since && at < request.range.until && at <= exchange.time());
      const [model] = page.snapshots;
      const added = model ? between.map((timestamp) => ({ ...model, timestamp })) : [];
      const snapshots = [...page.snapshots, ...added].toSorted((a, b) => a.timestamp - b.timestamp);
      const until = Math.max(page.answered.until, (snapshots.at(-1)?.timestamp ?? 0) + HOUR);
      return { ...page, snapshots, answered: { since: page.answered.since, until } };
    };
    await startFed();
    await clock.run(changedAt + 12 * HOUR + 5 * MINUTE - clock.now());
    const settled = stores.listFutures('binance', 'BTC/USDT', 'funding_rate').map(({ timestamp }) => timestamp);
    assert.deepEqual(
      settled.filter((at) => at >= changedAt),
      [0, 4, 8, 12].map((hours) => changedAt + hours * HOUR),
    );
  });

  it('calls a statistic missing when it is later than the exchange usually is, and not before', async () => {
    const { clock, startFed, missing } = createLate({ open_interest: 20 * MINUTE });
    await startFed();
    const hour = Math.ceil(clock.now() / HOUR) * HOUR;
    await clock.run(hour + 14 * MINUTE - clock.now());
    assert.deepEqual(await missing(OPEN_INTEREST), []);
    await clock.run(5 * MINUTE);
    assert.deepEqual(
      (await missing(OPEN_INTEREST)).map(({ since, until }) => ({ since, until })),
      [{ since: hour, until: hour + HOUR }],
    );
    await clock.run(8 * MINUTE);
    assert.deepEqual(await missing(OPEN_INTEREST), []);
  });

  it('says nothing of it after a restart either', async () => {
    const { clock, stores, startFed, missing, stop: stopAll } = createLate({ open_interest: 8 * MINUTE });
    await startFed();
    const hour = Math.ceil(clock.now() / HOUR) * HOUR;
    await clock.run(hour - 2 * MINUTE - clock.now());
    await stopAll();
    await clock.run(5 * MINUTE);
    await startFed();
    assert.ok(clock.now() < hour + 8 * MINUTE);
    assert.deepEqual([await missing(OPEN_INTEREST), await missing(FUNDING)], [[], []]);
    await clock.run(8 * MINUTE);
    assert.equal(stores.listFutures('binance', 'BTC/USDT', 'open_interest').at(-1)?.timestamp, hour);
  });

  it('tells of a candle that does not come within seconds', async () => {
    const { clock, exchange, stores, start, untilComplete } = createSetting();
    stop = async () => {
      await service.stop();
    };
    exchange.list('BTC/USDT', createCandle);
    const service = await start({ sinceMs: START - HOUR });
    assert.ok(await untilComplete(service));
    const close = Math.ceil(clock.now() / MINUTE) * MINUTE;
    exchange.publishingDelayMs = MINUTE + 50_000;
    const missing = () => stores.coverage.listMissing({ ...BTC, metric: 'ohlcv' }, ALL);
    await clock.run(close + 12_000 - clock.now());
    assert.deepEqual(await missing(), []);
    await clock.run(33_000);
    assert.deepEqual(
      (await missing()).map(({ until }) => until),
      [close],
    );
    exchange.publishingDelayMs = 0;
    await clock.run(MINUTE);
    assert.deepEqual(await missing(), []);
  });
});
