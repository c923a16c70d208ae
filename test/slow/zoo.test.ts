import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { runDraws, zooDraw, type ZooDraw } from '../support/zoo/zoo-draws.ts';

/**
 * ZOO_SEED repeats a run, ZOO_DRAWS says how many exchanges are drawn, ZOO_SPEED how fast their time goes, ZOO_TOGETHER
 * how many run at a time, ZOO_DRAW (JSON, as a failure prints it) runs that one alone.
 */
const number = (name: string, usual: number): number => Number(process.env[name] ?? usual);
const seed = number('ZOO_SEED', Date.now() % 1_000_000_007);
const given = process.env['ZOO_DRAW'];
const draws = given ? [JSON.parse(given) as ZooDraw] : fc.sample(zooDraw, { seed, numRuns: number('ZOO_DRAWS', 20) });

describe(`the exchange zoo, ${draws.length} exchanges of ZOO_SEED=${seed}`, () => {
  it('ends with the truth: 0 missing, 0 extra, 0 confirmed empty that is not, bounded requests', async (t) => {
    const outcomes = await runDraws(draws, {
      speed: number('ZOO_SPEED', 60),
      together: number('ZOO_TOGETHER', 4),
      onEnd: ({ draw, faults, requests, stored, minutes }) => {
        const told = `${stored} rows, ${requests} requests in ${minutes} min`;
        t.diagnostic(
          faults.length === 0 ? `right: ${told}` : `wrong: ${faults.join('; ')}; ${told}\n  ${JSON.stringify(draw)}`,
        );
      },
    });
    const wrong = outcomes.filter(({ faults }) => faults.length > 0);
    assert.equal(wrong.length, 0, `${wrong.length} of ${outcomes.length} exchanges, ZOO_SEED=${seed}`);
  });
});
