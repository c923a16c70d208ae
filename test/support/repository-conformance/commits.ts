import assert from 'node:assert/strict';
import type { Candle } from '../../../src/market/candle.ts';
import { candleEntry, type CommitEntry } from '../../../src/market/commit-entry.ts';
import { candleKey, feedKey, type CoverageRange } from '../../../src/market/coverage.ts';
import type { Decimal } from '../../../src/market/decimal.ts';
import { candlesFrom, seriesOf } from '../candles.ts';
import { feedEntry, withRefused } from '../commit-entries.ts';
import type { DeclareTest } from './skips.ts';
import { ALL, BTC, ETH, have, HOUR, KEY, MINUTE, missing, T0, type StoresSide } from './stores-side.ts';

const OKX = seriesOf('okx', 'BTC/USDT', '5m');
const NOTHING = { inserted: 0, updated: 0, unchanged: 0, changes: [] };
const FEEDS = ['binance', 'BTC/USDT'] as const;
const [A, B, C] = candlesFrom(T0, MINUTE, 3) as [Candle, Candle, Candle];
const changed = (candle: Candle, close: string) => ({ ...candle, close: close as Decimal });
const value = (text: string) => text as Decimal;

/** What a commit writes, and what it says of it. Nothing is stored when a test begins. */
export function describeCommits(test: DeclareTest, side: StoresSide): void {
  const commit = (...entries: CommitEntry[]) => side.stores().commit(entries);
  const ledgerOf = (key = KEY) => side.stores().coverage.list(key, ALL);

  test('stores candles of many series in one go, each digit, and tells them apart', async () => {
    await side.storeCandles(ETH, [A]);
    const again = { ...B, volume: value(`${B.volume}0`) };
    const outcome = await commit(
      candleEntry(BTC, [B, A, again]),
      candleEntry(ETH, [A]),
      candleEntry(OKX, [A]),
      candleEntry(seriesOf('okx', 'ETH/USDT', '5m'), []),
    );
    assert.deepEqual(outcome, { inserted: 3, updated: 0, unchanged: 2, changes: [] });
    assert.deepEqual(await side.listCandles(BTC), [A, B]);
    assert.deepEqual(await side.listCandles(ETH), [A]);
    assert.deepEqual(await side.listCandles(OKX), [A]);
    assert.deepEqual(await side.listRewrites(), []);
    assert.deepEqual(await ledgerOf(), [have(0, 2)]);
    assert.deepEqual(await ledgerOf(candleKey(OKX)), [have(0, 5)]);
    assert.deepEqual(await ledgerOf({ ...KEY, symbol: 'XRP/USDT' }), []);
  });

  test('leaves a candle as it is stored that comes with equal values written otherwise', async () => {
    await commit(candleEntry(BTC, [A, B]));
    const same = { ...A, close: value(`${A.close}00`), low: value(`0${A.low}`) };
    assert.deepEqual(await commit(candleEntry(BTC, [B, same])), { ...NOTHING, unchanged: 2 });
    const both = await commit(candleEntry(BTC, [same]), candleEntry(ETH, [same]));
    assert.deepEqual(both, { ...NOTHING, inserted: 1, unchanged: 1 });
    assert.deepEqual(await side.listCandles(BTC), [A, B]);
    assert.deepEqual(await side.listRewrites(), []);
  });

  test('tells what was rewritten: by series, oldest first, with the values before and after', async () => {
    await side.storeCandles(BTC, [A, B, C]);
    await side.storeCandles(ETH, [A]);
    const [a, b, c] = [changed(A, '0.00003'), changed(B, '0.0000310'), changed(C, '0.000032')];
    const outcome = await commit(candleEntry(ETH, [a, B]), candleEntry(BTC, [c, B, a]));
    const changes = [
      { series: BTC, before: A, after: a },
      { series: BTC, before: C, after: c },
      { series: ETH, before: A, after: a },
    ];
    assert.deepEqual(outcome, { inserted: 1, updated: 3, unchanged: 1, changes });
    assert.deepEqual(await side.listCandles(BTC), [a, B, c]);
    const page = await commit(candleEntry(BTC, [b, a, b]));
    assert.deepEqual(page, { inserted: 0, updated: 1, unchanged: 2, changes: [{ series: BTC, before: B, after: b }] });
    assert.deepEqual(await side.listRewrites(), [...changes, ...page.changes]);
  });

  test('takes candles and futures data together, with what was refused', async () => {
    await side.storeCandles(BTC, [A, B]);
    await side.storeCandles(ETH, [A]);
    await side.storeFutures(...FEEDS, [{ timestamp: T0, mark_price: value('4') }]);
    const b = changed(B, '0.00003');
    const outcome = await commit(
      feedEntry('BTC/USDT', 'mark_price', T0, ['5', '6']),
      candleEntry(ETH, [A, B]),
      withRefused(candleEntry(BTC, [C, b, A]), 1),
      feedEntry('BTC/USDT', 'open_interest', T0 + HOUR, ['1', '2']),
    );
    // Of futures data: one new, one other value, one row that takes a second metric, one new.
    const changes = [{ series: BTC, before: B, after: b }];
    assert.deepEqual(outcome, { inserted: 2 + 2, updated: 1 + 2, unchanged: 2, changes });
    assert.deepEqual(await side.listCandles(BTC), [A, b, C]);
    assert.deepEqual(await side.listFutures(...FEEDS), [
      { timestamp: T0, mark_price: '5' },
      { timestamp: T0 + HOUR, mark_price: '6', open_interest: '1' },
      { timestamp: T0 + 2 * HOUR, open_interest: '2' },
    ]);
    assert.deepEqual(await ledgerOf(), [have(0, 3)]);
    assert.deepEqual(await ledgerOf(feedKey(...FEEDS, 'mark_price')), [have(0, 120)]);
    assert.deepEqual(await ledgerOf(feedKey(...FEEDS, 'open_interest')), [have(60, 180)]);
    assert.deepEqual(await side.listQuarantined(), ['high is below low']);
  });

  test('merges futures data of one time, and keeps what is stored of equal values and of metrics that it does not bring', async () => {
    const price = { ...feedEntry('BTC/USDT', 'mark_price', T0, ['1', '2.50']) };
    const [first, second] = price.rows;
    await side.storeFutures(...FEEDS, [{ timestamp: T0, funding_rate: value('-0.0001') }]);
    const more = { timestamp: T0, mark_price: value('1.0') };
    assert.deepEqual(await commit({ ...price, rows: [second!, more, first!] }), {
      ...NOTHING,
      inserted: 1,
      updated: 1,
      unchanged: 1,
    });
    const stored = [
      { timestamp: T0, funding_rate: '-0.0001', mark_price: '1.0' },
      { timestamp: T0 + HOUR, mark_price: '2.50' },
    ];
    assert.deepEqual(await side.listFutures(...FEEDS), stored);
    const equal = feedEntry('BTC/USDT', 'mark_price', T0, ['1.00', '2.5']);
    assert.deepEqual(await commit(equal), { ...NOTHING, unchanged: 2 });
    assert.deepEqual(await side.listFutures(...FEEDS), stored);
    const other = await commit(feedEntry('BTC/USDT', 'mark_price', T0, ['3']));
    assert.deepEqual(other, { ...NOTHING, updated: 1 });
    assert.deepEqual(await side.listFutures(...FEEDS), [{ ...stored[0], mark_price: '3' }, stored[1]]);
  });

  test('takes the ledger alone, refused rows alone, and nothing', async () => {
    const refused: CoverageRange = { ...missing(20, 21), state: 'refused', asks: 1, reason: 'no' };
    const told = { key: KEY, rows: [], changes: [have(0, 10), missing(10, 20), refused], quarantine: [] };
    assert.deepEqual(await commit(told), NOTHING);
    assert.deepEqual(await ledgerOf(), told.changes);
    assert.deepEqual(await commit(withRefused(candleEntry(ETH, []), 1)), NOTHING);
    assert.deepEqual(await side.listQuarantined(), ['high is below low']);
    assert.deepEqual(await ledgerOf(candleKey(ETH)), []);
    assert.deepEqual(await commit(), NOTHING);
    assert.deepEqual(await commit(candleEntry(BTC, []), candleEntry(ETH, [])), NOTHING);
    assert.deepEqual(await ledgerOf(), told.changes);
  });

  test('refuses candles and futures data that contradict themselves, and stores nothing of all that came with them', async () => {
    const contradiction = candleEntry(BTC, [A, changed(A, '0.00003'), B]);
    for (const entries of [[contradiction], [candleEntry(ETH, [A]), contradiction]])
      await assert.rejects(commit(...entries), { code: 'CANDLES_CONTRADICT', message: /binance BTC\/USDT 1m/ });
    const feed = feedEntry('BTC/USDT', 'mark_price', T0, ['1', '2']);
    const rows = [...feed.rows, { timestamp: T0, mark_price: value('2') }];
    await assert.rejects(commit(candleEntry(ETH, [A]), withRefused({ ...feed, rows }, 1)), {
      code: 'SNAPSHOTS_CONTRADICT',
      message: /mark_price at 2024-03-09T00:00/,
    });
    for (const series of [BTC, ETH]) {
      assert.deepEqual(await side.listCandles(series), []);
      assert.deepEqual(await ledgerOf(candleKey(series)), []);
    }
    assert.deepEqual(await side.listFutures(...FEEDS), []);
    assert.deepEqual(await ledgerOf(feed.key), []);
    assert.deepEqual(await side.listQuarantined(), []);
  });
}
