import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { PROMTOOL_SKIP, runPromtool } from '../support/promtool.ts';

interface Stat {
  readonly type: string;
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

const DASHBOARD = new URL('../../docker/observability/grafana/dashboards/candlekeep.json', import.meta.url);
const STATS = [
  { title: 'Running', metric: 'candlekeep_running' },
  { title: 'Database', metric: 'candlekeep_database_up' },
] as const;

/** What Prometheus has of one target after ten minutes, in promtool's notation: `stale` ends a series. */
interface Target {
  readonly up: string;
  readonly told: string;
}
const WELL: Target = { up: '1x10', told: '1x10' };
const UNWELL: Target = { up: '1x10', told: '1x4 0x5' };
/** A scrape that fails ends what the target told. */
const DEAD: Target = { up: '1x4 0x5', told: '1x4 stale' };
/** Its name is gone, and with it the target. */
const GONE: Target = { up: '1x4 stale', told: '1x4 stale' };

const CASES: readonly { readonly name: string; readonly targets: readonly Target[]; readonly shown: 0 | 1 }[] = [
  { name: 'one that is well', targets: [WELL], shown: 1 },
  { name: 'two that are well', targets: [WELL, WELL], shown: 1 },
  { name: 'one of two unwell', targets: [WELL, UNWELL], shown: 0 },
  { name: 'one of two dead', targets: [WELL, DEAD], shown: 0 },
  { name: 'the only one dead', targets: [DEAD], shown: 0 },
  { name: 'one of two taken away', targets: [WELL, GONE], shown: 1 },
  { name: 'the only one gone', targets: [GONE], shown: 0 },
  { name: 'one that never answered', targets: [{ up: '0x10', told: '_x10' }], shown: 0 },
];

async function readExpression(title: string): Promise<string> {
  const { panels } = JSON.parse(await readFile(DASHBOARD, 'utf8')) as { panels: Stat[] };
  const [stat, ...others] = panels.filter((panel) => panel.type === 'stat' && panel.title === title);
  assert.ok(stat?.targets?.length === 1 && others.length === 0, `there is one stat "${title}"`);
  return stat.targets[0]!.expr;
}

describe('the stats of the dashboard', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'candlekeep-stats-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  for (const { title, metric } of STATS)
    it(`shows under "${title}" what the worst process says, and "no" for one that says nothing`, async (context) => {
      if (PROMTOOL_SKIP !== null) {
        context.skip(PROMTOOL_SKIP);
        return;
      }
      const expr = await readExpression(title);
      const tests = CASES.map(({ name, targets, shown }) => ({
        name,
        interval: '1m',
        input_series: targets.flatMap(({ up, told }, index) => {
          const labels = `{job="candlekeep", instance="${index}"}`;
          return [
            { series: `up${labels}`, values: up },
            { series: `${metric}${labels}`, values: told },
          ];
        }),
        promql_expr_test: [{ expr, eval_time: '8m', exp_samples: [{ labels: '{}', value: shown }] }],
      }));
      // JSON is YAML too.
      await writeFile(join(folder, `${metric}.yml`), JSON.stringify({ tests }));
      runPromtool(['test', 'rules', `${metric}.yml`], folder);
    });
});
