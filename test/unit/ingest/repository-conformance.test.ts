import { beforeEach, describe } from 'node:test';
import { FUTURES_METRICS } from '../../../src/market/futures-snapshot.ts';
import { describeBlocks } from '../../support/repository-conformance/blocks.ts';
import { describeCommits } from '../../support/repository-conformance/commits.ts';
import { describeLedger } from '../../support/repository-conformance/ledger.ts';
import { describeRefusals } from '../../support/repository-conformance/refusals.ts';
import { declareTests } from '../../support/repository-conformance/skips.ts';
import type { StoresSide } from '../../support/repository-conformance/stores-side.ts';
import { MemoryBlocks } from './memory-blocks.ts';
import { MemoryStores } from './memory-stores.ts';

describe('what the ingest keeps in memory, as the repositories do', () => {
  let stores: MemoryStores;
  beforeEach(() => {
    stores = new MemoryStores();
  });
  const side: StoresSide = {
    stores: () => stores,
    listCandles: (series) => Promise.resolve(stores.list(series)),
    listFutures: (exchange, symbol) => {
      const found = FUTURES_METRICS.flatMap((metric) => stores.listFutures(exchange, symbol, metric));
      return Promise.resolve([...new Set(found)].toSorted((a, b) => a.timestamp - b.timestamp));
    },
    listRewrites: () => Promise.resolve(stores.revisions),
    listQuarantined: () => Promise.resolve(stores.quarantined.map(({ reason }) => reason)),
    storeCandles: (series, candles) => Promise.resolve(stores.storeCandles(series, candles)),
    storeFutures: (...rows) => {
      stores.storeFutures(...rows);
      return Promise.resolve();
    },
    record: (key, changes) => {
      stores.record(key, changes);
      return Promise.resolve();
    },
  };
  describeRefusals(declareTests(), () => (entries) => stores.commit(entries));
  describeCommits(declareTests(), side);
  describeLedger(declareTests(), side);
});

describe('what exchanges told us to wait for in memory, as the repository keeps it', () => {
  let blocks: MemoryBlocks;
  beforeEach(() => {
    blocks = new MemoryBlocks();
  });
  describeBlocks(declareTests(), () => blocks);
});
