import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { listKept, servePage, type ZooQuery } from '../../../../simulator/zoo/serve-page.ts';
import { PLAIN, switchOn, type DialectName, type ZooDialect } from '../../../../simulator/zoo/zoo-dialect.ts';
import { ZooMarket, type ZooMarketOptions } from '../../../../simulator/zoo/zoo-market.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** A Wednesday. */
const NOW = Date.UTC(2025, 2, 5, 7, 30, 12);
const END = Math.floor(NOW / MINUTE) * MINUTE;
const at = (minutes: number): number => END - minutes * MINUTE;

const createMarket = (options: Partial<ZooMarketOptions> = {}): ZooMarket =>
  new ZooMarket('unit', { symbol: 'ADA/USD', listedMs: NOW - 20 * DAY, ...options });
const busy = createMarket();
/** No trade in the minutes from 9 to 7 before the end. */
const holed = createMarket({ holes: [{ since: at(9), until: at(6) }] });

function serve(names: readonly DialectName[], query: Partial<ZooQuery>, manner: Partial<ZooDialect> = {}) {
  const asked = { market: busy, timeframe: '1m', since: null, until: null, limit: null, ...query };
  return servePage(asked, { ...switchOn(PLAIN, names), ...manner }, NOW);
}

/** How many minutes before the end the rows open, in their order. */
const minutes = (rows: readonly { readonly openMs: number }[]) => rows.map(({ openMs }) => (END - openMs) / MINUTE);

describe('the manners of the zoo', () => {
  const five = { since: at(5), until: at(1) };

  it('is plain: all rows of the range, oldest first', () => {
    assert.deepEqual(minutes(serve([], five)), [5, 4, 3, 2, 1]);
    assert.equal(serve([], { since: NOW - 2 * DAY }).length, 1000);
  });

  it('cuts a page at its limit, at either end', () => {
    const long = { since: at(300), until: at(1) };
    const [oldest, newest] = [serve(['page_limit'], long), serve(['page_limit_newest'], long)];
    assert.deepEqual([minutes(oldest)[0], minutes(oldest).at(-1)], [300, 201]);
    assert.deepEqual([minutes(newest)[0], minutes(newest).at(-1)], [100, 1]);
    assert.deepEqual(minutes(serve(['page_limit'], { ...long, limit: 2 })), [300, 299]);
  });

  it('gives nothing after the UTC day of since', () => {
    const rows = serve(['page_by_day'], { since: Date.UTC(2025, 2, 3, 20), until: NOW });
    assert.equal(rows.length, 240);
    assert.equal(rows.at(-1)?.endMs, Date.UTC(2025, 2, 4));
  });

  it('keeps its newest rows or slots only', () => {
    const quiet = createMarket({ share: 0.5 });
    const rows = serve(['newest_rows_only'], { market: quiet });
    assert.equal(rows.length, 720);
    assert.ok((rows[0]?.openMs ?? 0) < at(1300));
    const slots = serve(['newest_slots_only'], { market: quiet });
    assert.ok(slots.length > 300 && slots.length < 400);
    assert.ok((slots[0]?.openMs ?? 0) >= at(719));
    assert.deepEqual(serve(['newest_slots_only'], { since: at(900), until: at(800) }), []);
  });

  it('ignores since, takes it as exclusive, or rounds it up to a multiple since the epoch', () => {
    assert.equal(serve(['since_ignored'], five).at(-1)?.openMs, at(1));
    assert.equal(serve(['since_ignored'], five).length, 1000);
    assert.deepEqual(minutes(serve(['since_exclusive'], five)), [4, 3, 2, 1]);
    const monday = Date.UTC(2025, 1, 17);
    const [week] = serve(['since_rounded_up'], { timeframe: '1w', since: monday });
    assert.equal(week?.openMs, monday + 7 * DAY, 'the Thursday after it lies inside the first week');
  });

  it('ignores until, or takes it as one or the other', () => {
    assert.equal(serve(['until_ignored'], five).at(-1)?.openMs, END);
    assert.deepEqual(minutes(serve(['until_exclusive'], five)), [5, 4, 3, 2]);
    assert.deepEqual(minutes(serve(['until_inclusive'], five)), [5, 4, 3, 2, 1]);
  });

  it('sends the newest first', () => {
    assert.deepEqual(minutes(serve(['newest_first'], five)), [1, 2, 3, 4, 5]);
  });

  it('leaves empty candles out, or sends zeros or the last price', () => {
    const asked = { market: holed, since: at(10), until: at(5) };
    assert.deepEqual(minutes(serve(['empty_omitted'], asked)), [10, 6, 5]);
    const [before, zero] = serve(['empty_as_zeros'], asked);
    assert.deepEqual(minutes(serve(['empty_as_zeros'], asked)), [10, 9, 8, 7, 6, 5]);
    assert.deepEqual(zero, { openMs: at(9), endMs: at(8), open: '0', high: '0', low: '0', close: '0', volume: '0' });
    const [, flat] = serve(['empty_repeated'], asked);
    const { close = '' } = before ?? {};
    assert.deepEqual(flat, { ...zero, open: close, high: close, low: close, close });
  });

  it('begins days at 16:00 UTC, weeks on Thursdays', () => {
    const [day] = serve(['days_from_16'], { timeframe: '1d', since: NOW - 5 * DAY });
    assert.equal(new Date(day?.openMs ?? 0).getUTCHours(), 16);
    const [week] = serve(['weeks_from_thursday'], { timeframe: '1w' });
    assert.equal(new Date(week?.openMs ?? 0).getUTCDay(), 4);
    assert.equal(new Date(serve([], { timeframe: '1w' })[0]?.openMs ?? 0).getUTCDay(), 1);
  });

  it('answers with another timeframe', () => {
    const [hour] = serve(['hours_for_minutes'], { since: NOW - 5 * HOUR });
    assert.equal((hour?.endMs ?? 0) - (hour?.openMs ?? 0), HOUR);
    const [minute] = serve(['minutes_for_hours'], { timeframe: '1h', since: NOW - 5 * HOUR });
    assert.equal((minute?.endMs ?? 0) - (minute?.openMs ?? 0), MINUTE);
  });

  it('tells rows of a span off their grid', () => {
    const span = { timeframe: '1h', since: END - 6 * HOUR, until: END - 3 * HOUR, shiftMs: 694_789 };
    const rows = serve([], { timeframe: '1h', since: NOW - 7 * HOUR }, { offGrid: span });
    assert.equal(rows.filter(({ openMs }) => openMs % HOUR === 694_789).length, 3);
  });
});

describe('the markets of the zoo', () => {
  it('are the same by the same seed, whatever was asked before', () => {
    const again = createMarket();
    const span = { since: NOW - DAY, until: NOW };
    assert.deepEqual(again.list('1h', PLAIN.anchors, span, NOW), busy.list('1h', PLAIN.anchors, span, NOW));
    const other = new ZooMarket('other', { symbol: 'ADA/USD', listedMs: NOW - 20 * DAY });
    assert.notDeepEqual(other.list('1h', PLAIN.anchors, span, NOW), busy.list('1h', PLAIN.anchors, span, NOW));
  });

  it('trade five minutes a day, from the listing to the end', () => {
    const rare = createMarket({ tradesPerDay: 5, listedMs: NOW - 10 * DAY, delistedMs: NOW - DAY });
    const rows = listKept(rare, '1m', PLAIN, NOW);
    assert.ok(rows.length > 35 && rows.length <= 46, String(rows.length));
    assert.ok(rows.every(({ openMs }) => openMs >= NOW - 10 * DAY && openMs < NOW - DAY));
    assert.deepEqual([rare.isListed(NOW - 2 * DAY), rare.isListed(NOW)], [true, false]);
    const flat = listKept(rare, '1m', switchOn(PLAIN, ['empty_repeated']), NOW);
    assert.ok((flat.at(-1)?.endMs ?? 0) <= NOW - DAY, 'nothing is repeated after the end');
  });

  it('add their minutes up to hours exactly', () => {
    const span = { since: Date.UTC(2025, 2, 5, 5), until: Date.UTC(2025, 2, 5, 6) };
    const list = listKept(busy, '1m', PLAIN, NOW).filter(({ openMs }) => openMs >= span.since && openMs < span.until);
    const [hour] = busy.list('1h', PLAIN.anchors, span, NOW);
    const sum = list.reduce((units, { volume }) => units + BigInt(volume.replace('.', '')), 0n);
    assert.equal(hour?.volume.replace('.', ''), String(sum));
    assert.deepEqual([hour.open, hour.close], [list[0]?.open, list.at(-1)?.close]);
  });

  it('show the candle in progress as far as it is', () => {
    const open = listKept(busy, '1m', PLAIN, END + 50_000).at(-1);
    const closed = listKept(busy, '1m', PLAIN, END + MINUTE + 1).find(({ openMs }) => openMs === END);
    assert.equal(open?.openMs, END);
    assert.ok(Number(open.volume) < Number(closed?.volume));
  });
});
