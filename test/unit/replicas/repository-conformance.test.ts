import { beforeEach, describe } from 'node:test';
import { describeLeases } from '../../support/repository-conformance/leases.ts';
import { declareTests } from '../../support/repository-conformance/skips.ts';
import { VirtualClock } from '../ingest/fakes.ts';
import { MemoryLeases } from './memory-leases.ts';

describe('who collects what in memory, as the repository keeps it', () => {
  let database: MemoryLeases;
  beforeEach(() => {
    database = new MemoryLeases({ clock: new VirtualClock(1_000_000) });
  });
  describeLeases(declareTests(), {
    leases: () => database.as('any'),
    expire: (id) => {
      const replica = database.replicas.get(id);
      if (replica) replica.expiresAt = 0;
      return Promise.resolve();
    },
  });
});
