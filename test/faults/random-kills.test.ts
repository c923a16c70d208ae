import { describe, it } from 'node:test';
import { timescaleUrl } from '../support/postgres.ts';
import { killAtRandomMoments, readKillPlan } from '../support/random-kills.ts';

const ROWS = 300_000;
const { kills, seed } = readKillPlan(50);

/** From the oldest, where all revisions have work to do. */
const PLAIN = ['Alembic 0003', 'made by docker/init.sql, with rows'];
const TIMESCALE = ['Alembic 0003', 'Alembic 0003 with a hypertable in space partitions'];

describe(`migration faults: ${kills} kills at random moments`, () => {
  for (const [index, state] of PLAIN.entries())
    it(`PostgreSQL, ${state}: ends as if nobody had disturbed it`, async (t) => {
      t.diagnostic(`FAULT_SEED=${seed}`);
      const share = index === 0 ? Math.ceil(kills / 2) : Math.max(1, Math.floor(kills / 2));
      t.diagnostic(JSON.stringify(await killAtRandomMoments({ kills: share, seed, state, rows: ROWS })));
    });
});

const server = timescaleUrl();
const skip = server === null ? 'TEST_TIMESCALE_URL is not set' : false;
describe(`migration faults on TimescaleDB: ${kills} kills at random moments`, { skip }, () => {
  for (const [index, state] of TIMESCALE.entries())
    it(`TimescaleDB, ${state}: ends as if nobody had disturbed it`, async (t) => {
      t.diagnostic(`FAULT_SEED=${seed}`);
      const share = index === 0 ? Math.ceil(kills / 2) : Math.max(1, Math.floor(kills / 2));
      t.diagnostic(
        JSON.stringify(await killAtRandomMoments({ kills: share, seed, state, rows: ROWS, server: server ?? '' })),
      );
    });
});
