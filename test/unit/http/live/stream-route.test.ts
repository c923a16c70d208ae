import assert from 'node:assert/strict';
import { after, afterEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LiveHub, type LiveLimits } from '../../../../src/http/live/live-hub.ts';
import type { Candle } from '../../../../src/market/candle.ts';
import type { Series } from '../../../../src/market/instrument.ts';
import { candlesFrom, seriesOf } from '../../../support/candles.ts';
import { EventStream } from '../../../support/event-stream.ts';
import { createRecordingLogger, createTestApp } from '../in-memory.ts';
import { InMemoryFeed } from './in-memory-feed.ts';
import { waitUntil } from '../../../support/patience.ts';

const MINUTE = 60_000;
const BTC = seriesOf('binance', 'BTC/USDT', '1m');
const ETH = seriesOf('okx', 'ETH/EUR', '1h');

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface TestCandle {
  readonly symbol: string;
  readonly volume: string | number;
}

/** The whole app, listening, with a hub that looks 50 times a second. */
async function createSetting(limits: Partial<LiveLimits> = {}) {
  const feed = new InMemoryFeed();
  const candles = new Map<Series, Candle[]>([
    [BTC, candlesFrom(feed.nowMs - 100 * MINUTE, MINUTE, 6000)],
    [ETH, candlesFrom(feed.nowMs - 100 * 60 * MINUTE, 60 * MINUTE, 200)],
  ]);
  const stored = new Map<Series, number>();
  const health = { status: 'healthy', reasons: [] as string[] };
  const { logger, lines } = createRecordingLogger();
  const create = () => new LiveHub({ feed, readHealth: () => health, logger, limits: { lookEveryMs: 20, ...limits } });
  /** Stores the next candles; `hub`: as this process does, and not as another one. */
  const store = (series: Series, count: number, hub?: LiveHub) => {
    const start = stored.get(series) ?? 0;
    stored.set(series, start + count);
    const rows = candles.get(series)!.slice(start, start + count);
    feed.pass(1);
    feed.store(series, rows);
    hub?.note([{ series, candles: rows }]);
  };
  store(BTC, 10);
  store(ETH, 10);
  feed.pass(60_000);
  const listen = async (hub: LiveHub) => {
    await hub.start({ signal: new AbortController().signal, fail: (error) => failures.push(error) });
    const { app, rows } = createTestApp({ live: hub });
    rows.put(BTC, candles.get(BTC)!.slice(0, 10));
    rows.put(ETH, candles.get(ETH)!.slice(0, 10));
    const origin = await app.listen({ port: 0, host: '127.0.0.1' });
    cleanups.push(async () => {
      await hub.stop();
      await app.close();
    });
    const open = async (query = '', headers: Record<string, string> = {}) => {
      const stream = await EventStream.open(`${origin}/v1/stream${query}`, headers);
      cleanups.push(() => stream[Symbol.asyncDispose]());
      return stream;
    };
    return { app, origin, open };
  };
  const hub = create();
  return { feed, health, hub, create, listen, lines, store, ...(await listen(hub)) };
}

/** Waits until one that began after this was called has looked at the database. */
async function looked(feed: InMemoryFeed): Promise<void> {
  const before = feed.looks;
  await waitUntil(() => feed.looks >= before + 2, 'two looks');
}

const failures: unknown[] = [];
after(() => assert.deepEqual(failures, []));

const volumes = (events: unknown[]) => events.map((event) => (event as TestCandle).volume);

describe('GET /v1/stream', () => {
  it('loses nothing of what comes at one blow for who reads', async () => {
    const { feed, open } = await createSetting();
    const stream = await open('?events=revision');
    // The first look is over once it is let in.
    const [before, after] = candlesFrom(feed.nowMs, MINUTE, 2);
    for (let count = 0; count < 1_900; count++) feed.revise(BTC, before!, after!);
    const revisions = await stream.waitFor('revision', 1_900);
    assert.equal(revisions.length, 1_900);
    assert.deepEqual(
      stream.events.filter(({ type }) => type === 'dropped'),
      [],
    );
  });

  it('begins anew for an id of a later time than the database has', async () => {
    const { feed, open } = await createSetting();
    const later = await open('?events=candle', { 'last-event-id': `aaaaaaaaaaaa.1.${feed.nowMs + 3_600_000}.0` });
    const [reset] = (await later.waitFor('reset')) as { reason: string }[];
    assert.match(reset?.reason ?? '', /later time than the database/);
  });

  it('begins with the service’s health, and goes on with what is stored here and elsewhere', async () => {
    const { open, store, hub } = await createSetting();
    const stream = await open();
    assert.equal(stream.status, 200);
    assert.equal(stream.headers['content-type'], 'text/event-stream; charset=utf-8');
    assert.match(stream.headers['cache-control'] ?? '', /no-cache/);
    assert.deepEqual(await stream.waitFor('health'), [{ status: 'healthy', reasons: [] }]);
    assert.match(stream.text, /^retry: 3000\n\nid: \S+\nevent: health\n/);
    store(BTC, 1, hub);
    assert.deepEqual(volumes(await stream.waitFor('candle')), ['10.500']);
    store(ETH, 1);
    assert.deepEqual(volumes(await stream.waitFor('candle', 2)), ['10.500', '10.500']);
  });

  it('tells each client what it asked for', async () => {
    const { open, store, hub } = await createSetting();
    const all = await open('?events=candle');
    const euros = await open('?symbol=*/eur&numbers=float');
    const minutes = await open('?exchange=binance,bybit&timeframe=1m&events=candle,gap');
    const gaps = await open('?events=gap&symbol=*');
    for (let round = 1; round <= 3; round++) {
      store(BTC, 1, hub);
      store(ETH, 1, hub);
    }
    assert.deepEqual(
      (await all.waitFor('candle', 6)).map((event) => (event as TestCandle).symbol),
      ['BTC/USDT', 'ETH/EUR', 'BTC/USDT', 'ETH/EUR', 'BTC/USDT', 'ETH/EUR'],
    );
    assert.deepEqual(volumes(await euros.waitFor('candle', 3)), [10.5, 11.5, 12.5]);
    assert.deepEqual(volumes(await minutes.waitFor('candle', 3)), ['10.500', '11.500', '12.500']);
    assert.deepEqual(gaps.events, []);
    assert.deepEqual(new Set(minutes.events.map(({ type }) => type)), new Set(['candle']));
  });

  it('goes on exactly where a client was, from memory', async () => {
    const { open, store, hub } = await createSetting();
    const watcher = await open();
    const first = await open('?events=candle');
    store(BTC, 3, hub);
    await first.waitFor('candle', 3);
    const id = first.lastEventId;
    await first[Symbol.asyncDispose]();
    store(BTC, 4, hub);
    await watcher.waitFor('candle', 7);
    const second = await open('?events=candle', { 'last-event-id': id });
    store(BTC, 1, hub);
    const told = ['13.500', '14.500', '15.500', '16.500', '17.500'];
    assert.deepEqual(volumes(await second.waitFor('candle', 5)), told);
    const third = await open(`?events=candle&last_event_id=${id}`);
    assert.deepEqual(volumes(await third.waitFor('candle', 5)), told);
    assert.equal(third.lastEventId, watcher.lastEventId);
  });

  it('reads what was stored meanwhile from the database where another process told the rest', async () => {
    const { feed, open, store, hub, create, listen } = await createSetting();
    const first = await open();
    store(BTC, 2, hub);
    await first.waitFor('candle', 2);
    feed.pass(60_000);
    store(BTC, 1, hub);
    await first.waitFor('candle', 3);
    // The id comes from the look that has seen the last candle.
    await looked(feed);
    store(ETH, 1, hub);
    await first.waitFor('candle', 4);
    await hub.stop();
    await first.waitForEnd();
    feed.pass(60_000);
    store(BTC, 3);
    const [candle] = candlesFrom(0, MINUTE, 1);
    feed.revise(BTC, candle!, candle!);
    feed.pass(60_000);
    feed.miss(BTC, 7);
    const other = await listen(create());
    const second = await other.open('?symbol=BTC/USDT', { 'last-event-id': first.lastEventId });
    // It reaches back by half a minute: what is told again is the last one that was seen.
    assert.deepEqual(volumes(await second.waitFor('candle', 4)), ['12.500', '13.500', '14.500', '15.500']);
    await second.waitFor('revision');
    assert.deepEqual(
      (await second.waitFor('gap')).map((event) => [
        (event as TestCandle).symbol,
        (event as { missing?: number }).missing,
      ]),
      [['BTC/USDT', 7]],
    );
    store(BTC, 1);
    assert.deepEqual(volumes(await second.waitFor('candle', 5)).at(-1), '16.500');
    assert.equal(second.events.filter(({ type }) => type === 'reset').length, 0);
  });

  it('says that it cannot tell what was missed, why, and goes on', async () => {
    const { feed, open, store, hub, create, listen, lines } = await createSetting();
    const strange = await open('', { 'last-event-id': 'yesterday' });
    const first = await open();
    await first.waitFor('health');
    store(BTC, 1, hub);
    await first.waitFor('candle');
    assert.match(
      JSON.stringify(await strange.waitFor('reset')),
      /\\"yesterday\\" is no id of this stream.*\/v1\/ohlcv/,
    );
    await strange.waitFor('candle');
    await hub.stop();

    feed.pass(60_000);
    store(BTC, 100);
    const other = await listen(create());
    const second = await other.open('', { 'last-event-id': first.lastEventId });
    assert.match(JSON.stringify(await second.waitFor('reset')), /more was stored meanwhile/);
    assert.equal(second.events.filter(({ type }) => type === 'candle').length, 0);

    feed.pass(25 * 60 * MINUTE);
    await looked(feed);
    const third = await other.open('', { 'last-event-id': first.lastEventId });
    assert.match(JSON.stringify(await third.waitFor('reset')), /more than a day/);

    feed.fault = new Error('the connection is gone');
    const fourth = await other.open('', { 'last-event-id': first.lastEventId.replace(/\d+\.\d+$/, `${feed.nowMs}.0`) });
    assert.match(JSON.stringify(await fourth.waitFor('reset')), /could not be read/);
    await waitUntil(
      () => lines.some(({ msg }) => msg === 'the live stream could not read the database'),
      'a failed look',
    );
    feed.fault = null;
    store(BTC, 1);
    await fourth.waitFor('candle');
    const messages = lines.map(({ msg }) => msg).filter((msg) => msg.startsWith('the live stream'));
    assert.deepEqual(messages.slice(0, 1), ['the live stream could not read the database']);
    assert.equal(messages.at(-1), 'the live stream reads the database again');
  });

  it('tells that the service’s state has changed', async () => {
    const { open, health } = await createSetting();
    const stream = await open('?events=health');
    await stream.waitFor('health');
    health.status = 'degraded';
    health.reasons.push('ingest is stopped');
    assert.deepEqual((await stream.waitFor('health', 2))[1], { status: 'degraded', reasons: ['ingest is stopped'] });
    await sleep(100);
    assert.equal(stream.events.length, 2);
  });

  it('drops what a slow client cannot take, says so, and keeps the others going', async () => {
    const { open, health, hub } = await createSetting({ queue: { events: 50, characters: 1e6 } });
    const slow = await open('?events=health');
    const quick = await open('?events=health');
    await slow.waitFor('health');
    const heapBefore = process.memoryUsage().arrayBuffers;
    slow.pause();
    const rounds = 120;
    for (let round = 1; round <= rounds; round++) {
      health.reasons = [`${round} `.padEnd(200_000, '.')];
      await quick.waitFor('health', round + 1);
    }
    assert.ok(process.memoryUsage().arrayBuffers - heapBefore < 100e6);
    assert.equal(hub.size, 2);
    slow.resume();
    const [notice] = (await slow.waitFor('dropped')) as { count: number; since: string; resume_from: string }[];
    const kept = (await slow.waitFor('health', 1 + rounds - notice!.count)).slice(1);
    assert.ok(notice!.count > rounds / 10, `${notice!.count} were dropped`);
    const numbers = kept.map((each) => Number.parseInt((each as typeof health).reasons[0] ?? ''));
    const missing = Array.from({ length: rounds }, (_, index) => index + 1).filter(
      (number) => !numbers.includes(number),
    );
    assert.equal(missing.length, notice!.count);
    assert.equal(missing.at(-1)! - missing[0]! + 1, missing.length, 'what was lost is one range');
    assert.equal(numbers.at(-1), rounds);
    assert.ok(Math.abs(Date.parse(notice!.since) - Date.now()) < 60_000);

    const again = await open('?events=health', { 'last-event-id': notice!.resume_from });
    const retold = (await again.waitFor('health', 1 + rounds - missing[0]! + 1)).slice(1);
    assert.equal(Number.parseInt((retold[0] as typeof health).reasons[0] ?? ''), missing[0]);
  });

  it('lets no more clients in than it serves, and a new one when one has left', async () => {
    const { open, origin, hub, store } = await createSetting({ clients: 2 });
    const [first, second] = [await open(), await open()];
    await Promise.all([first.waitFor('health'), second.waitFor('health')]);
    const refused = await fetch(`${origin}/v1/stream`);
    assert.equal(refused.status, 429);
    assert.equal(refused.headers.get('retry-after'), '30');
    assert.match(((await refused.json()) as { type: string }).type, /streams-exhausted$/);
    await first[Symbol.asyncDispose]();
    await waitUntil(() => hub.size === 1, 'one client leaves');
    const third = await open();
    store(BTC, 1, hub);
    await third.waitFor('candle');
  });

  it('cuts a client off that takes nothing for long, and no other', async () => {
    const { open, hub, health, store } = await createSetting({ patienceMs: 300 });
    const slow = await open('?events=health');
    // What it is sent is so little that the system takes it at once, whenever this process comes to read.
    const quick = await open('?events=candle');
    await slow.waitFor('health');
    slow.pause();
    let rounds = 0;
    await waitUntil(async () => {
      health.reasons = [`${++rounds} `.padEnd(200_000, '.')];
      store(BTC, 1, hub);
      await quick.waitFor('candle', rounds);
      return hub.size === 1;
    }, 'the end of the client that takes nothing');
    slow.resume();
    await slow.waitForEnd();
    store(BTC, 1, hub);
    await quick.waitFor('candle', rounds + 1);
  });

  it('keeps an idle connection alive, with the place that it has reached', async () => {
    const { open, feed } = await createSetting({ beatEveryMs: 50 });
    const stream = await open('?events=candle&symbol=*/EUR');
    const before = stream.lastEventId;
    feed.pass(5_000);
    await waitUntil(() => /: heartbeat\nid: \S+\n\n/.test(stream.text), 'a heartbeat');
    feed.pass(5_000);
    await waitUntil(() => stream.lastEventId !== before, 'another id');
    assert.deepEqual(stream.events, []);
  });

  it('asks the database nothing while nobody listens', async () => {
    const { open, feed, hub, store } = await createSetting({ lingerMs: 50 });
    await sleep(100);
    assert.equal(feed.looks, 0);
    const stream = await open();
    await stream.waitFor('health');
    await stream[Symbol.asyncDispose]();
    await waitUntil(() => hub.size === 0, 'the client leaves');
    // It lingers a while; then ten times as long as between two looks brings none.
    await waitUntil(async () => {
      const { looks } = feed;
      await sleep(200);
      return feed.looks === looks;
    }, 'the end of the looks');
    const again = await open();
    await again.waitFor('health');
    store(BTC, 1);
    await again.waitFor('candle');
  });

  it('ends all streams when the service stops', async () => {
    const { open, hub } = await createSetting();
    const stream = await open();
    await stream.waitFor('health');
    await hub.stop();
    await stream.waitForEnd();
    assert.equal(hub.size, 0);
  });

  it('refuses what it cannot mean, and says what it could', async () => {
    const { origin } = await createSetting();
    const ask = async (query: string, init: RequestInit = {}) => {
      const response = await fetch(`${origin}/v1/stream${query}`, init);
      const body = (await response.json().catch(() => ({}))) as { detail?: string };
      return `${response.status} ${body.detail ?? ''}`;
    };
    assert.match(await ask('?symbol=BTC/USD'), /^404 .*binance BTC\/USDT 1m.*GET \/v1\/series/);
    assert.match(await ask('?exchange=kraken'), /^404 /);
    assert.match(await ask('?symbol=BTC'), /^400 symbol must be spot symbols/);
    assert.match(await ask('?symbol=BTC/USDT,'), /^400 symbol must/);
    assert.match(await ask('?timeframe=1x'), /^400 timeframe .*is not a timeframe/);
    assert.match(await ask('?events=trade'), /^400 events must be some of candle, revision/);
    assert.match(await ask('?numbers=hex'), /^400 numbers must/);
    assert.match(await ask('?since=2026-01-01'), /^400 since is not a parameter/);
    assert.match(await ask('', { method: 'HEAD' }), /^405 /);
  });

  it('answers 503 while the database is away and nobody has looked yet', async () => {
    const { origin, feed, open } = await createSetting();
    feed.fault = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
    assert.equal((await fetch(`${origin}/v1/stream`)).status, 503);
    feed.fault = null;
    await (await open()).waitFor('health');
  });
});
