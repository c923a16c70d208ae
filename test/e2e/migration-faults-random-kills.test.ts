import { describe, it } from 'node:test';
import { LARGE } from '../support/migration-stage.ts';
import { killAtRandomMoments, readKillPlan } from '../support/random-kills.ts';

describe('migration faults: kills at random moments (more of them: npm run test:faults)', () => {
  it('an upgrade that is killed again and again ends as if nobody had disturbed it', async (t) => {
    const plan = readKillPlan(6);
    t.diagnostic(`FAULT_SEED=${plan.seed}`);
    const report = await killAtRandomMoments({ ...plan, state: 'Alembic 0003', rows: LARGE });
    t.diagnostic(JSON.stringify(report));
  });
});
