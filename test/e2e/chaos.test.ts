import { describe, it } from 'node:test';
import { readSeed, tradeThroughChaos } from '../support/chaos-trading.ts';

describe('chaos', () => {
  // A minute and a half of trading, three times that on a slow machine, and as long as it needs to settle afterwards.
  const timeout = 840_000;
  it('three hours of trading under all faults at once: 0 missing, 0 extra, 0 different', { timeout }, async (t) => {
    const seed = readSeed();
    t.diagnostic(`CHAOS_SEED=${seed}`);
    const report = await tradeThroughChaos({ seed, hours: 3, kills: 3, restarts: 1 });
    t.diagnostic(JSON.stringify(report));
  });
});
