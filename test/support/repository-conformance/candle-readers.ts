import assert from 'node:assert/strict';
import type { CandlePageRequest } from '../../../src/db/repositories/read-candle-page.ts';
import type { CandleTextRequest } from '../../../src/db/repositories/stream-candle-text.ts';
import type { Decimal } from '../../../src/market/decimal.ts';
import { candleOf, candlesFrom, seriesOf } from '../candles.ts';
import { at, BTC, HOUR, T0, type ReadersSide } from './reader-side.ts';
import type { DeclareTest } from './skips.ts';

const PAGE: CandlePageRequest = {
  series: BTC,
  since: at(0),
  until: at(20),
  limit: 100,
  shape: 'object',
  numbers: 'string',
  from: null,
  now: at(1000),
};
/** Hours 10 and 11 are missing. */
const CANDLES = [...candlesFrom(at(0), HOUR, 10), ...candlesFrom(at(12), HOUR, 8)];
const LOST = { since: at(10), until: at(12), state: 'missing' } as const;

/** Candles as the routes read them. Nothing is stored when a test begins. */
export function describeCandleReaders(test: DeclareTest, side: ReadersSide): void {
  const ohlcv = () => side.readers().ohlcv;
  const readPage = (changes: Partial<CandlePageRequest> = {}) => ohlcv().readPage({ ...PAGE, ...changes });
  const hours = (text: string) =>
    (JSON.parse(`[${text}]`) as { timestamp: string }[]).map(({ timestamp }) => (Date.parse(timestamp) - T0) / HOUR);
  const fill = async () => {
    await side.putCandles(BTC, CANDLES);
    await side.putGaps(BTC, [LOST]);
  };

  test('cuts pages that together are the range, with the gaps in each', async () => {
    await fill();
    const first = await readPage({ limit: 11 });
    assert.deepEqual(hours(first.text), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12]);
    assert.deepEqual([first.count, first.nextSince, first.gaps], [11, at(13), [LOST]]);
    const second = await readPage({ limit: 11, since: first.nextSince });
    assert.deepEqual([hours(second.text), second.nextSince, second.gaps], [[13, 14, 15, 16, 17, 18, 19], null, []]);
    const before = await readPage({ limit: 9 });
    assert.deepEqual([before.count, before.nextSince, before.gaps], [9, at(9), []]);
    const full = await readPage({ limit: 7, since: at(13) });
    assert.deepEqual([full.count, full.nextSince], [7, null]);
    assert.deepEqual(await readPage({ since: at(30), until: at(40) }), {
      text: '',
      count: 0,
      nextSince: null,
      answered: { since: at(30), until: at(40) },
      gaps: [],
    });
    const other = await readPage({ series: { ...BTC, symbol: 'ETH/USDT' }, since: null });
    assert.deepEqual([other.text, other.count, other.nextSince], ['', 0, null]);
  });

  test('answers the newest, oldest of them first, and only their gaps', async () => {
    await fill();
    const page = await readPage({ since: null, limit: 3, until: at(16) });
    assert.deepEqual([hours(page.text), page.nextSince, page.gaps], [[13, 14, 15], null, []]);
    const wide = await readPage({ since: null, limit: 5, until: at(14) });
    assert.deepEqual([hours(wide.text), wide.gaps], [[7, 8, 9, 12, 13], [LOST]]);
    // Who asks for what lies before all of it is told of the newest slot there.
    assert.deepEqual(await readPage({ since: null, until: at(-5) }), {
      text: '',
      count: 0,
      nextSince: null,
      answered: { since: at(-6), until: at(-5) },
      gaps: [],
    });
  });

  test('tells of slots that open in the range and have ended', async () => {
    await side.putCandles(BTC, CANDLES);
    const refused = { since: at(20), until: at(30), state: 'refused' } as const;
    await side.putGaps(BTC, [LOST, refused]);
    const { gaps } = await readPage({ until: at(40), now: at(25) + 5 });
    assert.deepEqual(gaps, [LOST, { ...refused, until: at(25) }]);
    const offGrid = await readPage({ since: at(10) + 1, until: at(11) + 1 });
    assert.deepEqual(offGrid.gaps, [{ ...LOST, since: at(11) }]);
    const none = { since: at(10) + 10_000, until: at(10) + 50_000 };
    assert.deepEqual((await readPage(none)).gaps, []);
    assert.deepEqual((await ohlcv().readRangeState({ ...PAGE, ...none, newest: null })).gaps, []);
  });

  test('tells where a range begins and ends before it is read, and what is missing of it', async () => {
    await fill();
    const state = async (changes: object) => {
      const asked = { series: BTC, since: at(4), until: at(20), newest: null, now: at(1000), ...changes };
      const { since, next, gaps } = await ohlcv().readRangeState(asked);
      return [since, next, gaps];
    };
    assert.deepEqual(await state({}), [at(4), null, [LOST]]);
    assert.deepEqual(await state({ since: at(4) + 1 }), [at(5), null, [LOST]]);
    // The seventh candle from hour 4 on opens at hour 12, behind the gap.
    assert.deepEqual(await state({ oldest: 6 }), [at(4), at(12), [LOST]]);
    assert.deepEqual(await state({ oldest: 5 }), [at(4), at(9), []]);
    assert.deepEqual(await state({ oldest: 100 }), [at(4), null, [LOST]]);
    assert.deepEqual(await state({ since: null }), [at(0), null, [LOST]]);
    assert.deepEqual(await state({ since: null, newest: 3 }), [at(17), null, []]);
    assert.deepEqual(await state({ newest: 9 }), [at(9), null, [LOST]]);
    assert.deepEqual(await state({ newest: 99 }), [at(4), null, [LOST]]);
    assert.deepEqual(await state({ since: null, until: at(-3) }), [at(-4), null, []]);
    assert.deepEqual(await state({ since: null, until: at(-3), newest: 4 }), [at(-4), null, []]);
  });

  test('has another digest as soon as a candle of the range is stored or rewritten', async () => {
    await fill();
    const digest = async () =>
      (await ohlcv().readRangeState({ series: BTC, since: at(0), until: at(11), newest: null, now: at(50) })).digest;
    const before = await digest();
    assert.equal(await digest(), before);
    await side.putRewrites([{ series: BTC, before: CANDLES[3]!, after: candleOf(at(3)) }]);
    const rewritten = await digest();
    assert.notEqual(rewritten, before);
    await side.putCandles(
      BTC,
      [...CANDLES, candleOf(at(10))].toSorted((a, b) => a.timestamp - b.timestamp),
    );
    await side.putGaps(BTC, [{ ...LOST, since: at(11) }]);
    assert.notEqual(await digest(), rewritten);
  });

  test('streams the lines of the range, all or the first of them', async () => {
    await fill();
    const collect = async (changes: Partial<CandleTextRequest>) => {
      const asked = {
        series: BTC,
        since: at(0),
        until: at(20),
        limit: null,
        shape: 'csv',
        numbers: 'string',
        from: null,
      } as const;
      let [text, count] = ['', 0];
      for await (const page of ohlcv().streamText({ ...asked, ...changes })) {
        text += page.lines.toString();
        count += page.count;
      }
      assert.equal(text.split('\n').length - 1, count);
      return text;
    };
    const [first] = CANDLES;
    assert.match(await collect({}), new RegExp(`^2026-01-01T00:00:00.000Z,${first!.open},${first!.high},`));
    assert.equal((await collect({})).split('\n').length, 19);
    assert.deepEqual(
      hours((await collect({ shape: 'object', limit: 3, since: at(9) })).trim().replaceAll('\n', ',')),
      [9, 12, 13],
    );
    assert.equal((await collect({ until: at(1) })).split('\n').length, 2);
    for (const nothing of [
      { since: at(20), until: at(30) },
      { series: { ...BTC, exchange: 'okx' } },
      { since: at(10), until: at(12), limit: 5 },
    ])
      assert.equal(await collect(nothing), '');
  });

  test('lists every series by name, with its ends and the newest close', async () => {
    assert.deepEqual([await ohlcv().listBounds(), await ohlcv().listStoredRows()], [[], []]);
    const others = [
      seriesOf('okx', 'BTC/USDT', '1h'),
      seriesOf('binance', 'ETH/USDT', '1h'),
      seriesOf('binance', 'BTC/USDT', '1d'),
    ];
    for (const other of others) await side.putCandles(other, [candleOf(at(24), ['2', '3', '1', '2.50', '7'])]);
    await side.putCandles(BTC, CANDLES);
    const one = { first: at(24), last: at(24), lastClose: '2.50' as Decimal };
    const mine = { ...BTC, first: at(0), last: at(19), lastClose: CANDLES.at(-1)!.close };
    const expected = [{ ...others[2]!, ...one }, mine, { ...others[1]!, ...one }, { ...others[0]!, ...one }];
    assert.deepEqual(await ohlcv().listBounds(), expected);
    assert.deepEqual(await ohlcv().listBounds({ exchange: 'binance', symbol: 'BTC/USDT' }), expected.slice(0, 2));
    assert.deepEqual(await ohlcv().listBounds({ exchange: 'okx', symbol: 'ETH/USDT' }), []);
    assert.deepEqual(
      await ohlcv().listStoredRows(),
      expected.map(({ lastClose, ...bounds }) => ({ ...bounds, count: lastClose === mine.lastClose ? 18 : 1 })),
    );
  });

  test('lists the newest candles, and sums up what is missing of ranges', async () => {
    await fill();
    assert.deepEqual(await ohlcv().listNewest(BTC, 3), CANDLES.slice(-3));
    assert.deepEqual(await ohlcv().listNewest(BTC, 99), CANDLES);
    assert.deepEqual(await ohlcv().listNewest({ ...BTC, symbol: 'ETH/USDT' }, 3), []);
    const ranges = [
      [0, 20],
      [11, 13],
      [12, 20],
      [0, 10],
    ].map(([since, until]) => ({ timeframe: BTC.timeframe, since: at(since!), until: at(until!) }));
    assert.deepEqual(await ohlcv().sumGaps(BTC, ranges), [2 * HOUR, HOUR, 0, 0]);
    assert.deepEqual(await ohlcv().sumGaps(BTC, []), []);
  });
}
