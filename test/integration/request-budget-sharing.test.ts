import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BudgetStage, mean, NAMES, percent, START, SYMBOLS } from '../support/budget-stage.ts';
import { EndlessBackfill } from '../support/endless-backfill.ts';

const MINUTE = 60_000;

describe('one address', () => {
  it('makes room for another client that spends half of the weight on the same address', async (t) => {
    await using stage = await new BudgetStage().open();
    const { clock, exchange } = stage;
    const client = await stage.createClient();
    const backfill = new EndlessBackfill({ client, clock, symbols: SYMBOLS });
    const untilMs = START + 12 * MINUTE;
    const statuses: number[] = [];
    const spendHalf = async () => {
      const spot = Array.from({ length: 5 }, () => '/api/v3/exchangeInfo?symbol=COIN0USDT');
      const futures = Array.from({ length: 4 }, () => '/fapi/v1/premiumIndex');
      while (clock.now() < untilMs) {
        for (const path of [...spot, ...futures]) statuses.push(await stage.request(path));
        await clock.sleep(2_000, stage.signal);
      }
    };
    await clock.during(Promise.all([backfill.run(untilMs, stage.signal), spendHalf()]));
    assert.deepEqual(backfill.errors, []);
    assert.deepEqual([exchange.bans, client.access().block], [0, null]);
    assert.ok(statuses.every((status) => status === 200));
    for (const name of ['spot', 'futures'] as const) {
      const use = stage.listUse(name);
      t.diagnostic(`${name}: both together used ${use.map(percent).join(', ')}`);
      assert.ok(stage.findMostUse(name) <= 1, `${name} was overrun`);
      assert.ok(mean(use) > 0.65, `${name}: driven out by the other`);
    }
    const delays = backfill.delays.slice(SYMBOLS.length);
    assert.ok(Math.max(...delays) < 10_000, `a closed candle came after ${Math.max(...delays)} ms`);
  });

  it('shares one address with two more processes of its kind', async (t) => {
    await using stage = await new BudgetStage().open();
    const { clock, exchange } = stage;
    const clients = [await stage.createClient(3), await stage.createClient(3), await stage.createClient(3)];
    const backfills = clients.map(
      (client, part) =>
        new EndlessBackfill({ client, clock, symbols: SYMBOLS.filter((_, index) => index % clients.length === part) }),
    );
    const untilMs = START + 7 * MINUTE;
    await clock.during(Promise.all(backfills.map(async (backfill) => await backfill.run(untilMs, stage.signal))));
    assert.deepEqual(
      backfills.flatMap(({ errors }) => errors),
      [],
    );
    assert.equal(exchange.bans, 0);
    for (const name of NAMES) {
      t.diagnostic(`${name}: all together used at most ${percent(stage.findMostUse(name))} in one window`);
      assert.ok(stage.findMostUse(name) <= 0.9, name);
    }
    for (const name of ['spot', 'futures'] as const) {
      assert.ok(mean(stage.listUse(name)) > 0.5, `${name}: too careful`);
    }
  });
});
