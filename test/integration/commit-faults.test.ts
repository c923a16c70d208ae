import assert from 'node:assert/strict';
import { beforeEach, it } from 'node:test';
import { lockCoverage } from '../../src/db/repositories/coverage-rows.ts';
import type { Candle } from '../../src/market/candle.ts';
import { candleEntry, type CommitEntry } from '../../src/market/commit-entry.ts';
import { candleKey } from '../../src/market/coverage.ts';
import type { Decimal } from '../../src/market/decimal.ts';
import { endSession, waitUntilBlocked } from '../support/blocked-session.ts';
import { candleOf, candlesFrom, seriesOf } from '../support/candles.ts';
import { feedEntry, withRefused } from '../support/commit-entries.ts';
import { REFUSED, whileRefusing, type Refusal } from '../support/refusing-table.ts';
import { describeOnEachServer } from '../support/repository-lanes.ts';

const MINUTE = 60_000;
const T0 = Date.UTC(2024, 2, 9);
const BTC = seriesOf('binance', 'BTC/USDT', '1m');
const ETH = seriesOf('binance', 'ETH/USDT', '1m');
const MARK = feedEntry('BTC/USDT', 'mark_price', T0, ['5', '6', '7']);

/** What each way of writing is given; the first candle of BTC is stored with other values, but for the copy. */
const WAYS: readonly { readonly way: string; readonly entries: readonly CommitEntry[]; readonly isCopy?: true }[] = [
  { way: 'one series', entries: [candleEntry(BTC, candlesFrom(T0, MINUTE, 5100))] },
  {
    way: 'several series',
    entries: [candleEntry(ETH, candlesFrom(T0, MINUTE, 3)), candleEntry(BTC, candlesFrom(T0, MINUTE, 3))],
  },
  { way: 'a copy', entries: [candleEntry(BTC, candlesFrom(T0, MINUTE, 5100))], isCopy: true },
];

describeOnEachServer('commit that fails', ({ url, kysely, repositories, rows: bare, query, clear }) => {
  beforeEach(clear);
  const commit = (entries: readonly CommitEntry[]) => repositories().commit(entries);

  /** All that a commit writes to, as it is stored, and which version of it. */
  async function dump(): Promise<Record<string, unknown>> {
    const tables = ['ohlcv_data', 'futures_data', 'coverage', 'quarantine', 'candle_revisions'];
    const lists = await Promise.all(
      tables.map((table) => query(`select md5(string_agg(t::text || xmin, ',' order by t::text)) from ${table} t`)),
    );
    return Object.fromEntries(tables.map((table, index) => [table, lists[index]?.[0]?.['md5']]));
  }

  async function prepare(isCopy = false): Promise<void> {
    await clear();
    await bare().futures('binance', 'BTC/USDT', [{ timestamp: T0, mark_price: '4' as Decimal }]);
    if (!isCopy) await bare().candles(BTC, [candleOf(T0)]);
  }

  for (const { way, entries, isCopy } of WAYS) {
    const all = [...entries.slice(0, -1), MARK, withRefused(entries.at(-1)!, 3)];
    const refusals: Refusal[] = [
      { table: 'futures_data' },
      { table: 'coverage' },
      { table: 'quarantine' },
      { table: 'ohlcv_data', when: 'at_commit' },
      { table: 'coverage', when: 'at_commit' },
      { table: 'quarantine', when: 'at_commit' },
      ...(isCopy ? [] : [{ table: 'candle_revisions' }]),
    ];

    it(`stores nothing of anything where the database refuses a part, ${way}`, async () => {
      for (const refusal of refusals) {
        await prepare(isCopy);
        const before = await dump();
        await whileRefusing(url(), refusal, () => assert.rejects(commit(all), REFUSED));
        assert.deepEqual(await dump(), before, `${refusal.table} ${refusal.when ?? ''}`);
      }
      const { inserted, updated, unchanged } = await commit(all);
      const given = all.reduce((sum, { rows }) => sum + rows.length, 0);
      assert.deepEqual([inserted + updated, updated, unchanged], [given, isCopy ? 1 : 2, 0]);
      assert.equal(await repositories().candleRewrites.count(), isCopy ? 0 : 1);
      assert.equal(await repositories().quarantine.count(), 3);
    });

    it(`stores nothing where rows contradict each other or are none, ${way}`, async () => {
      await prepare(isCopy);
      const before = await dump();
      const last = { ...candleOf(T0 + 6000 * MINUTE), open: 'x' as Candle['open'] };
      const twice = { ...MARK, rows: [...MARK.rows, { timestamp: T0, mark_price: '5.1' as Decimal }] };
      const contradicting = [...entries, feedEntry('ETH/USDT', 'mark_price', T0, ['1']), twice];
      await assert.rejects(commit(contradicting), { code: 'SNAPSHOTS_CONTRADICT' });
      assert.deepEqual(await dump(), before);
      const broken = [...entries, candleEntry({ ...BTC, symbol: 'XRP/USDT' }, [last])];
      await assert.rejects(commit(broken), { code: 'COMMIT_INVALID', message: /open is not a decimal number/ });
      assert.deepEqual(await dump(), before);
    });

    it(`is seen from outside as a whole, and leaves nothing where its connection dies, ${way}`, async () => {
      await prepare(isCopy);
      const before = await dump();
      for (const isKilled of [true, false]) {
        // Who holds the ledger's lock stops a commit behind its rows and before everything else.
        const { settled } = await kysely()
          .transaction()
          .execute(async (transaction) => {
            await lockCoverage(transaction, [candleKey(BTC)]);
            const committing = Promise.allSettled([commit(all)]);
            const blocked = await waitUntilBlocked(url());
            assert.match(blocked.statement, /pg_advisory_xact_lock/);
            assert.deepEqual(await dump(), before, 'seen outside before the commit');
            if (isKilled) await endSession(url(), blocked);
            return { settled: committing };
          });
        const [{ status }] = await settled;
        assert.equal(status, isKilled ? 'rejected' : 'fulfilled');
        if (isKilled) assert.deepEqual(await dump(), before);
      }
      assert.equal(await repositories().quarantine.count(), 3);
      assert.equal((await repositories().ohlcv.findLatest(BTC))?.timestamp, entries.at(-1)?.rows.at(-1)?.timestamp);
      assert.deepEqual(await repositories().coverage.list(MARK.key), MARK.changes);
    });
  }

  /** Two commits of the same at once, in each of many rounds. */
  async function race(rounds: number, a: readonly CommitEntry[], b: readonly CommitEntry[]): Promise<void> {
    const given = a.reduce((sum, { rows }) => sum + rows.length, 0);
    for (let round = 0; round < rounds; round++) {
      await query('truncate ohlcv_data, futures_data, coverage, quarantine');
      const outcomes = await Promise.all([commit(a), commit(b)]);
      assert.equal(
        outcomes.reduce((sum, { inserted }) => sum + inserted, 0),
        given,
        `round ${round}`,
      );
      for (const { key, changes } of a) assert.deepEqual(await repositories().coverage.list(key), changes);
    }
  }

  it('lets two commit the same keys at once, whatever the order, and never in a circle', async () => {
    const candles = candlesFrom(T0, MINUTE, 20);
    const entries = ['A', 'a', 'B', 'b', '_', 'é'].map((base) =>
      withRefused(candleEntry({ ...BTC, symbol: `${base}/USDT` }, candles), 5),
    );
    await race(50, entries, entries.toReversed());
  });

  it('lets two commit the same pages and copies at once', async () => {
    const entry = (count: number) => [withRefused(candleEntry(BTC, candlesFrom(T0, MINUTE, count)), 5), MARK];
    await race(25, entry(300), entry(300).toReversed());
    await race(5, entry(5500), entry(5500).toReversed());
  });

  it('lets two commit the same futures feeds at once, whatever the order', async () => {
    const entries = ['A', 'B', 'C', 'D'].map((base) =>
      feedEntry(`${base}/USDT`, 'mark_price', T0, Array<string>(100).fill('5')),
    );
    await race(50, entries, entries.toReversed());
  });

  it('lets two commit more series at once than one statement takes', async () => {
    const candles = candlesFrom(T0, MINUTE, 100);
    const entries = Array.from({ length: 60 }, (_, index) =>
      candleEntry({ ...BTC, symbol: `S${index}/USDT` }, candles),
    );
    await race(15, entries, entries.toReversed());
  });
});
