import assert from 'node:assert/strict';
import type { CommitEntry } from '../../../src/market/commit-entry.ts';
import { haveRange, missingRange, type CoverageKey, type CoverageRange } from '../../../src/market/coverage.ts';
import type { Decimal } from '../../../src/market/decimal.ts';
import { candleOf, candlesFrom } from '../candles.ts';
import type { DeclareTest } from './skips.ts';
import { ALL, BTC, empty, have, HOUR, KEY, MINUTE, minutes, missing, T0, type StoresSide } from './stores-side.ts';

const hours = (since: number, until: number) => minutes(since * 60, until * 60);
const feed = (metric: CoverageKey['metric']): CoverageKey => ({ ...KEY, timeframe: '1h', metric });
const word = (key: CoverageKey, ...changes: CoverageRange[]): CommitEntry => ({
  key,
  rows: [],
  changes,
  quarantine: [],
});

/** What the ledger is told, and what it says. Nothing is stored when a test begins. */
export function describeLedger(test: DeclareTest, side: StoresSide): void {
  const ledger = () => side.stores().coverage;
  const commit = (...entries: CommitEntry[]) => side.stores().commit(entries);
  const all = (key = KEY) => ledger().list(key, ALL);

  test('lays what it is told over what it knows, and gives all of it back, clipped where asked', async () => {
    assert.deepEqual(await all(), []);
    await commit(word(KEY, missing(0, 100)));
    await commit(word(KEY, have(10, 20), empty(20, 23), have(23, 40)));
    const refused: CoverageRange = { ...missing(90, 95), state: 'refused', asks: 1, reason: 'no' };
    await commit(word(KEY, refused));
    const told = [
      missing(0, 10),
      have(10, 20),
      empty(20, 23),
      have(23, 40),
      missing(40, 90),
      refused,
      missing(95, 100),
    ];
    assert.deepEqual(await all(), told);
    const part = [have(15, 20), empty(20, 23), have(23, 40), missing(40, 50)];
    assert.deepEqual(await ledger().list(KEY, minutes(15, 50)), part);
    assert.deepEqual(await ledger().list(KEY, { since: T0 + 19 * MINUTE + 1, until: T0 + 20 * MINUTE + 1 }), [
      { ...have(19, 20), since: T0 + 19 * MINUTE + 1 },
      { ...empty(20, 21), until: T0 + 20 * MINUTE + 1 },
    ]);
    assert.deepEqual(await ledger().list(KEY, minutes(100, 200)), []);
    assert.deepEqual(await ledger().listMissing(KEY, minutes(5, 60)), [missing(5, 10), missing(40, 60)]);
    assert.deepEqual(await ledger().listMissing(KEY, minutes(10, 40)), []);
    assert.deepEqual(await ledger().listMissing({ ...KEY, symbol: 'ETH/USDT' }, minutes(0, 99)), []);
    await commit(word(KEY, have(0, 100)));
    assert.deepEqual(await all(), [have(0, 100)]);
  });

  test('joins neighbours of one state and reason, of what is missing with the same evidence only', async () => {
    const asked = { asks: 1, firstAskedAt: T0 + 5, lastAskedAt: T0 + 9 };
    const later = { asks: 3, firstAskedAt: T0 + 7, lastAskedAt: T0 + 11 };
    await commit(word(KEY, have(0, 2), missing(4, 6), empty(10, 11, asked)));
    await commit(
      word(KEY, have(2, 4), { ...missing(6, 8), ...asked }, empty(11, 12, later), empty(12, 13, { reason: 'b' })),
    );
    await commit(word(KEY, { ...missing(8, 9), ...asked }));
    assert.deepEqual(await all(), [
      have(0, 4),
      missing(4, 6),
      { ...missing(6, 9), ...asked },
      empty(10, 12, { asks: 1, firstAskedAt: T0 + 5, lastAskedAt: T0 + 11 }),
      empty(12, 13, { reason: 'b' }),
    ]);
    // What is stored carries no evidence.
    await commit(word(KEY, { ...have(4, 13), ...asked, reason: 'asked' }));
    assert.deepEqual(await all(), [have(0, 13)]);
  });

  test('extends many keys at once: plainly where a `have` ends, through the rest where more changes', async () => {
    const key = (index: number): CoverageKey => ({ ...KEY, symbol: `S${index}/USDT` });
    await commit(word(key(1), have(0, 10)));
    await commit(word(key(2), have(0, 10), missing(10, 20), have(20, 30)));
    await commit(word(key(3), have(0, 5), have(11, 20)), word(key(4), have(0, 30)), word(key(5), empty(0, 10)));
    await commit(
      ...[0, 2, 3, 4, 5].map((index) => word(key(index), have(10, 11))),
      word(key(1), have(10, 12)),
      word(key(6), have(0, 1), have(5, 6)),
    );
    assert.deepEqual(await Promise.all([0, 1, 2, 3, 4, 5, 6].map((index) => all(key(index)))), [
      [have(10, 11)],
      [have(0, 12)],
      [have(0, 11), missing(11, 20), have(20, 30)],
      [have(0, 5), have(10, 20)],
      [have(0, 30)],
      [empty(0, 10), have(10, 11)],
      [have(0, 1), have(5, 6)],
    ]);
  });

  test('finds the stored slots around a range, whatever else lies between', async () => {
    const frame = async (range: { since: number; until: number }) => {
      const { before, after } = await ledger().findFrame(KEY, range);
      return [before, after].map((at) => at && (at - T0) / MINUTE);
    };
    assert.deepEqual(await frame(minutes(5, 10)), [null, null]);
    await commit(word(KEY, missing(0, 10), have(10, 20), empty(20, 23), missing(23, 30), have(30, 40)));
    assert.deepEqual(await frame(minutes(23, 30)), [19, 30]);
    assert.deepEqual(await frame(minutes(20, 23)), [19, 30]);
    assert.deepEqual(await frame(minutes(0, 10)), [null, 10]);
    assert.deepEqual(await frame(minutes(40, 50)), [39, null]);
    assert.deepEqual(
      await frame(minutes(15, 35)),
      [14, null],
      'a range that goes on past the start holds the slot before',
    );
    const other = { ...KEY, symbol: 'ETH/USDT' };
    assert.deepEqual(await ledger().findFrame(other, minutes(23, 30)), { before: null, after: null });
  });

  test('has the candles speak where it is silent, and only there', async () => {
    await side.storeCandles(BTC, [...candlesFrom(T0, MINUTE, 10), ...candlesFrom(T0 + 20 * MINUTE, MINUTE, 10)]);
    await side.record(KEY, [empty(10, 15)]);
    const expected = [have(0, 10), empty(10, 15), missing(15, 20), have(20, 30), missing(30, 40)];
    assert.deepEqual(await ledger().survey(KEY, minutes(0, 40)), expected);
    await side.storeCandles(BTC, [candleOf(T0 + 16 * MINUTE)]);
    assert.deepEqual(await ledger().survey(KEY, minutes(0, 40)), expected, 'looked again at what is known');
    assert.deepEqual(await ledger().survey(KEY, minutes(12, 25)), [empty(12, 15), missing(15, 20), have(20, 25)]);
    assert.deepEqual(await all({ ...KEY, symbol: 'ETH/USDT' }), []);
  });

  test('speaks of opening times: rows off the grid fill nothing, and a range in which none lies stays silent', async () => {
    await side.storeCandles(BTC, [candleOf(T0), candleOf(T0 + MINUTE + 1), candleOf(T0 + 2 * MINUTE)]);
    assert.deepEqual(await ledger().survey(KEY, { since: T0 + 40 * MINUTE + 1, until: T0 + 40 * MINUTE + 2 }), []);
    assert.deepEqual(await ledger().survey(KEY, { since: T0 + 1, until: T0 + 3 * MINUTE + 1 }), [
      missing(1, 2),
      have(2, 3),
      { ...missing(3, 4), until: T0 + 3 * MINUTE + 1 },
    ]);
    assert.deepEqual(await all(), [missing(1, 2), have(2, 3), missing(3, 4)]);
  });

  test('stays silent of the newest slots that are not stored, and lists what is missing alone', async () => {
    await side.storeCandles(
      BTC,
      [0, 1, 5, 8].map((minute) => candleOf(T0 + minute * MINUTE)),
    );
    const told = [have(0, 2), missing(2, 5), have(5, 6), missing(6, 7), have(8, 9)];
    assert.deepEqual(await ledger().survey(KEY, minutes(0, 12), minutes(7, 12).since - 1), told);
    assert.deepEqual(await all(), told);
    assert.deepEqual(await ledger().listMissing(KEY, minutes(3, 20)), [missing(3, 5), missing(6, 7)]);
    assert.deepEqual(await ledger().listMissing(KEY, minutes(7, 20)), []);
    const later = [...told.slice(0, 3), missing(6, 8), have(8, 9), missing(9, 12)];
    assert.deepEqual(await ledger().survey(KEY, minutes(0, 12)), later);
  });

  test('surveys an hourly feed by the hours that hold its value', async () => {
    const at = (hour: number, name: string) => ({ timestamp: T0 + hour * HOUR, [name]: '5' as Decimal });
    await side.storeFutures('binance', 'BTC/USDT', [at(0, 'mark_price'), at(1, 'mark_price'), at(2, 'open_interest')]);
    const found = await ledger().survey(feed('mark_price'), hours(0, 3));
    assert.deepEqual(found, [haveRange(hours(0, 2)), missingRange(hours(2, 3))]);
    const nothing = await ledger().survey(feed('top_trader_ratio'), hours(0, 2));
    assert.deepEqual(nothing, [missingRange(hours(0, 2))]);
  });

  test('surveys funding by settlements, each of which speaks for eight hours', async () => {
    const rates = [8, 16, 40, 44].map((hour) => ({ timestamp: T0 + hour * HOUR, funding_rate: '0.0001' as Decimal }));
    const price = { timestamp: T0 + 30 * HOUR, mark_price: '5' as Decimal };
    assert.deepEqual(await ledger().survey(feed('funding_rate'), hours(-20, -18)), [missingRange(hours(-20, -18))]);
    await side.storeFutures('binance', 'BTC/USDT', [...rates, price]);
    const survey = async (since: number, until: number) => {
      const key = feed('funding_rate');
      return await ledger().survey({ ...key, exchange: 'binance' }, hours(since, until));
    };
    // The five hours before the first one that is known need not hold one.
    assert.deepEqual(await survey(3, 22), [haveRange(hours(3, 22))]);
    assert.deepEqual(await survey(22, 42), [
      haveRange(hours(22, 24)),
      missingRange(hours(24, 40)),
      haveRange(hours(40, 42)),
    ]);
    assert.deepEqual(await survey(42, 60), [haveRange(hours(42, 52)), missingRange(hours(52, 60))]);
    assert.deepEqual(await survey(-10, 3), [missingRange(hours(-10, 3))]);
  });
}
