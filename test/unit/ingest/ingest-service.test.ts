import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { ExchangeDataError, ExchangeRejectedError, ExchangeUnavailableError } from '../../../src/errors.ts';
import type { FuturesFeed } from '../../../src/market/futures-snapshot.ts';
import { mergeRanges } from '../../../src/market/time-range.ts';
import { parseTimeframe } from '../../../src/market/timeframe.ts';
import { createCandle, listTrue } from './fakes.ts';
import { BTC, closedUntil, createSetting as createSettingOnce, DAY, H1, HOUR, M1, MINUTE, START } from './setting.ts';
import { candleKey } from '../../../src/market/coverage.ts';

const settings: ReturnType<typeof createSettingOnce>[] = [];
const createSetting = (...options: Parameters<typeof createSettingOnce>) => {
  const setting = createSettingOnce(...options);
  settings.push(setting);
  return setting;
};
afterEach(async () => {
  await Promise.all(settings.splice(0).map((setting) => setting.stop()));
});

describe('IngestService, history', () => {
  it('stores exactly the closed candles of the window, the newest page first', async () => {
    const { clock, exchange, stores, start, untilComplete } = createSetting();
    exchange.list('BTC/USDT', createCandle);
    const service = await start();
    assert.ok(await untilComplete(service));
    const window = { since: START - DAY, until: closedUntil(clock.now()) };
    assert.deepEqual(stores.list(BTC), listTrue(window, MINUTE, createCandle));
    const asked = exchange.requests.filter(({ timeframe }) => timeframe === M1).map(({ range }) => range.since);
    assert.deepEqual(
      asked,
      asked.toSorted((a, b) => b - a),
    );
    assert.ok(exchange.maxInFlight > 1 && exchange.maxInFlight <= 4, `${exchange.maxInFlight} in flight`);
    assert.deepEqual(service.health(), {
      state: 'running',
      series: 1,
      complete: 1,
      behind: 0,
      refused: 0,
      max_lag_seconds: 0,
      futures: { feeds: 0, complete: 0 },
      last_error: null,
    });
  });

  it('resumes without asking again for what is stored', async () => {
    const { clock, exchange, stores, start, untilComplete } = createSetting();
    exchange.list('BTC/USDT', createCandle);
    const first = await start();
    await clock.runUntil(() => stores.list(BTC).length >= 500, HOUR);
    await first.stop();
    const stored = stores.list(BTC).length;
    assert.ok(stored < 1440, `${stored} stored before the stop`);
    exchange.requests.length = 0;
    await clock.run(10 * MINUTE);
    assert.deepEqual(exchange.requests, [], 'it asks for nothing when stopped');
    const second = await start();
    assert.ok(await untilComplete(second));
    const window = { since: START - DAY, until: closedUntil(clock.now()) };
    assert.deepEqual(stores.list(BTC), listTrue(window, MINUTE, createCandle));
    const asked = [...exchange.requests].length;
    assert.ok(asked <= 13, `${asked} requests for the rest`);
  });

  it('believes a minute without a trade, and does not ask for it in a loop', async () => {
    const { clock, exchange, stores, start, untilComplete } = createSetting();
    const truth = (slot: number) =>
      (slot / MINUTE) % 7 === 3 || (slot / MINUTE) % 50 === 0 ? null : createCandle(slot);
    exchange.list('BTC/USDT', truth);
    const service = await start({ sinceMs: START - 3 * DAY });
    assert.ok(await untilComplete(service));
    const window = { since: START - 3 * DAY, until: closedUntil(clock.now()) };
    assert.deepEqual(stores.list(BTC), listTrue(window, MINUTE, truth));
    exchange.requests.length = 0;
    await clock.run(30 * MINUTE);
    assert.ok(exchange.requests.length <= 60, `${exchange.requests.length} requests in half an hour`);
  });

  it('does not page through the years before a listing, nor through a long halt', async () => {
    const { clock, exchange, stores, start, untilComplete } = createSetting({ candleLimit: 200 });
    const listed = START - 20 * DAY;
    const [haltSince, haltUntil] = [START - 400 * DAY, listed];
    const firstListed = START - 402 * DAY;
    const truth = (slot: number) =>
      slot < firstListed || (slot >= haltSince && slot < haltUntil) ? null : createCandle(slot);
    exchange.list('BTC/USDT', truth);
    const service = await start({ timeframes: [H1], sinceMs: START - 1095 * DAY });
    assert.ok(await untilComplete(service, 2 * HOUR));
    const series = { ...BTC, timeframe: H1 };
    const window = { since: START - 1095 * DAY, until: Math.floor(clock.now() / HOUR) * HOUR };
    assert.deepEqual(stores.list(series), listTrue(window, HOUR, truth));
    // The weeks beside the halt are asked for three times, because so much of nothing needs more than one answer.
    assert.ok(exchange.requests.length <= 30, `${exchange.requests.length} requests`);
  });

  it('keeps a candle that cannot be one out, says so, asks again late, and is not complete before it came', async () => {
    const { clock, exchange, stores, lines, start, untilComplete } = createSetting();
    exchange.list('BTC/USDT', createCandle);
    const broken = closedUntil(START) - 90 * MINUTE;
    exchange.brokenSlots.add(broken);
    const service = await start();
    await clock.run(9 * MINUTE);
    assert.ok(!stores.list(BTC).some(({ timestamp }) => timestamp === broken));
    const [state] = service.series();
    assert.deepEqual([state?.state, state?.missing, state?.rejected], ['behind', 1, 3]);
    assert.equal(service.health().state, 'degraded');
    const line = lines.find(({ msg }) => msg === 'a row was refused');
    assert.match(String(line?.['reason']), /low is above high/);
    assert.match(String(line?.['raw']), new RegExp(String(broken)));
    assert.equal(
      service.health().last_error,
      `3 rows of binance BTC/USDT 1m were refused, last: ${String(line?.['reason'])}`,
    );
    const askedFor = exchange.requests.filter(
      ({ timeframe, range }) => timeframe === M1 && range.since <= broken && range.until > broken,
    );
    assert.equal(askedFor.length, 3, 'asked for at once, after one minute and after four');
    exchange.brokenSlots.clear();
    assert.ok(await untilComplete(service));
    assert.ok(stores.list(BTC).some(({ timestamp }) => timestamp === broken));
    assert.equal(service.health().last_error, null);
  });

  it('asks for no moment before 2009, wherever the window begins', async () => {
    const { clock, exchange, stores, start, untilComplete } = createSetting({ candleLimit: 1000 });
    const truth = (slot: number) => (slot < START - 100 * DAY ? null : createCandle(slot));
    exchange.list('BTC/USDT', truth);
    const service = await start({ timeframes: [H1], sinceMs: 0 });
    assert.ok(await untilComplete(service));
    const oldest = Math.min(...exchange.requests.map(({ range }) => range.since));
    assert.ok(oldest >= Date.UTC(2009, 0, 3), new Date(oldest).toISOString());
    const window = { since: START - 101 * DAY, until: Math.floor(clock.now() / HOUR) * HOUR };
    assert.deepEqual(stores.list({ ...BTC, timeframe: H1 }), listTrue(window, HOUR, truth));
  });

  for (const [name, kept] of [
    ['empty', 0],
    ['short', 30],
  ] as const) {
    it(`does not believe one ${name} answer amid history, nor the newest page`, async () => {
      const { clock, exchange, stores, lines, start, untilComplete } = createSetting();
      exchange.list('BTC/USDT', createCandle);
      const answered = exchange.fetchCandles.bind(exchange);
      const spoilt = new Set<number>();
      exchange.fetchCandles = async (request, signal) => {
        const ordinal = 1 + exchange.requests.filter(({ timeframe }) => timeframe === M1).length;
        const page = await answered(request, signal);
        if (request.timeframe !== M1 || spoilt.has(ordinal) || ![1, 4, 5].includes(ordinal)) return page;
        spoilt.add(ordinal);
        return { ...page, candles: page.candles.slice(0, kept) };
      };
      const service = await start({ sinceMs: START - 2 * DAY });
      await clock.run(4_000);
      assert.notEqual(service.series()[0]?.state, 'complete');
      assert.ok((service.series()[0]?.missing ?? 0) >= 180, `${service.series()[0]?.missing} missing`);
      assert.ok(await untilComplete(service, 2 * MINUTE));
      assert.equal(spoilt.size, 3);
      const window = { since: START - 2 * DAY, until: closedUntil(clock.now()) };
      assert.deepEqual(stores.list(BTC), listTrue(window, MINUTE, createCandle));
      assert.ok(!lines.some(({ msg }) => /long stretch/.test(msg)));
    });
  }

  it('believes no outage that answers without a row for old pages, however long a minute of it is', async () => {
    const { clock, exchange, stores, start, untilComplete } = createSetting();
    exchange.list('BTC/USDT', createCandle);
    const honest = exchange.fetchCandles.bind(exchange);
    let isOut = true;
    exchange.fetchCandles = async (request, signal) => {
      const page = await honest(request, signal);
      const isOld = isOut && (request.timeframe !== M1 || request.range.until < START - 3 * HOUR);
      return isOld ? { ...page, candles: [] } : page;
    };
    const service = await start({ sinceMs: START - 3 * DAY });
    await clock.run(5 * MINUTE);
    const confirmed = stores.listCoverage(candleKey(BTC)).filter(({ state }) => state === 'confirmed_empty');
    assert.deepEqual(confirmed, []);
    assert.notEqual(service.series()[0]?.state, 'complete');
    const asked = exchange.requests.length;
    const pages = Math.ceil((3 * DAY) / MINUTE / exchange.candleLimit);
    assert.ok(asked <= 2 * pages + 24, `${asked} requests in five minutes of outage`);
    isOut = false;
    assert.ok(await untilComplete(service, 2 * HOUR));
    const window = { since: START - 3 * DAY, until: closedUntil(clock.now()) };
    assert.deepEqual(stores.list(BTC), listTrue(window, MINUTE, createCandle));
  });

  it('looks at a long old stretch once more a day later, also after a restart, and then no more', async () => {
    const { clock, exchange, stores, start, untilComplete } = createSetting();
    const halt = { since: closedUntil(START) - 60 * HOUR, until: closedUntil(START) - 56 * HOUR };
    let isKept = true;
    const truth = (slot: number) => (isKept && slot >= halt.since && slot < halt.until ? null : createCandle(slot));
    exchange.list('BTC/USDT', truth);
    const window = { sinceMs: START - 3 * DAY };
    const first = await start(window);
    assert.ok(await untilComplete(first, 2 * HOUR));
    const count = () =>
      exchange.requests.filter(
        ({ timeframe, range }) => timeframe === M1 && range.since < halt.until && range.until > halt.since,
      ).length;
    const asked = count();
    await clock.run(12 * HOUR);
    assert.equal(count(), asked, 'settled for the day');
    await first.stop();
    const second = await start(window);
    await clock.run(14 * HOUR);
    const looked = count() - asked;
    // The range lies in two pages, each with a time of its own.
    assert.ok(looked >= 1 && looked <= 4, `${looked} looks`);
    await clock.run(26 * HOUR);
    assert.equal(count() - asked, looked, 'never again');
    await second.stop();
    const stored = stores.listCoverage(candleKey(BTC)).filter(({ state }) => state === 'confirmed_empty');
    assert.deepEqual(mergeRanges(stored), [halt]);
    // Another one, whose rows come back within the day.
    const other = createSetting();
    isKept = true;
    other.exchange.list('BTC/USDT', truth);
    const third = await other.start(window);
    assert.ok(await other.untilComplete(third, 2 * HOUR));
    isKept = false;
    await other.clock.run(26 * HOUR);
    const left = other.stores.listCoverage(candleKey(BTC)).filter(({ state }) => state === 'confirmed_empty');
    assert.deepEqual(left, []);
    await other.stop();
  });

  it('believes a long halt at the second answer, a minute later, and says so', async () => {
    const { clock, exchange, stores, lines, start, untilComplete } = createSetting();
    const halt = { since: closedUntil(START) - 660 * MINUTE, until: closedUntil(START) - 540 * MINUTE };
    const truth = (slot: number) => (slot >= halt.since && slot < halt.until ? null : createCandle(slot));
    exchange.list('BTC/USDT', truth);
    const service = await start();
    await clock.run(4_000);
    assert.deepEqual([service.series()[0]?.state, service.series()[0]?.missing], ['backfilling', 120]);
    assert.ok(await untilComplete(service, 2 * MINUTE));
    const told = lines.filter(({ msg }) => /long stretch/.test(msg));
    // Of two pages that it lies in, the one with the longer part.
    assert.deepEqual(
      told.map(({ slots, empty_slots: total }) => [slots, total]),
      [[100, 100]],
    );
    const confirmed = stores.listCoverage(candleKey(BTC)).filter(({ state }) => state === 'confirmed_empty');
    assert.deepEqual(mergeRanges(confirmed), [halt]);
    assert.ok(
      confirmed.every(({ asks, firstAskedAt, lastAskedAt }) => asks === 2 && lastAskedAt! - firstAskedAt! >= MINUTE),
    );
    assert.deepEqual(stores.audit(BTC), []);
    const window = { since: START - DAY, until: closedUntil(clock.now()) };
    assert.deepEqual(stores.list(BTC), listTrue(window, MINUTE, truth));
  });
});

describe('IngestService, live', () => {
  it('stores each candle within seconds of its end, by the exchange’s clock, and never the open one', async () => {
    for (const skewMs of [-47_000, 0, 3_600_000]) {
      const { clock, exchange, stores, start, untilComplete } = createSetting({ skewMs });
      exchange.list('BTC/USDT', createCandle);
      const service = await start({ sinceMs: START - 2 * HOUR });
      assert.ok(await untilComplete(service));
      exchange.requests.length = 0;
      for (let second = 0; second < 300; second++) {
        await clock.run(1_000);
        const newest = stores.list(BTC).at(-1)!.timestamp;
        assert.ok(newest + MINUTE <= exchange.time(), 'an open candle was stored');
        assert.ok(newest + 2 * MINUTE + 4_000 > exchange.time(), 'a closed candle is missing after four seconds');
      }
      assert.ok(exchange.requests.length <= 6, `${exchange.requests.length} requests in five minutes`);
      assert.equal(service.health().max_lag_seconds, 0);
      await service.stop();
    }
  });

  it('waits for a candle that the exchange publishes late', async () => {
    const { clock, exchange, stores, start, untilComplete } = createSetting();
    exchange.list('BTC/USDT', createCandle);
    exchange.publishingDelayMs = MINUTE + 45_000;
    const service = await start({ sinceMs: START - 2 * HOUR });
    await clock.run(20 * MINUTE);
    exchange.publishingDelayMs = 0;
    assert.ok(await untilComplete(service));
    await clock.run(2 * MINUTE);
    const window = { since: START - 2 * HOUR, until: closedUntil(clock.now() - 5_000) };
    assert.deepEqual(stores.list(BTC), listTrue(window, MINUTE, createCandle));
  });

  it('notices that a closed candle was rewritten, stores the new values and says so', async () => {
    const { clock, exchange, stores, lines, start, untilComplete } = createSetting();
    let close = '1.50000000';
    const rewritten = closedUntil(START) - MINUTE;
    exchange.list('BTC/USDT', (slot) => (slot === rewritten ? createCandle(slot, close) : createCandle(slot)));
    const service = await start({ sinceMs: START - 2 * HOUR });
    assert.ok(await untilComplete(service));
    close = '2.50000000';
    await clock.run(MINUTE);
    assert.equal(stores.list(BTC).find(({ timestamp }) => timestamp === rewritten)?.close, '2.50000000');
    const line = lines.find(({ msg }) => msg === 'the exchange rewrote a closed candle');
    assert.equal((line?.['before'] as { close: string }).close, '1.50000000');
    assert.equal((line?.['after'] as { close: string }).close, '2.50000000');
  });

  it('serves the live tail of every series before history', async () => {
    const { clock, exchange, stores, start } = createSetting({ candleLimit: 10 });
    for (let n = 0; n < 60; n++) exchange.list(`C${n}/USDT`, createCandle);
    await start({ markets: [{ exchange: 'binance', symbol: '*/USDT' }], sinceMs: START - 3 * DAY });
    await clock.runUntil(() => exchange.requests.length >= 60, MINUTE);
    assert.equal(new Set(exchange.requests.slice(0, 60).map(({ symbol }) => symbol)).size, 60);
    await clock.runUntil(() => exchange.requests.length >= 600, MINUTE);
    const counts = Array.from({ length: 60 }, (_, n) => stores.list({ ...BTC, symbol: `C${n}/USDT` }).length);
    assert.ok(Math.max(...counts) - Math.min(...counts) <= 40, `unfair: ${counts.join(' ')}`);
  });
});

describe('IngestService, when the world fails', () => {
  it('starts without the exchange, is degraded, says so once, and comes back by itself', async () => {
    const { clock, exchange, start, untilComplete, count } = createSetting();
    exchange.list('BTC/USDT', createCandle);
    const down = new ExchangeUnavailableError('binance', 'nobody answers');
    [exchange.generalFailure, exchange.failure] = [() => down, () => down];
    const service = await start({ sinceMs: START - 2 * HOUR });
    await clock.run(10 * MINUTE);
    const { state, series, complete, last_error } = service.health();
    assert.deepEqual(
      { state, series, complete, last_error },
      { state: 'degraded', series: 1, complete: 0, last_error: 'nobody answers' },
    );
    assert.equal(count('the exchange does not answer; ingest waits for it'), 1);
    assert.ok(count('the exchange still does not answer') <= 10);
    [exchange.generalFailure, exchange.failure] = [() => null, () => null];
    assert.ok(await untilComplete(service, 3 * MINUTE), 'complete within three minutes');
    assert.equal(count('the exchange answers again'), 1);
    assert.equal(service.health().state, 'running');
  });

  it('tells the worst lag of each timeframe and futures feed by itself', async () => {
    const feeds = new Map<FuturesFeed, { limit: number; depthMs: number | null }>([
      ['mark_price', { limit: 100, depthMs: null }],
    ]);
    const { clock, exchange, start, untilComplete } = createSetting({ feeds });
    for (const symbol of ['BTC/USDT', 'ETH/USDT']) exchange.list(symbol, createCandle, { hasPerpetual: true });
    const markets = ['BTC/USDT', 'ETH/USDT'].map((symbol) => ({ exchange: 'binance', symbol }));
    const service = await start({ markets, timeframes: [M1, H1], futures: true, sinceMs: START - 2 * HOUR });
    assert.deepEqual(service.lags(), [], 'nothing is known before the first answer');
    assert.ok(await untilComplete(service));
    const group = (timeframe: string, metric: string, lag: number) => ({
      exchange: 'binance',
      timeframe,
      metric,
      lag_seconds: lag,
    });
    const current = [group('1m', 'ohlcv', 0), group('1h', 'ohlcv', 0), group('1h', 'mark_price', 0)];
    assert.ok(await clock.runUntil(() => service.lags().every(({ lag_seconds: lag }) => lag === 0), HOUR));
    assert.deepEqual(service.lags(), current);
    exchange.failure = ({ symbol }) =>
      symbol === 'ETH/USDT' ? new ExchangeUnavailableError('binance', 'no answer') : null;
    await clock.run(10 * MINUTE);
    const [minutes, ...others] = service.lags();
    assert.ok(minutes!.timeframe === '1m' && minutes!.lag_seconds > 8 * 60, JSON.stringify(minutes));
    assert.ok(minutes!.lag_seconds <= 11 * 60, JSON.stringify(minutes));
    assert.deepEqual(others, current.slice(1));
  });

  it('pauses everything for as long as a ban says', async () => {
    const { clock, exchange, start, untilComplete } = createSetting();
    exchange.list('BTC/USDT', createCandle);
    exchange.list('ETH/USDT', createCandle);
    const service = await start({ markets: [{ exchange: 'binance', symbol: '*/USDT' }] });
    await clock.runUntil(() => exchange.requests.length >= 8, MINUTE);
    exchange.failure = () =>
      new ExchangeUnavailableError('binance', 'banned', { reason: 'banned', retryAfterMs: 5 * MINUTE });
    await clock.runUntil(() => service.health().last_error !== null, MINUTE);
    exchange.requests.length = 0;
    exchange.failure = () => null;
    await clock.run(5 * MINUTE - 5_000);
    assert.equal(exchange.requests.length, 0);
    assert.ok(await untilComplete(service));
  });

  it('refuses one market and goes on with the others; looks again after an hour', async () => {
    const { clock, exchange, stores, start } = createSetting();
    exchange.list('BTC/USDT', createCandle);
    exchange.list('BAD/USDT', createCandle);
    exchange.failure = (request) =>
      request.symbol === 'BAD/USDT'
        ? new ExchangeRejectedError('binance', 'no such market', { reason: 'symbol' })
        : null;
    const markets = ['BTC/USDT', 'BAD/USDT', 'BTC/USTD'].map((symbol) => ({ exchange: 'binance', symbol }));
    const service = await start({ markets, timeframes: [M1, parseTimeframe('7m')], sinceMs: START - 2 * HOUR });
    await clock.run(30 * MINUTE);
    const states = Object.fromEntries(service.series().map((each) => [`${each.symbol} ${each.timeframe}`, each]));
    assert.equal(states['BTC/USDT 1m']?.state, 'complete');
    assert.deepEqual([states['BAD/USDT 1m']?.state, states['BAD/USDT 1m']?.last_error], ['refused', 'no such market']);
    assert.match(states['BTC/USTD 1m']?.last_error ?? '', /did you mean BTC\/USDT/);
    assert.equal(states['BTC/USDT 7m']?.last_error, 'binance has no timeframe 7m');
    const asked = exchange.requests.filter(({ symbol }) => symbol === 'BAD/USDT').length;
    assert.ok(asked <= 2, `${asked} requests for it, which were in flight together`);
    exchange.failure = () => null;
    await clock.run(40 * MINUTE);
    assert.ok(stores.list({ ...BTC, symbol: 'BAD/USDT' }).length > 100);
    assert.equal(service.series().find(({ symbol }) => symbol === 'BAD/USDT')?.state, 'complete');
  });

  for (const reason of ['symbol', 'request'] as const) {
    it(`goes on with a series that was served before when one request is refused (${reason})`, async () => {
      const { clock, exchange, stores, start, untilComplete } = createSetting();
      exchange.list('BTC/USDT', createCandle);
      const refused = closedUntil(START) - 500 * MINUTE;
      let asked = 0;
      exchange.failure = ({ range, ...request }) => {
        if (!('timeframe' in request) || request.timeframe !== M1 || range.since > refused || range.until <= refused)
          return null;
        asked++;
        return new ExchangeRejectedError('binance', 'Invalid symbol.', { reason });
      };
      const service = await start();
      await clock.run(20 * MINUTE);
      const [state] = service.series();
      assert.deepEqual([state?.state, state?.last_error], ['backfilling', 'Invalid symbol.']);
      assert.equal(service.health().state, 'degraded');
      assert.ok((state?.missing ?? 0) <= 100, `${state?.missing} missing: only the page that is refused`);
      assert.ok(stores.list(BTC).at(-1)!.timestamp >= clock.now() - 2 * MINUTE - 5_000, 'the tail goes on');
      assert.ok(asked <= 12, `${asked} requests for it in 20 minutes`);
      exchange.failure = () => null;
      assert.ok(await untilComplete(service, 6 * MINUTE));
      assert.equal(service.health().last_error, null);
    });
  }

  it('asks with growing waits where the live tail is refused too, and is back within minutes', async () => {
    const { clock, exchange, start, untilComplete } = createSetting();
    exchange.list('BTC/USDT', createCandle);
    const service = await start();
    assert.ok(await untilComplete(service));
    exchange.failure = () => new ExchangeRejectedError('binance', 'Invalid symbol.', { reason: 'symbol' });
    exchange.requests.length = 0;
    await clock.run(30 * MINUTE);
    assert.ok(exchange.requests.length <= 20, `${exchange.requests.length} requests`);
    assert.deepEqual([service.health().state, service.health().last_error], ['degraded', 'Invalid symbol.']);
    exchange.failure = () => null;
    assert.ok(await untilComplete(service, 6 * MINUTE));
    assert.equal(service.health().last_error, null);
  });

  it('degrades for a wildcard that takes no market, and names it', async () => {
    const { clock, exchange, start, count } = createSetting();
    exchange.list('BTC/USDT', createCandle);
    const service = await start({ markets: [{ exchange: 'binance', symbol: '*/XYZ' }] });
    await clock.run(3 * HOUR);
    const { state, series, last_error } = service.health();
    assert.deepEqual([state, series], ['degraded', 0]);
    assert.equal(last_error, 'binance:*/XYZ matches no active market of binance; correct MARKETS');
    assert.equal(count('a wildcard takes no market'), 1);
  });

  it('stops asking an exchange that refuses us as a whole, and tries it after a quarter of an hour, then half of one', async () => {
    const { clock, exchange, start, untilComplete, count } = createSetting();
    exchange.list('BTC/USDT', createCandle);
    let asked = 0;
    exchange.generalFailure = () => {
      asked++;
      return new ExchangeRejectedError('binance', 'not from your country', { reason: 'access' });
    };
    const service = await start({ sinceMs: START - 2 * HOUR });
    await clock.run(59 * MINUTE);
    assert.equal(asked, 3);
    assert.equal(count('the exchange refuses us; nothing is collected from it'), 1);
    assert.equal(service.health().last_error, 'not from your country');
    exchange.generalFailure = () => null;
    assert.ok(await untilComplete(service));
  });

  it('survives answers that make no sense without a tight loop', async () => {
    const { clock, exchange, start, untilComplete } = createSetting();
    exchange.list('BTC/USDT', createCandle);
    exchange.failure = () => new ExchangeDataError('binance', 'this is a web page');
    const service = await start({ sinceMs: START - 2 * HOUR });
    await clock.run(10 * MINUTE);
    assert.ok(exchange.requests.length <= 20, `${exchange.requests.length} requests in ten minutes`);
    assert.equal(service.health().last_error, 'this is a web page');
    exchange.failure = () => null;
    assert.ok(await untilComplete(service));
    assert.equal(service.health().last_error, null);
  });

  it('tells that the exchange’s clock or markets cannot be read', async () => {
    const { clock, exchange, start, untilComplete } = createSetting();
    exchange.list('BTC/USDT', createCandle);
    exchange.generalFailure = () => new ExchangeDataError('binance', 'this is a web page');
    const service = await start({ sinceMs: START - 2 * HOUR });
    await clock.run(5 * MINUTE);
    assert.deepEqual([service.health().state, service.health().last_error], ['degraded', 'this is a web page']);
    exchange.generalFailure = () => null;
    assert.ok(await untilComplete(service));
    assert.equal(service.health().state, 'running');
  });

  it('serves other markets while every request for one of them goes unanswered', async () => {
    const { clock, exchange, start } = createSetting();
    for (const symbol of ['AAA/USDT', 'BTC/USDT', 'ETH/USDT']) exchange.list(symbol, createCandle);
    exchange.failure = (request) =>
      request.symbol === 'AAA/USDT' ? new ExchangeUnavailableError('binance', 'timed out') : null;
    const service = await start({ markets: [{ exchange: 'binance', symbol: '*/USDT' }] });
    const isComplete = () => service.series().filter(({ state }) => state === 'complete').length === 2;
    assert.ok(await clock.runUntil(isComplete, 20 * MINUTE));
  });

  it('waits for the database, asks for nothing meanwhile, and loses nothing', async () => {
    const { clock, exchange, stores, start, untilComplete, count } = createSetting();
    exchange.list('BTC/USDT', createCandle);
    const service = await start();
    await clock.runUntil(() => stores.list(BTC).length >= 300, HOUR);
    stores.failure = () => new Error('Connection terminated unexpectedly');
    await clock.runUntil(() => service.health().last_error !== null, MINUTE);
    const asked = exchange.requests.length;
    await clock.run(5 * MINUTE);
    assert.equal(service.health().state, 'degraded');
    assert.equal(service.health().last_error, 'Connection terminated unexpectedly');
    assert.ok(exchange.requests.length <= asked + 4, 'no request while the database is away');
    assert.equal(count('the database cannot be written; ingest waits for it'), 1);
    stores.failure = () => null;
    assert.ok(await untilComplete(service));
    const window = { since: START - DAY, until: closedUntil(clock.now()) };
    assert.deepEqual(stores.list(BTC), listTrue(window, MINUTE, createCandle));
    assert.equal(count('the database can be written again'), 1);
  });

  it('does not stop the rest for rows that the database refuses', async () => {
    const { clock, exchange, stores, start } = createSetting();
    exchange.list('BTC/USDT', createCandle);
    stores.failure = () => Object.assign(new Error('numeric field overflow'), { code: '22003', severity: 'ERROR' });
    const service = await start();
    await clock.run(5 * MINUTE);
    assert.match(service.health().last_error ?? '', /refused the rows: numeric field overflow/);
  });

  it('reports a programming error once, and stops', async () => {
    const { clock, exchange, start, failures } = createSetting();
    exchange.list('BTC/USDT', createCandle);
    const bug = new TypeError('undefined is not a function');
    exchange.failure = () => bug;
    const service = await start();
    await clock.run(MINUTE);
    assert.deepEqual(failures, [bug]);
    assert.equal(service.health().state, 'stopped');
    await service.stop();
    await service.stop();
    assert.ok(exchange.isClosed);
  });
});

describe('IngestService, markets and futures', () => {
  it('lets new listings join a wildcard within the hour, and ended ones go', async () => {
    const { clock, exchange, stores, start, untilComplete } = createSetting();
    exchange.list('BTC/USDT', createCandle);
    const service = await start({ markets: [{ exchange: 'binance', symbol: '*/USDT' }], sinceMs: START - HOUR });
    assert.ok(await untilComplete(service));
    exchange.instruments.length = 0;
    exchange.list('NEW/USDT', createCandle);
    await clock.run(70 * MINUTE);
    assert.deepEqual(
      service.series().map(({ symbol }) => symbol),
      ['NEW/USDT'],
    );
    assert.ok(stores.list({ ...BTC, symbol: 'NEW/USDT' }).length >= 120);
    assert.equal(service.health().last_error, null);
  });

  it('brings what the exchange keeps of futures data, what expires first, and stays live', async () => {
    const feeds = new Map<FuturesFeed, { limit: number; depthMs: number | null }>([
      ['mark_price', { limit: 100, depthMs: null }],
      ['open_interest', { limit: 100, depthMs: 30 * DAY }],
      ['taker_buy_sell_ratio', { limit: 100, depthMs: 30 * DAY }],
      ['funding_rate', { limit: 1000, depthMs: null }],
    ]);
    const { clock, exchange, stores, start } = createSetting({ feeds, candleLimit: 1000 });
    exchange.list('BTC/USDT', createCandle, { hasPerpetual: true });
    exchange.list('XYZ/USDT', createCandle);
    const service = await start({
      futures: true,
      timeframes: [H1],
      sinceMs: START - 60 * DAY,
      markets: [{ exchange: 'binance', symbol: '*/USDT' }],
    });
    const isComplete = () => service.health().futures.complete === 4;
    assert.ok(await clock.runUntil(isComplete, HOUR));
    const feedsAsked = exchange.futuresRequests.map(({ feed }) => feed);
    const history = feedsAsked.slice(4);
    const lastExpiring = Math.max(history.lastIndexOf('open_interest'), history.lastIndexOf('taker_buy_sell_ratio'));
    assert.ok(lastExpiring < history.indexOf('mark_price') + 4, history.join(' '));
    assert.ok(exchange.futuresRequests.every(({ symbol }) => symbol === 'BTC/USDT'));
    const slotsOf = (metric: FuturesFeed) =>
      stores.listFutures('binance', 'BTC/USDT', metric).map(({ timestamp }) => timestamp);
    const hour = Math.floor(START / HOUR) * HOUR;
    const hours = (count: number, newest: number) =>
      Array.from({ length: count }, (_, n) => newest - (count - 1 - n) * HOUR);
    await clock.run(10 * MINUTE);
    assert.deepEqual(slotsOf('open_interest'), hours(720 - 1, hour));
    assert.deepEqual(slotsOf('taker_buy_sell_ratio'), hours(720 - 2, hour - HOUR), 'the running hour is not final');
    assert.deepEqual(slotsOf('mark_price'), hours(60 * 24, hour));
    assert.equal(slotsOf('funding_rate').length, 60 * 3);
    await clock.run(HOUR);
    assert.equal(slotsOf('open_interest').at(-1), hour + HOUR);
    assert.equal(slotsOf('mark_price').at(-1), hour + HOUR);
    assert.equal(slotsOf('taker_buy_sell_ratio').at(-1), hour);
    assert.equal(service.health().state, 'running');
    // Funding comes every eight hours: in between nothing of it is missing.
    for (let i = 0; i < 12; i++) {
      await clock.run(50 * MINUTE);
      assert.ok(await clock.runUntil(isComplete, 5 * MINUTE), `after ${i * 50} minutes`);
    }
  });
});
