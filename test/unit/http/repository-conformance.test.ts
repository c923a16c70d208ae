import { beforeEach, describe } from 'node:test';
import type { Candle } from '../../../src/market/candle.ts';
import { seriesKey, type Series } from '../../../src/market/instrument.ts';
import { timeframeMs } from '../../../src/market/timeframe.ts';
import { describeCandleReaders } from '../../support/repository-conformance/candle-readers.ts';
import { describeFeed } from '../../support/repository-conformance/live-feed.ts';
import type { ReadersSide } from '../../support/repository-conformance/reader-side.ts';
import { declareTests } from '../../support/repository-conformance/skips.ts';
import { describeTableReaders } from '../../support/repository-conformance/table-readers.ts';
import { InMemoryRows } from './in-memory-rows.ts';
import { InMemoryFeed } from './live/in-memory-feed.ts';

const SKIPS = [
  {
    reason: 'tests of the routes keep their rows at one time, and read them as recent ones too',
    tests: ['has nothing in the view that opened more than seven days before its refresh'],
  },
];

describe('what the routes read in memory, as the repositories do', () => {
  let rows: InMemoryRows;
  beforeEach(() => {
    rows = new InMemoryRows();
  });
  const listCandles = (series: Series): readonly Candle[] => rows.candles.get(seriesKey(series))?.rows ?? [];
  const put = (series: Series, candles: readonly Candle[]) => {
    rows.put(series, candles);
    return Promise.resolve();
  };
  const side: ReadersSide = {
    readers: () => rows,
    putCandles: put,
    putRecent: put,
    whileUnpopulated: async (work) => {
      rows.isViewPopulated = false;
      await work();
      rows.isViewPopulated = true;
    },
    putGaps: (_series, gaps) => Promise.resolve((rows.gaps = gaps)),
    putFutures: (exchange, symbol, snapshots) =>
      Promise.resolve(rows.snapshots.set(`${exchange} ${symbol}`, snapshots)),
    putFuturesGaps: (_exchange, _symbol, gaps) => Promise.resolve((rows.futuresGaps = gaps)),
    putLedger: (ranges) => Promise.resolve((rows.ranges = ranges)),
    putQuarantined: (entries) => {
      rows.quarantined = entries
        .map((entry, index) => ({ ...entry, id: String(index + 1), seen: 1, firstSeenAt: 0, lastSeenAt: 0 }))
        .toReversed();
      return Promise.resolve();
    },
    putRewrites: (changes) => {
      rows.revisions = changes
        .map((change, index) => ({ ...change, id: String(index + 1), changedAt: 0 }))
        .toReversed();
      for (const { series, after } of changes)
        rows.put(
          series,
          listCandles(series).map((candle) => (candle.timestamp === after.timestamp ? after : candle)),
        );
      return Promise.resolve();
    },
  };
  describeCandleReaders(declareTests(), side);
  describeTableReaders(declareTests(SKIPS), side);
});

describe('what the live stream looks at in memory, as the repository does', () => {
  let feed: InMemoryFeed;
  beforeEach(() => {
    feed = new InMemoryFeed();
  });
  describeFeed(declareTests(), {
    feed: () => feed,
    store: (series, candles, at) => {
      feed.nowMs = at;
      feed.store(series, candles);
      return Promise.resolve();
    },
    miss: (series, { since, until }) => {
      feed.nowMs = until;
      feed.miss(series, (until - since) / timeframeMs(series.timeframe));
      return Promise.resolve();
    },
    rewrite: (series, before, after) => {
      feed.revise(series, before, after);
      return Promise.resolve();
    },
  });
});
