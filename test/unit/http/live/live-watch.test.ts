import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LiveEvent } from '../../../../src/http/live/live-event.ts';
import { LiveWatch, MAX_PER_SERIES } from '../../../../src/http/live/live-watch.ts';
import { candlesFrom, seriesOf } from '../../../support/candles.ts';
import { InMemoryFeed } from './in-memory-feed.ts';

const MINUTE = 60_000;
const BTC = seriesOf('binance', 'BTC/USDT', '1m');
const ETH = seriesOf('okx', 'ETH/USDT', '1m');

/** A watch that has looked once; ten minutes of BTC/USDT were stored a minute before. */
async function createSetting() {
  const feed = new InMemoryFeed();
  const start = feed.nowMs - 100 * MINUTE;
  const candles = candlesFrom(start, MINUTE, 400);
  feed.store(BTC, candles.slice(0, 10));
  feed.pass(MINUTE);
  const events: LiveEvent[] = [];
  const watch = new LiveWatch({ feed, publish: (event) => events.push(event) });
  await watch.look();
  feed.pass(1_000);
  const take = () =>
    events.splice(0).map((event) => ({ type: event.type, ...(JSON.parse(event.render('string')) as object) }));
  const times = () => take().map((event) => ('timestamp' in event ? event.timestamp : event.type));
  const iso = (index: number) => new Date(start + index * MINUTE).toISOString();
  return { feed, candles, watch, take, times, iso };
}

describe('LiveWatch', () => {
  it('says nothing of what was there before', async () => {
    const { watch, feed, take } = await createSetting();
    feed.revise(BTC, candlesFrom(0, MINUTE, 1)[0]!, candlesFrom(0, MINUTE, 1)[0]!);
    watch.pause();
    await watch.look();
    await watch.look();
    assert.deepEqual(take(), []);
  });

  it('tells what this process stores at once, once, whole', async () => {
    const { watch, feed, candles, take, iso } = await createSetting();
    const stored = [{ series: BTC, candles: candles.slice(8, 11) }];
    feed.store(BTC, candles.slice(10, 11));
    watch.note(stored);
    const told = take();
    assert.deepEqual(told, [
      {
        type: 'candle',
        exchange: 'binance',
        symbol: 'BTC/USDT',
        timeframe: '1m',
        timestamp: iso(10),
        open: '0.00002010',
        high: '0.000040100',
        low: '0.00002010',
        close: '0.000040100',
        volume: '10.500',
      },
    ]);
    watch.note(stored);
    await watch.look();
    await watch.look();
    assert.deepEqual(take(), []);
  });

  it('finds what others store, and does not tell it again when this process stores it too', async () => {
    const { watch, feed, candles, times, iso } = await createSetting();
    feed.store(BTC, candles.slice(10, 13));
    await watch.look();
    assert.deepEqual(times(), [iso(10), iso(11), iso(12)]);
    watch.note([{ series: BTC, candles: candles.slice(10, 13) }]);
    feed.pass(1_000);
    await watch.look();
    assert.deepEqual(times(), []);
  });

  it('finds candles that fill a hole before the newest one', async () => {
    const { watch, feed, candles, times, iso } = await createSetting();
    feed.store(BTC, candles.slice(12, 13));
    await watch.look();
    assert.deepEqual(times(), [iso(12)]);
    feed.pass(60_000);
    feed.store(BTC, candles.slice(10, 12));
    watch.note([{ series: BTC, candles: candles.slice(10, 13) }]);
    await watch.look();
    assert.deepEqual(times(), [iso(10), iso(11)]);
  });

  it('finds a row that was stamped before the last look and committed after it', async () => {
    const { watch, feed, candles, times, iso } = await createSetting();
    feed.pass(5_000);
    await watch.look();
    feed.pass(-3_000);
    feed.store(BTC, candles.slice(10, 11));
    feed.pass(4_000);
    await watch.look();
    assert.deepEqual(times(), [iso(10)]);
  });

  it('tells the newest of very many one by one, and how many there are besides', async () => {
    const { watch, feed, candles, take } = await createSetting();
    feed.store(BTC, candles.slice(10, 10 + MAX_PER_SERIES + 25));
    watch.note([{ series: BTC, candles: candles.slice(10, 10 + MAX_PER_SERIES + 25) }]);
    await watch.look();
    const events = take();
    assert.equal(events.filter(({ type }) => type === 'candle').length, MAX_PER_SERIES);
    assert.deepEqual(
      events.filter(({ type }) => type !== 'candle'),
      [{ type: 'history', exchange: 'binance', symbol: 'BTC/USDT', timeframe: '1m', candles: 25 }],
    );
  });

  it('tells of a series that is new, and of candles that come before all that are stored, as history', async () => {
    const { watch, feed, take } = await createSetting();
    feed.store(ETH, candlesFrom(feed.nowMs - 5 * MINUTE, MINUTE, 5));
    await watch.look();
    assert.deepEqual(
      take().map((event) => ({ ...event })),
      [{ type: 'history', exchange: 'okx', symbol: 'ETH/USDT', timeframe: '1m', candles: 5 }],
    );
    feed.pass(120_000);
    feed.store(ETH, candlesFrom(feed.nowMs, MINUTE, MAX_PER_SERIES));
    await watch.look();
    take();
    feed.pass(120_000);
    feed.store(ETH, candlesFrom(feed.nowMs - 9_000 * MINUTE, MINUTE, 3));
    await watch.look();
    assert.deepEqual(
      take().map(({ type }) => type),
      ['history'],
    );
  });

  it('does not take a candle that the ledger had not counted yet for history', async () => {
    const { watch, feed, candles, take, times, iso } = await createSetting();
    watch.note([{ series: BTC, candles: candles.slice(10, 11) }]);
    await watch.look();
    assert.deepEqual(times(), [iso(10)]);
    feed.store(BTC, candles.slice(10, 11));
    await watch.look();
    assert.deepEqual(take(), []);
  });

  it('tells when the number of missing candles changes', async () => {
    const { watch, feed, take } = await createSetting();
    feed.miss(BTC, 3);
    await watch.look();
    await watch.look();
    const [event, ...more] = take();
    assert.deepEqual(more, []);
    assert.deepEqual(event, {
      type: 'gap',
      exchange: 'binance',
      symbol: 'BTC/USDT',
      timeframe: '1m',
      complete: false,
      missing: 3,
      lost: 0,
      since: new Date(feed.nowMs - 3 * MINUTE).toISOString(),
      until: new Date(feed.nowMs).toISOString(),
    });
    feed.miss(BTC, 0);
    await watch.look();
    assert.deepEqual(
      take().map((each) => [each.type, 'missing' in each && each.missing, 'since' in each && each.since]),
      [['gap', 0, null]],
    );
  });

  it('tells each rewritten candle once, with both values', async () => {
    const { watch, feed, candles, take } = await createSetting();
    feed.revise(BTC, candles[3]!, candles[4]!);
    await watch.look();
    feed.revise(BTC, candles[4]!, candles[3]!);
    await watch.look();
    await watch.look();
    const told = take();
    assert.deepEqual(
      told.map(({ type }) => type),
      ['revision', 'revision'],
    );
    assert.ok('old' in told[0]! && 'new' in told[0]);
    assert.deepEqual(
      [told[0].old, told[0].new].map((values) => (values as { volume: string }).volume),
      ['3.500', '4.500'],
    );
  });

  it('tells nothing twice and loses nothing where reading fails in the middle', async () => {
    const { watch, feed, candles, times, iso } = await createSetting();
    feed.store(BTC, candles.slice(10, 11));
    feed.fault = new Error('the connection is gone');
    await assert.rejects(watch.look());
    feed.pass(600_000);
    feed.store(BTC, candles.slice(11, 12));
    feed.fault = null;
    await watch.look();
    assert.deepEqual(times(), [iso(10), iso(11)]);
  });

  it('writes numbers as asked', async () => {
    const { feed, candles } = await createSetting();
    const events: LiveEvent[] = [];
    const watch = new LiveWatch({ feed, publish: (event) => events.push(event) });
    await watch.look();
    watch.note([{ series: BTC, candles: candles.slice(10, 11) }]);
    assert.equal((JSON.parse(events[0]!.render('float')) as { volume: unknown }).volume, 10.5);
    assert.equal((JSON.parse(events[0]!.render('string')) as { volume: unknown }).volume, '10.500');
  });
});
