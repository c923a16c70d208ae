import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readSeed, tradeThroughChaos } from '../support/chaos-trading.ts';

const [hours, kills, restarts] = (
  [
    ['CHAOS_HOURS', 24],
    ['CHAOS_KILLS', 24],
    ['CHAOS_RESTARTS', 6],
  ] as const
).map(([name, usual]) => Number(process.env[name] ?? usual)) as [number, number, number];

describe(`chaos: ${hours} hours of trading, ${kills} kills, ${restarts} restarts of the database`, () => {
  it('ends with the truth of the exchange: 0 missing, 0 extra, 0 different', async (t) => {
    const seed = readSeed();
    t.diagnostic(`CHAOS_SEED=${seed}`);
    const report = await tradeThroughChaos({ seed, hours, kills, restarts });
    t.diagnostic(JSON.stringify(report));
    const never = Object.entries(report.faults).filter(([, count]) => count === 0);
    if (hours >= 24) assert.deepEqual(never, [], 'every fault happened');
  });
});
