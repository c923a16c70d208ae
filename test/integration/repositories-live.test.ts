import assert from 'node:assert/strict';
import { beforeEach, it } from 'node:test';
import { candleEntry, type SeriesCandles } from '../../src/market/commit-entry.ts';
import type { Decimal } from '../../src/market/decimal.ts';
import { candleOf, candlesFrom, seriesOf } from '../support/candles.ts';
import { describeOnEachServer } from '../support/repository-lanes.ts';
import { storeCandles } from '../support/store-candles.ts';

const MINUTE = 60_000;
const T0 = Date.UTC(2024, 2, 9);
const ALL = { since: 0, until: Date.UTC(2100, 0, 1) };
const BTC = seriesOf('binance', 'BTC/USDT', '1m');
const ETH = seriesOf('binance', 'ETH/USDT', '1m');

describeOnEachServer('live candles and their revisions', ({ repositories, rows, query, clear }) => {
  beforeEach(clear);
  const ohlcv = () => repositories().ohlcv;
  const commit = (entries: readonly SeriesCandles[]) =>
    repositories().commit(entries.map(({ series, candles }) => candleEntry(series, candles)));
  const revisions = () => repositories().candleRewrites;

  it('takes any number of candles of one series', async () => {
    const [a] = candlesFrom(T0, MINUTE, 1) as [ReturnType<typeof candleOf>];
    const many = Array.from({ length: 300_000 }, () => a);
    const result = await commit([
      { series: ETH, candles: [a] },
      { series: BTC, candles: [a, ...many] },
    ]);
    assert.deepEqual(result, { inserted: 2, updated: 0, unchanged: 300_000, changes: [] });
  });

  it('keeps what is rewritten, by whichever way: old, new, when', async () => {
    const [a, b, c] = candlesFrom(T0, MINUTE, 3) as [
      ReturnType<typeof candleOf>,
      ReturnType<typeof candleOf>,
      ReturnType<typeof candleOf>,
    ];
    await rows().candles(BTC, [a, b, c]);
    await rows().candles(ETH, [a]);
    const changed = (candle: typeof a, close: string) => ({ ...candle, close: close as Decimal });
    const startedAt = Date.now();
    const live = await commit([
      { series: ETH, candles: [changed(a, '0.0000300'), b] },
      { series: BTC, candles: [changed(a, '0.00003')] },
    ]);
    assert.deepEqual(live, {
      inserted: 1,
      updated: 2,
      unchanged: 0,
      changes: [
        { series: BTC, before: a, after: changed(a, '0.00003') },
        { series: ETH, before: a, after: changed(a, '0.0000300') },
      ],
    });
    await rows().candles(BTC, [changed(b, '0.00001')]);
    await storeCandles(repositories(), BTC, [changed(c, '0.00003')]);
    const kept = await revisions().list({ limit: 10 });
    assert.deepEqual(
      kept.map(({ series, before, after }) => ({ series, before, after })),
      [
        { series: BTC, before: c, after: changed(c, '0.00003') },
        { series: BTC, before: b, after: changed(b, '0.00001') },
        ...live.changes.toReversed(),
      ],
    );
    assert.ok(kept.every(({ changedAt }) => Math.abs(changedAt - startedAt) < 60_000));
    const ids = kept.map(({ id }) => Number(id));
    assert.deepEqual(
      ids,
      ids.toSorted((x, y) => y - x),
    );
    assert.deepEqual(await revisions().list({ limit: 2, before: kept[1]!.id }), kept.slice(2));
    assert.equal(await revisions().count({ series: { symbol: 'BTC/USDT' } }), 3);
    assert.equal(await revisions().count({ series: BTC, range: { since: T0 + MINUTE, until: T0 + 2 * MINUTE } }), 1);
    assert.deepEqual(await revisions().list({ series: ETH, limit: 5 }), [kept[2]]);
  });

  it('keeps no revision of what is rolled back, nor of equal values', async () => {
    const [a] = candlesFrom(T0, MINUTE, 1) as [ReturnType<typeof candleOf>];
    await rows().candles(BTC, [a]);
    await query(
      `create function refuse() returns trigger language plpgsql as $$ begin
         if (select count(*) from candle_revisions) = 1 then raise exception 'stop'; end if;
         return new;
       end $$;
       create trigger refuse before insert on coverage for each row execute function refuse()`,
    );
    try {
      await assert.rejects(commit([{ series: BTC, candles: [candleOf(T0)] }]), { message: 'stop' });
    } finally {
      await query('drop trigger refuse on coverage; drop function refuse');
    }
    assert.equal(await revisions().count(), 0);
    await commit([{ series: BTC, candles: [{ ...a, close: `${a.close}0` as Decimal }] }]);
    assert.equal(await revisions().count(), 0);
    assert.deepEqual(await ohlcv().list(BTC, ALL, 9), [a]);
  });

  it('lets several writers store the same rows at once, batches and pages', async () => {
    const series = Array.from({ length: 60 }, (_, index) => seriesOf('binance', `S${index}/USDT`, '1m'));
    const candles = candlesFrom(T0, MINUTE, 100);
    const entries = series.map((each) => ({ series: each, candles }));
    const results = await Promise.all([
      commit(entries),
      commit(entries.toReversed()),
      ...series.slice(0, 20).map((each) => rows().candles(each, candles)),
    ]);
    assert.equal(
      results.reduce((sum, { inserted }) => sum + inserted, 0),
      6000,
    );
    const [row] = await query('select count(*)::int as count from ohlcv_data');
    assert.equal(row!['count'], 6000);
  });
});

describeOnEachServer('QuarantineRepository', ({ repositories, query, clear }) => {
  beforeEach(clear);
  const quarantine = () => repositories().quarantine;
  const entry = {
    exchange: 'binance',
    symbol: 'BTC/USDT',
    timeframe: '1m',
    metric: 'ohlcv',
    claimedAt: T0,
    reason: 'high is below low',
    raw: '[1499040000000,"0.01634790"]',
    source: 'rest',
  } as const;

  it('keeps a row once with reason and text, and counts it when it comes again', async () => {
    await quarantine().add([entry, { ...entry, reason: 'negative volume' }, entry]);
    await quarantine().add([
      { ...entry, timeframe: null },
      { ...entry, timeframe: null },
      { ...entry, source: 'stream' },
    ]);
    const rows = await quarantine().list({ limit: 10 });
    assert.deepEqual(
      rows.map(({ timeframe, reason, seen, source }) => [timeframe, reason, seen, source]).sort(),
      [
        ['1m', 'high is below low', 3, 'stream'],
        ['1m', 'negative volume', 1, 'rest'],
        [null, 'high is below low', 2, 'rest'],
      ].sort(),
    );
    const found = rows.find(({ seen }) => seen === 3)!;
    assert.deepEqual({ ...entry, source: 'stream' }, { ...entry, ...pickEntry(found) });
    assert.ok(found.lastSeenAt >= found.firstSeenAt && Math.abs(found.lastSeenAt - Date.now()) < 60_000);
    assert.equal(await quarantine().count(), 3);
    assert.equal(await quarantine().count({ source: 'stream' }), 1);
    assert.equal(await quarantine().count({ timeframe: null }), 1);
    assert.equal(await quarantine().count({ symbol: 'ETH/USDT' }), 0);
    assert.deepEqual(
      await quarantine().list({ filter: { exchange: 'binance' }, limit: 5, before: rows[1]!.id }),
      rows.slice(2),
    );
    await quarantine().add([]);
  });

  it('takes whatever an exchange may send: no time, impossible times, NUL, a long text', async () => {
    const long = 'x'.repeat(5000);
    await quarantine().add([
      { ...entry, claimedAt: null, raw: 'a\0b' },
      { ...entry, claimedAt: Infinity, raw: 'b' },
      { ...entry, claimedAt: 8.64e15, raw: 'c' },
      { ...entry, claimedAt: 1.5, raw: '\ud800' },
      { ...entry, raw: `${long}1` },
      { ...entry, raw: `${long}2` },
    ]);
    const rows = await quarantine().list({ limit: 10 });
    assert.equal(rows.length, 6, 'rows that differ behind the cut are two');
    assert.ok(rows.every(({ raw }) => raw.length <= 2000 && !raw.includes('\0')));
    assert.equal(rows.filter(({ claimedAt }) => claimedAt === null).length, 3);
  });

  it('never keeps more than 10,000 rows, and those that came last', async () => {
    await query(
      `insert into quarantine (exchange, symbol, metric, reason, raw, source, digest, first_seen_at, last_seen_at)
       select 'okx', 'A/B', 'ohlcv', 'old', i::text, 'rest', i::text, now() - i * interval '1 minute', now() - i * interval '1 minute'
       from generate_series(1, 10000) i`,
    );
    await quarantine().add([entry, { ...entry, raw: 'other' }]);
    assert.equal(await quarantine().count(), 10_000);
    const [row] = await query(
      `select min(raw::int) as least, max(raw::int) as most from quarantine where reason = 'old'`,
    );
    assert.deepEqual(row, { least: 1, most: 9998 });
    await quarantine().add(Array.from({ length: 10_050 }, (_, index) => ({ ...entry, raw: `new ${index}` })));
    assert.equal(await quarantine().count(), 10_000);
    assert.equal(await quarantine().count({ exchange: 'okx' }), 0);
  });

  it('lets many add the same and other rows at once', async () => {
    await query(
      `insert into quarantine (exchange, symbol, metric, reason, raw, source, digest)
       select 'okx', 'A/B', 'ohlcv', 'old', i::text, 'rest', i::text from generate_series(1, 9990) i`,
    );
    await Promise.all(
      Array.from({ length: 12 }, (_, writer) =>
        quarantine().add([
          ...Array.from({ length: 20 }, (_, index) => ({ ...entry, raw: `shared ${(index * 7 + writer) % 20}` })),
          { ...entry, raw: `own ${writer}` },
        ]),
      ),
    );
    await quarantine().add([entry]);
    assert.equal(await quarantine().count(), 10_000);
    const [row] = await query(`select sum(seen)::int as seen from quarantine where raw like 'shared%'`);
    assert.equal(row!['seen'], 240);
  });
});

function pickEntry({
  claimedAt,
  reason,
  raw,
  source,
  metric,
}: {
  claimedAt: number | null;
  reason: string;
  raw: string;
  source: string;
  metric: string;
}) {
  return { claimedAt, reason, raw, source, metric };
}
