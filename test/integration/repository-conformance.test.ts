import { beforeEach } from 'node:test';
import { AddressBlocks } from '../../src/ingest/exchange/address-blocks.ts';
import { candleEntry } from '../../src/market/commit-entry.ts';
import { candleKey, feedKey, missingRange, type CoverageKey } from '../../src/market/coverage.ts';
import { FUTURES_FEEDS } from '../../src/market/futures-snapshot.ts';
import type { LedgerGap } from '../../src/db/repositories/ledger-gaps.ts';
import { describeBlocks } from '../support/repository-conformance/blocks.ts';
import { describeCandleReaders } from '../support/repository-conformance/candle-readers.ts';
import { describeCommits } from '../support/repository-conformance/commits.ts';
import { describeLeases } from '../support/repository-conformance/leases.ts';
import { describeLedger } from '../support/repository-conformance/ledger.ts';
import { describeFeed } from '../support/repository-conformance/live-feed.ts';
import type { ReadersSide } from '../support/repository-conformance/reader-side.ts';
import { declareTests } from '../support/repository-conformance/skips.ts';
import type { StoresSide } from '../support/repository-conformance/stores-side.ts';
import { describeTableReaders } from '../support/repository-conformance/table-readers.ts';
import { describeOnEachServer } from '../support/repository-lanes.ts';

/** Any time that a test speaks of. */
const ALL = { since: Date.UTC(2020, 0, 1), until: Date.UTC(2030, 0, 1) };

describeOnEachServer('repositories as their fakes', ({ repositories, rows, query, clear }) => {
  beforeEach(clear);
  const test = declareTests();

  const stores: StoresSide = {
    stores: repositories,
    listCandles: (series) => repositories().ohlcv.list(series, ALL, 100),
    listFutures: (exchange, symbol) => repositories().futures.list(exchange, symbol, ALL, 100),
    listRewrites: async () => {
      const kept = await repositories().candleRewrites.list({ limit: 100 });
      return kept.toReversed().map(({ series, before, after }) => ({ series, before, after }));
    },
    listQuarantined: async () => (await repositories().quarantine.list({ limit: 100 })).map(({ reason }) => reason),
    storeCandles: (series, candles) => rows().candles(series, candles),
    storeFutures: (exchange, symbol, snapshots) => rows().futures(exchange, symbol, snapshots),
    record: (key, changes) => repositories().coverage.record(key, changes),
  };
  describeCommits(test, stores);
  describeLedger(test, stores);

  /** Empty, where it is not stored, is whatever is not named. */
  const recordGaps = async (key: CoverageKey, gaps: readonly LedgerGap[]) => {
    const told = gaps.flatMap(({ state, ...range }) =>
      state === 'unknown' || state === 'absent' ? [] : [{ ...missingRange(range), state }],
    );
    const base = { ...missingRange(ALL), state: 'confirmed_empty' as const };
    for (const range of [base, ...told]) await repositories().coverage.record(key, [range]);
  };
  const readers: ReadersSide = {
    readers: repositories,
    putCandles: stores.storeCandles,
    putRecent: async (series, candles) => {
      await stores.storeCandles(series, candles);
      await repositories().recentOhlcv.refresh();
    },
    whileUnpopulated: async (work) => {
      await query('refresh materialized view recent_ohlcv with no data');
      await work();
      await repositories().recentOhlcv.refresh();
    },
    putGaps: (series, gaps) => recordGaps(candleKey(series), gaps),
    putFutures: stores.storeFutures,
    putFuturesGaps: async (exchange, symbol, gaps) => {
      for (const feed of FUTURES_FEEDS)
        await recordGaps(
          feedKey(exchange, symbol, feed),
          gaps.filter(({ metric }) => metric === feed),
        );
    },
    putLedger: async (ranges) => {
      for (const { exchange, symbol, timeframe, metric, ...range } of ranges)
        await repositories().coverage.record({ exchange, symbol, timeframe, metric }, [range]);
    },
    putQuarantined: async (entries) => {
      for (const entry of entries) await repositories().quarantine.add([entry]);
    },
    putRewrites: async (changes) => {
      for (const { series, before, after } of changes)
        for (const candle of [before, after]) await stores.storeCandles(series, [candle]);
    },
  };
  describeCandleReaders(test, readers);
  describeTableReaders(test, readers);

  describeFeed(test, {
    feed: () => repositories().liveFeed,
    store: async (series, candles, at) => {
      await repositories().commit([candleEntry(series, candles)]);
      const moment = new Date(at).toISOString();
      await query(`update ohlcv_data set created_at = '${moment}' where created_at > now() - interval '1 hour'`);
    },
    miss: (series, range) => repositories().coverage.record(candleKey(series), [missingRange(range)]),
    rewrite: (series, before, after) => rows().candles(series, [{ ...after, timestamp: before.timestamp }]),
  });

  describeLeases(test, {
    leases: () => repositories().replicas,
    expire: (id) => query(`update replicas set expires_at = now() - interval '1 second' where id = '${id}'`),
  });

  describeBlocks(test, () => {
    const repository = repositories().exchangeBlocks;
    return new AddressBlocks({ repository, address: 'office', origins: new Map(), replicaId: 'a' });
  });
});
