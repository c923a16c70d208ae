import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { BUDGET_LIMITS } from '../../simulator/weight-counter.ts';
import { BudgetStage, mean, NAMES, percent, START, SYMBOLS } from './budget-stage.ts';
import { EndlessBackfill } from './endless-backfill.ts';

const MINUTE = 60_000;

/**
 * Backfills fifty series with futures for so many minutes of the exchange's time, and holds that no allowance was overrun
 * or left lying, and that no closed candle came late.
 */
export async function measureBackfill(minutes: number, t: TestContext): Promise<void> {
  await using stage = await new BudgetStage().open();
  const { clock, exchange } = stage;
  const client = await stage.createClient();
  const backfill = new EndlessBackfill({ client, clock, symbols: SYMBOLS });
  await clock.during(backfill.run(START + minutes * MINUTE, stage.signal));
  assert.deepEqual(backfill.errors, []);
  assert.deepEqual([exchange.bans, client.access().block], [0, null]);
  for (const name of NAMES) {
    const use = mean(stage.listUse(name));
    t.diagnostic(`${name}: ${percent(use)} used, at most ${percent(stage.findMostUse(name))} in one window`);
    assert.ok(stage.findMostUse(name) <= 0.9, name);
    assert.ok(use >= 0.6, `${name}: only ${percent(use)} used`);
    assert.ok(client.budgets().some((budget) => budget.name === name && budget.limit === BUDGET_LIMITS[name].limit));
  }
  // The live tail is never behind the history. (What closed before the start is as old as it is.)
  const delays = backfill.delays.slice(SYMBOLS.length);
  t.diagnostic(`${exchange.requestCount} requests; a closed candle is there within ${Math.max(...delays)} ms`);
  assert.equal(delays.length, minutes * SYMBOLS.length);
  assert.ok(Math.max(...delays) < 5_000, `a closed candle came after ${Math.max(...delays)} ms`);
}
