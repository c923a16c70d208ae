import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CandlePage, CandlePageRequest } from '../../../../src/db/repositories/read-candle-page.ts';
import { readNewest } from '../../../../src/http/formats/read-newest.ts';
import { parseTimeframe } from '../../../../src/market/timeframe.ts';
import { seriesOf } from '../../../support/candles.ts';

const DAY_MS = 86_400_000;

/** Days 0 to `stored` - 1, of which a page has `most` at most; `isPartial` says which of them are. */
function readerOf({
  stored,
  most,
  isPartial = () => false,
}: {
  stored: number;
  most: number;
  isPartial?: (day: number) => boolean;
}) {
  const asked: number[] = [];
  const read = (request: CandlePageRequest): Promise<CandlePage> => {
    asked.push(request.limit);
    const end = Math.min(stored, Math.ceil(request.until / DAY_MS));
    const start = Math.max(0, end - Math.min(request.limit, most));
    const days = Array.from({ length: Math.max(0, end - start) }, (_, place) => start + place);
    const text = days.map((day) => {
      const values = { open: '1', high: '1', low: '1', close: `${day}`, volume: '1' };
      return JSON.stringify({
        timestamp: new Date(day * DAY_MS).toISOString(),
        ...values,
        ...(isPartial(day) ? { partial: true } : {}),
      });
    });
    const gaps = days
      .filter(isPartial)
      .map((day) => ({ since: day * DAY_MS, until: day * DAY_MS + 1, state: 'missing' as const }));
    return Promise.resolve({
      text: text.join(','),
      count: days.length,
      nextSince: null,
      answered: { since: start * DAY_MS, until: end * DAY_MS },
      gaps,
    });
  };
  return { read, asked };
}

const request = (shape: 'object' | 'array', limit: number): CandlePageRequest => ({
  series: seriesOf('binance', 'BTC/USDT', '1d'),
  since: null,
  until: 10_000 * DAY_MS,
  limit,
  shape,
  numbers: 'string',
  from: parseTimeframe('1m'),
  now: 10_000 * DAY_MS,
});

const daysOf = (page: CandlePage, shape: 'object' | 'array') =>
  shape === 'array'
    ? (JSON.parse(`[${page.text}]`) as [number][]).map(([time]) => time / DAY_MS)
    : (JSON.parse(`[${page.text}]`) as { close: string }[]).map(({ close }) => Number(close));
const range = (start: number, end: number) => Array.from({ length: end - start }, (_, place) => start + place);

describe('readNewest of built candles', () => {
  for (const shape of ['object', 'array'] as const) {
    it(`goes on where a page reads no more finer candles (${shape})`, async () => {
      const { read } = readerOf({ stored: 300, most: 40 });
      const page = await readNewest(read, request(shape, 250));
      assert.deepEqual(daysOf(page, shape), range(50, 300));
      assert.deepEqual([page.count, page.nextSince], [250, null]);
    });

    it(`ends where nothing older is stored (${shape})`, async () => {
      const { read, asked } = readerOf({ stored: 100, most: 40 });
      assert.deepEqual(daysOf(await readNewest(read, request(shape, 500)), shape), range(0, 100));
      assert.equal(asked.length, 4);
      const none = await readNewest(readerOf({ stored: 0, most: 40 }).read, request(shape, 500));
      assert.deepEqual([none.text, none.count, none.gaps], ['', 0, []]);
    });

    it(`refuses rather than to answer fewer than there are (${shape})`, async () => {
      const { read, asked } = readerOf({ stored: 1_000, most: 40 });
      await assert.rejects(readNewest(read, request(shape, 900)), {
        code: 'REQUEST_INVALID',
        message: /ask for fewer/,
      });
      assert.ok(asked.length < 25, `${asked.length} pages were read`);
    });
  }

  it('reads one page where it has all', async () => {
    const { read, asked } = readerOf({ stored: 1_000, most: 1_000 });
    await readNewest(read, request('object', 500));
    await readNewest(read, request('array', 500));
    assert.deepEqual(asked, [500, 501]);
  });

  it('passes over partial ones in arrays, and gives up after many without reading all', async () => {
    const one = readerOf({ stored: 9_000, most: 5_000, isPartial: (day) => day % 2 === 1 });
    const page = await readNewest(one.read, request('array', 10));
    assert.deepEqual(
      daysOf(page, 'array'),
      range(4_490, 4_500).map((half) => half * 2),
    );
    assert.deepEqual(page.gaps.length, 10);
    const all = readerOf({ stored: 9_000, most: 5_000, isPartial: () => true });
    assert.equal((await readNewest(all.read, request('array', 3))).count, 0);
    assert.ok(all.asked.reduce((sum, limit) => sum + limit, 0) < 3_000, all.asked.join(', '));
  });

  it('tells a gap that goes on over two pages as one', async () => {
    const { read } = readerOf({ stored: 4, most: 2 });
    const gapped = async (asked: CandlePageRequest) => {
      const page = await read(asked);
      const [since, until] = [asked.until > 4 * DAY_MS ? 2 : 0, asked.until > 4 * DAY_MS ? 4 : 2];
      return { ...page, gaps: [{ since: since * DAY_MS, until: until * DAY_MS, state: 'missing' as const }] };
    };
    const page = await readNewest(gapped, request('object', 4));
    assert.deepEqual(page.gaps, [{ since: 0, until: 4 * DAY_MS, state: 'missing' }]);
  });
});
