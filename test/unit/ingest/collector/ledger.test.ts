import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { ExchangeRejectedError, ExchangeUnavailableError } from '../../../../src/errors.ts';
import { subtractLists } from '../../../../src/market/range-lists.ts';
import type { FuturesFeed } from '../../../../src/market/futures-snapshot.ts';
import { mergeRanges } from '../../../../src/market/time-range.ts';
import { createCandle, listTrue } from '../fakes.ts';
import { BTC, closedUntil, createSetting as createSettingOnce, DAY, HOUR, M1, MINUTE, START } from '../setting.ts';
import type { MarketShares } from '../../../../src/replicas/market-shares.ts';
import { candleKey, feedKey } from '../../../../src/market/coverage.ts';
import type { MemoryStores } from '../memory-stores.ts';

const settings: ReturnType<typeof createSettingOnce>[] = [];
const createSetting = (...options: Parameters<typeof createSettingOnce>) => {
  const setting = createSettingOnce(...options);
  settings.push(setting);
  return setting;
};
afterEach(async () => {
  await Promise.all(settings.splice(0).map((setting) => setting.stop()));
});

const KEY = candleKey(BTC);
const listState = (stores: MemoryStores, state: string) =>
  mergeRanges(stores.listCoverage(KEY).filter((range) => range.state === state));
const minutes = (slot: number, count = 1) => ({ since: slot, until: slot + count * MINUTE });

describe('the ledger of a series', () => {
  it('says of each minute whether it had trades, as the rows do', async () => {
    const { clock, exchange, stores, start, untilComplete } = createSetting();
    const truth = (slot: number) => ((slot / MINUTE) % 7 === 3 ? null : createCandle(slot));
    exchange.list('BTC/USDT', truth);
    assert.ok(await untilComplete(await start()));
    const until = closedUntil(clock.now()) - 5 * MINUTE;
    const window = { since: START - DAY + 30_000, until };
    const have = mergeRanges(listTrue(window, MINUTE, truth).map(({ timestamp }) => minutes(timestamp)));
    const before = (ranges: { since: number; until: number }[]) =>
      subtractLists(ranges, [{ since: until, until: Infinity }]);
    assert.deepEqual(before(listState(stores, 'have')), have);
    assert.deepEqual(before(listState(stores, 'confirmed_empty')), subtractLists([window], have));
    assert.deepEqual(stores.audit(BTC), []);
  });

  it('dates an answer by its request, however long it was on its way', async () => {
    const { clock, exchange, stores, start } = createSetting();
    const gap = closedUntil(START) - 700 * MINUTE;
    exchange.list('BTC/USDT', (slot) => (slot === gap ? null : createCandle(slot)));
    let leftAt = 0;
    exchange.travelMs = ({ range, timeframe }) => {
      if (timeframe !== M1 || range.since > gap || range.until <= gap || leftAt > 0) return 0;
      leftAt = exchange.time();
      return 5 * MINUTE;
    };
    await start();
    const find = () => stores.listCoverage(KEY, minutes(gap))[0];
    assert.ok(await clock.runUntil(() => (find()?.asks ?? 0) > 0, 10 * MINUTE));
    assert.ok(leftAt > 0 && exchange.time() >= leftAt + 5 * MINUTE);
    assert.equal(find()?.firstAskedAt, leftAt);
  });

  it('is not forgotten by a restart: an answer counts, and nothing confirmed is asked for again', async () => {
    const { clock, exchange, stores, start, untilComplete } = createSetting();
    const gap = closedUntil(START) - 700 * MINUTE;
    exchange.list('BTC/USDT', (slot) => (slot === gap ? null : createCandle(slot)));
    const first = await start();
    const isAsked = () => stores.listCoverage(KEY, minutes(gap))[0]?.asks === 1;
    assert.ok(await clock.runUntil(isAsked, MINUTE));
    const [asked] = stores.listCoverage(KEY, minutes(gap));
    await first.stop();
    await clock.run(20_000);
    const second = await start();
    await clock.run(15_000);
    assert.deepEqual(stores.listCoverage(KEY, minutes(gap)), [asked], 'not asked for again at once');
    assert.ok(await untilComplete(second, 2 * MINUTE));
    const [confirmed] = stores.listCoverage(KEY, minutes(gap));
    assert.deepEqual(
      [confirmed?.state, confirmed?.asks, confirmed?.firstAskedAt],
      ['confirmed_empty', 2, asked?.firstAskedAt],
    );
    await second.stop();
    await clock.run(25 * HOUR);
    exchange.requests.length = 0;
    assert.ok(await untilComplete(await start({ sinceMs: START - DAY }), 5 * MINUTE));
    const again = exchange.requests.filter(({ range }) => range.since <= gap && range.until > gap);
    assert.deepEqual(again, []);
  });

  it('leaves nothing missing behind a window that moved on: holes are filled, what lies before all is given up', async () => {
    const { clock, exchange, stores, start, untilComplete } = createSetting();
    exchange.list('BTC/USDT', (slot) => createCandle(slot));
    const unasked = { asks: 0, firstAskedAt: null, lastAskedAt: null, reason: null };
    const early = minutes(closedUntil(START) - 600 * MINUTE, 100);
    const hole = minutes(closedUntil(START) - 300 * MINUTE, 3);
    stores.record(KEY, [
      { ...early, state: 'missing', ...unasked },
      { since: early.until, until: closedUntil(START), state: 'have', ...unasked },
      { ...hole, state: 'missing', ...unasked },
    ]);
    const listStates = (range: typeof hole) => stores.listCoverage(KEY, range).map(({ state }) => state);
    const shorter = await start({ sinceMs: START - HOUR });
    assert.ok(await untilComplete(shorter));
    assert.deepEqual([listStates(early), listStates(hole)], [['out_of_window'], ['have']]);
    await shorter.stop();
    await clock.run(MINUTE);
    assert.ok(await untilComplete(await start({ sinceMs: START - DAY })));
    assert.deepEqual(listStates(early), ['have'], 'a longer window wants it again');
  });

  it('takes over rows that it is silent on, and finds the holes between them', async () => {
    const { clock, exchange, stores, start, untilComplete } = createSetting();
    exchange.list('BTC/USDT', createCandle);
    const hole = closedUntil(START) - 800 * MINUTE;
    const kept = listTrue({ since: START - DAY, until: closedUntil(START) }, MINUTE, createCandle);
    stores.storeCandles(
      BTC,
      kept.filter(({ timestamp }) => timestamp !== hole),
    );
    assert.ok(await untilComplete(await start()));
    assert.deepEqual(stores.audit(BTC), []);
    assert.ok(stores.list(BTC).some(({ timestamp }) => timestamp === hole));
    assert.ok(exchange.requests.length <= 3, `${exchange.requests.length} requests`);
    await clock.run(MINUTE);
    assert.deepEqual(stores.audit(BTC), []);
  });

  it('stores rows, ledger and quarantine together or not at all', async () => {
    const { clock, exchange, stores, start, untilComplete } = createSetting();
    exchange.list('BTC/USDT', createCandle);
    exchange.brokenSlots.add(closedUntil(START) - 20 * MINUTE);
    let isAway = true;
    stores.failure = (entries) =>
      isAway && entries.some(({ quarantine }) => quarantine.length > 0) ? new Error('gone') : null;
    const service = await start({ sinceMs: START - 50 * MINUTE });
    await clock.run(MINUTE);
    assert.deepEqual([stores.list(BTC), stores.quarantined, service.counters().stored], [[], [], 0]);
    assert.deepEqual(listState(stores, 'have'), []);
    isAway = false;
    await clock.run(30_000);
    assert.ok(stores.list(BTC).length >= 49);
    const [entry] = stores.quarantined;
    assert.deepEqual(
      [entry?.symbol, entry?.timeframe, entry?.metric, entry?.claimedAt, entry?.source],
      ['BTC/USDT', '1m', 'ohlcv', closedUntil(START) - 20 * MINUTE, 'rest'],
    );
    assert.match(entry?.raw ?? '', /"high":"0"/);
    assert.ok(service.counters().quarantined >= 1);
    assert.deepEqual(stores.audit(BTC), []);
    exchange.brokenSlots.clear();
    assert.ok(await untilComplete(service, 5 * MINUTE));
  });

  it('ends equal to the truth, whatever single answers leave out, and while requests fail', async () => {
    const { clock, exchange, stores, start, untilComplete } = createSetting({ candleLimit: 60 });
    let seed = 11;
    const random = () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
    const truth = (slot: number) => ((slot / MINUTE) % 11 < 2 ? null : createCandle(slot));
    exchange.list('BTC/USDT', truth);
    const honest = exchange.fetchCandles.bind(exchange);
    exchange.fetchCandles = async (request, signal) => {
      if (random() < 0.1) throw new ExchangeUnavailableError('binance', 'away');
      const page = await honest(request, signal);
      // An exchange that leaves the same candle out of both answers cannot be told from one that has none.
      const isSpoilt = request.timeframe === M1 && clock.now() % (3 * MINUTE) < 40_000 && random() < 0.5;
      return isSpoilt ? { ...page, candles: page.candles.filter(() => random() < 0.9) } : page;
    };
    const service = await start({ sinceMs: START - 6 * HOUR });
    await clock.run(5 * HOUR);
    exchange.fetchCandles = honest;
    assert.ok(await untilComplete(service, 2 * HOUR));
    await clock.run(30 * MINUTE);
    const wanted = listTrue({ since: START - 6 * HOUR, until: closedUntil(clock.now() - 5_000) }, MINUTE, truth);
    assert.deepEqual(stores.list(BTC), wanted);
    assert.deepEqual(stores.audit(BTC), []);
  });

  it('notes what the exchange refuses as refused, with its reason', async () => {
    const { clock, exchange, stores, start, untilComplete } = createSetting();
    exchange.list('BTC/USDT', createCandle);
    const slot = closedUntil(START) - 500 * MINUTE;
    exchange.failure = ({ range, ...request }) =>
      'timeframe' in request && request.timeframe === M1 && range.since <= slot && range.until > slot
        ? new ExchangeRejectedError('binance', 'no.', { reason: 'request' })
        : null;
    const service = await start();
    await clock.run(10 * MINUTE);
    const [range] = stores.listCoverage(KEY, minutes(slot));
    assert.deepEqual([range?.state, range?.reason, range?.asks], ['refused', 'no.', 0]);
    exchange.failure = () => null;
    assert.ok(await untilComplete(service, 10 * MINUTE));
    assert.equal(stores.listCoverage(KEY, minutes(slot))[0]?.state, 'have');
  });
});

describe('reading again', () => {
  it('reads each candle again ten minutes or more after its close, in few requests, and keeps what changed', async () => {
    const { clock, exchange, stores, start, untilComplete } = createSetting();
    // Told otherwise until five minutes after the close.
    const preliminary = (slot: number) => createCandle(slot, slot + 6 * MINUTE > exchange.time() ? '2.0' : '1.5');
    exchange.list('BTC/USDT', preliminary);
    const service = await start({ sinceMs: START - 2 * HOUR });
    assert.ok(await untilComplete(service));
    exchange.requests.length = 0;
    await clock.run(2 * HOUR);
    const wrong = stores
      .list(BTC)
      .filter(({ timestamp, close }) => timestamp + 25 * MINUTE < clock.now() && close !== '1.5');
    assert.deepEqual(wrong, []);
    assert.ok(stores.revisions.length >= 100, `${stores.revisions.length} revisions`);
    assert.ok(service.counters().revised >= 100);
    const rereads = exchange.requests.length - 120;
    assert.ok(rereads > 0 && rereads <= 15, `${exchange.requests.length} requests in two hours`);
  });

  it('takes an answer for as old as its request, however long it was on its way', async () => {
    const { clock, exchange, stores, start, untilComplete } = createSetting();
    const preliminary = (slot: number) => createCandle(slot, slot + 6 * MINUTE > exchange.time() ? '2.0' : '1.5');
    exchange.list('BTC/USDT', preliminary);
    assert.ok(await untilComplete(await start({ sinceMs: START - 2 * HOUR })));
    // The next answer is there when what it tells should have been final for long.
    let late = 1;
    exchange.travelMs = () => (late-- > 0 ? 20 * MINUTE : 0);
    await clock.run(HOUR);
    assert.ok(late <= 0);
    const wrong = stores
      .list(BTC)
      .filter(({ timestamp, close }) => timestamp + 25 * MINUTE < clock.now() && close !== '1.5');
    assert.deepEqual(wrong, []);
  });

  it('reads the last stored page again at a start', async () => {
    const { clock, exchange, stores, start, untilComplete } = createSetting();
    let close = '2.0';
    const slot = closedUntil(START) - 40 * MINUTE;
    exchange.list('BTC/USDT', (each) => createCandle(each, each === slot ? close : '1.5'));
    const first = await start({ sinceMs: START - 2 * HOUR });
    assert.ok(await untilComplete(first));
    await first.stop();
    close = '3.0';
    await clock.run(MINUTE);
    assert.ok(await untilComplete(await start({ sinceMs: START - 2 * HOUR })));
    await clock.run(10_000);
    assert.equal(stores.list(BTC).find(({ timestamp }) => timestamp === slot)?.close, '3.0');
  });

  it('keeps what the exchange no longer tells of, says so, and does not ask for ever', async () => {
    const { clock, exchange, stores, start, untilComplete, count } = createSetting();
    const gone = closedUntil(START) - 2 * MINUTE;
    exchange.list('BTC/USDT', (slot) =>
      slot === gone && exchange.time() > START + 5 * MINUTE ? null : createCandle(slot),
    );
    assert.ok(await untilComplete(await start({ sinceMs: START - HOUR })));
    await clock.run(3 * HOUR);
    assert.ok(stores.list(BTC).some(({ timestamp }) => timestamp === gone));
    assert.equal(count('the exchange no longer tells of rows that are stored; they are kept'), 1);
    assert.deepEqual(stores.audit(BTC), []);
    const asked = exchange.requests.filter(({ range }) => range.since <= gone && range.until > gone).length;
    assert.ok(asked <= 15, `${asked} requests for it`);
  });
});

describe('the ledger of a futures feed', () => {
  it('calls what the exchange deleted before we came out of window, and asks for what goes next first', async () => {
    const feeds = new Map<FuturesFeed, { limit: number; depthMs: number | null }>([
      ['open_interest', { limit: 100, depthMs: 30 * DAY }],
      ['funding_rate', { limit: 1000, depthMs: null }],
    ]);
    const { clock, exchange, stores, start } = createSetting({ feeds });
    exchange.list('BTC/USDT', createCandle, { hasPerpetual: true });
    const service = await start({ futures: true, sinceMs: START - 90 * DAY });
    assert.ok(await clock.runUntil(() => service.health().futures.complete === 2, HOUR));
    await clock.run(10 * MINUTE);
    const ledger = stores.listCoverage(feedKey('binance', 'BTC/USDT', 'open_interest'));
    assert.deepEqual(
      ledger.map(({ state, reason }) => [state, reason]),
      [
        ['out_of_window', 'the exchange keeps 30 days of it'],
        ['have', null],
      ],
    );
    assert.equal(ledger[0]!.since, Math.ceil((START - 90 * DAY) / HOUR) * HOUR);
    const hour = Math.floor(START / HOUR) * HOUR;
    assert.equal(ledger[1]!.since, hour - 30 * DAY + 2 * HOUR);
    const asked = exchange.futuresRequests
      .filter(({ feed }) => feed === 'open_interest')
      .map(({ range }) => range.since);
    assert.deepEqual(
      asked.slice(1, 7),
      asked.slice(1, 7).toSorted((a, b) => a - b),
      'oldest first after the tail',
    );
    const funding = stores.listCoverage(feedKey('binance', 'BTC/USDT', 'funding_rate'));
    assert.deepEqual(mergeRanges(funding.filter(({ state }) => state === 'have')).length, 1);
    assert.ok(
      funding.every(({ state }) => state === 'have'),
      JSON.stringify(funding),
    );
  });
});

describe('allowances and shares', () => {
  it('begins no request that would wait for its allowance, and lets other classes go on', async () => {
    const feeds = new Map<FuturesFeed, { limit: number; depthMs: number | null }>([
      ['open_interest', { limit: 100, depthMs: 30 * DAY }],
    ]);
    const { clock, exchange, stores, start, untilComplete } = createSetting({ feeds });
    for (const symbol of ['BTC/USDT', 'ETH/USDT', 'SOL/USDT', 'XRP/USDT', 'ADA/USDT'])
      exchange.list(symbol, createCandle, { hasPerpetual: true });
    exchange.readyAt = (kind) => (kind === 'open_interest' ? START + 30 * MINUTE : 0);
    const service = await start({ futures: true, markets: [{ exchange: 'binance', symbol: '*/USDT' }] });
    assert.ok(await untilComplete(service, 10 * MINUTE));
    assert.deepEqual(exchange.futuresRequests, []);
    await clock.run(31 * MINUTE);
    assert.ok(stores.listFutures('binance', 'BTC/USDT', 'open_interest').length > 0);
  });

  it('sends nothing while the exchange is blocked, and says why', async () => {
    const { clock, exchange, start, untilComplete } = createSetting();
    exchange.list('BTC/USDT', createCandle);
    const until = START + 10 * MINUTE;
    const blocked = { reason: 'banned', until, message: 'until later' } as const;
    exchange.adoptBlock(blocked);
    const service = await start();
    await clock.run(9 * MINUTE);
    assert.equal(exchange.requests.length, 0);
    assert.deepEqual(service.exchanges()[0]?.block, { ...blocked, until: new Date(until).toISOString() });
    assert.ok(await untilComplete(service));
    assert.equal(service.exchanges()[0]?.block, null);
  });

  it('collects the markets that are ours, from when they are until they are not', async () => {
    class Shares implements MarketShares {
      mine: ReadonlySet<string> | null = null;
      #listener = (): void => undefined;
      want(): void {
        // Whoever wants what is not asked here.
      }
      held(): ReadonlySet<string> | null {
        return this.mine;
      }
      onChange(listener: () => void): () => void {
        this.#listener = listener;
        return () => undefined;
      }
      set(...symbols: string[]): void {
        this.mine = new Set(symbols);
        this.#listener();
      }
    }
    const shares = new Shares();
    const { clock, exchange, start, untilComplete } = createSetting({ shares });
    for (const symbol of ['BTC/USDT', 'ETH/USDT']) exchange.list(symbol, createCandle);
    const service = await start({ markets: [{ exchange: 'binance', symbol: '*/USDT' }], sinceMs: START - HOUR });
    await clock.run(2 * MINUTE);
    assert.equal(exchange.requests.length, 0, 'it does not know what is its own yet');
    assert.deepEqual(
      service.series().map(({ state }) => state),
      ['backfilling', 'backfilling'],
    );
    shares.set('ETH/USDT');
    assert.ok(await untilComplete(service));
    assert.ok(exchange.requests.every(({ symbol }) => symbol === 'ETH/USDT'));
    shares.set('BTC/USDT');
    await clock.run(MINUTE);
    exchange.requests.length = 0;
    await clock.run(5 * MINUTE);
    assert.ok(exchange.requests.length > 0);
    assert.ok(exchange.requests.every(({ symbol }) => symbol === 'BTC/USDT'));
  });

  it('looks again within minutes for a market that one list left out', async () => {
    const { clock, exchange, stores, start, untilComplete } = createSetting();
    exchange.list('BTC/USDT', createCandle);
    const service = await start({ sinceMs: START - HOUR });
    assert.ok(await untilComplete(service));
    const listed = exchange.instruments.splice(0);
    await clock.run(HOUR + MINUTE);
    assert.equal(service.series()[0]?.state, 'refused');
    exchange.instruments.push(...listed);
    await clock.run(7 * MINUTE);
    assert.equal(service.series()[0]?.state, 'complete');
    assert.deepEqual(stores.audit(BTC), []);
  });
});
