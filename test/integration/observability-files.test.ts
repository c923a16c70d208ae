import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { ServiceMetrics } from '../../src/http/health/service-metrics.ts';
import { readPromql, readSamples } from '../support/promql.ts';
import { PROMTOOL_SKIP, runPromtool } from '../support/promtool.ts';
import { createCompleteness, createProbes, createTestApp } from '../unit/http/in-memory.ts';

interface Rule {
  alert: string;
  expr: string;
  for?: string;
  labels: { severity: string };
  annotations: { summary: string; action: string };
}
interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  datasource?: { uid: string };
  targets?: { refId: string; expr: string; datasource: { uid: string } }[];
}
interface Dashboard {
  uid: string;
  panels: Panel[];
  templating: { list: { name: string; type: string; query: string | { query: string } }[] };
  annotations: { list: { expr: string }[] };
}
interface Compose {
  services: Record<string, { image?: string; profiles?: string[]; volumes?: string[] }>;
}
interface PrometheusConfig {
  rule_files: string[];
  scrape_configs: { job_name: string; metrics_path: string; dns_sd_configs: { names: string[]; port: number }[] }[];
}

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = 'docker/observability';
const read = (path: string) => readFileSync(resolve(root, path), 'utf8');
const readYaml = (path: string): unknown => parse(read(path));

const config = readYaml(`${folder}/prometheus.yml`) as PrometheusConfig;
const rules = (readYaml(`${folder}/alerts.yml`) as { groups: { name: string; rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);
const dashboard = JSON.parse(read(`${folder}/grafana/dashboards/candlekeep.json`)) as Dashboard;
const compose = readYaml('docker-compose.yml') as Compose;

/** What Prometheus itself adds to every sample, and the name that it gives our label `job`. */
const ADDED_LABELS = ['job', 'instance', 'exported_job'];

/** `up` is Prometheus' own. */
const NO_LABELS: Readonly<Record<string, string>>[] = [{}];

/** The samples of /metrics of a service that has seen everything once. */
async function scrape(): Promise<string> {
  const entry = { exchange: 'binance', symbol: 'BTC/USDT', timeframe: '1m', state: 'complete' as const };
  const metrics = new ServiceMetrics({
    version: '1.2.3',
    jobs: ['refresh'],
    probes: {
      ...createProbes(),
      completeness: createCompleteness(),
      ingestSeries: () => [{ ...entry, missing: 0, last_error: null, rejected: 0 }],
      ingestTotals: () => ({ requests: 1, failures: 2, read: 3, stored: 4, revised: 5, quarantined: 6, streamed: 7 }),
      ingestLags: () => [{ exchange: 'binance', timeframe: '1m', metric: 'ohlcv', lag_seconds: 0 }],
      pools: () => [{ pool: 'candlekeep', max: 10, open: 1, idle: 1, waiting: 0 }],
      liveClients: () => 1,
    },
  });
  for (const status of [200, 404, 503])
    metrics.observeRequest({ method: 'GET', route: '/v1/ohlcv', status, durationMs: 5 });
  const answer = await createTestApp({ metrics }).app.inject('/metrics');
  assert.equal(answer.statusCode, 200);
  return answer.body;
}

/** What `expression` reads that no service tells, one sentence each. */
function findUnknown(expression: string, samples: ReturnType<typeof readSamples>): string[] {
  const { selectors, labels } = readPromql(expression);
  assert.ok(selectors.length > 0, `nothing is read by ${expression}`);
  const known = new Set(ADDED_LABELS);
  const faults = selectors.flatMap(({ metric, matchers }) => {
    const found = metric === 'up' ? NO_LABELS : samples.get(metric);
    if (!found) return [`there is no metric ${metric}`];
    const names = new Set(found.flatMap((sample) => Object.keys(sample)));
    for (const name of names) known.add(name);
    return matchers.flatMap(({ label, operator, value }) => {
      if (label === 'job') {
        const jobs = config.scrape_configs.map((scraped) => scraped.job_name);
        return jobs.includes(value) ? [] : [`nothing is scraped as ${value}`];
      }
      if (!names.has(label)) return [`${metric} has no label ${label}`];
      if (operator.startsWith('!') || value === '$exchange') return [];
      const wanted = operator === '=' ? (text?: string) => text === value : createAnchored(value);
      const values = found.map((sample) => sample[label]);
      return values.some(wanted) ? [] : [`no sample of ${metric} has ${label}${operator}"${value}"`];
    });
  });
  return [...faults, ...labels.filter((label) => !known.has(label)).map((label) => `nothing has a label ${label}`)];
}

function createAnchored(pattern: string): (text?: string) => boolean {
  const anchored = new RegExp(`^(?:${pattern})$`);
  return (text) => text !== undefined && anchored.test(text);
}

describe('the alert rules and the dashboard', () => {
  let samples: ReturnType<typeof readSamples>;
  before(async () => {
    samples = readSamples(await scrape());
  });

  it('read only metrics, labels and values that /metrics tells', () => {
    const panels = dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr]));
    assert.ok(rules.length > 20 && panels.length > 30, `${rules.length} rules and ${panels.length} queries were read`);
    for (const [name = '', expression = ''] of [
      ...rules.map(({ alert, expr }) => [alert, expr]),
      ...panels,
      ...dashboard.annotations.list.map(({ expr }) => ['annotation', expr]),
    ])
      assert.deepEqual(findUnknown(expression, samples), [], `${name}: ${expression}`);
  });

  it('would be caught with a name, a label or a value that nothing has', () => {
    for (const [expression, fault] of [
      ['candlekeep_runing == 0', 'there is no metric candlekeep_runing'],
      ['rate(candlekeep_job_duration_seconds[5m])', 'there is no metric candlekeep_job_duration_seconds'],
      ['candlekeep_series{symbol="BTC/USDT"}', 'candlekeep_series has no label symbol'],
      ['candlekeep_series{state="late"} > 0', 'no sample of candlekeep_series has state="late"'],
      ['candlekeep_series{state=~"late|gone"} > 0', 'no sample of candlekeep_series has state=~"late|gone"'],
      ['sum by (symbol) (candlekeep_series)', 'nothing has a label symbol'],
      ['up{job="candle"} == 0', 'nothing is scraped as candle'],
    ] as const)
      assert.deepEqual(findUnknown(expression, samples), [fault]);
  });

  it('cover lag, gaps, budget, quarantine, jobs, pools, requests and migrations', () => {
    const all = (expressions: readonly string[]) => expressions.join('\n');
    const ruled = all(rules.map(({ expr }) => expr));
    const shown = all(dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)));
    for (const metric of [
      'ingest_lag_seconds',
      'slots{state="missing"',
      'budget_used',
      'quarantine',
      'job_duration_seconds_count',
      'pool_waiting',
      'http_request_duration_seconds_bucket',
      'schema_revisions{state="pending"}',
      'schema_remedies_needed',
    ]) {
      assert.ok(ruled.includes(metric), `no rule reads ${metric}`);
      assert.ok(shown.includes(metric), `no panel reads ${metric}`);
    }
  });

  it('have rules that say how grave it is and what to do, under names of their own', () => {
    assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
    const described = read('docs/observability.md');
    for (const { alert, labels, annotations } of rules) {
      assert.match(alert, /^Candlekeep[A-Z]\w+$/);
      assert.match(labels.severity, /^(critical|warning|info)$/, alert);
      assert.ok(annotations.summary.length > 20 && annotations.action.length > 20, alert);
      assert.ok(described.includes(`\`${alert}\``), `docs/observability.md does not tell of ${alert}`);
    }
  });

  it('send people to paths that there are', async () => {
    const { app } = createTestApp();
    await app.ready();
    const table = read('docs/observability.md').match(/^\| `Candlekeep.*$/gm) ?? [];
    const told = [...table, ...rules.map(({ annotations }) => annotations.action)].join('\n');
    const paths = new Set(
      [...told.matchAll(/(?:GET |`)(\/(?:v1|health|migrations|metrics)[\w/]*)/g)].map(([, path]) => path),
    );
    assert.ok(paths.size >= 5, [...paths].join(' '));
    for (const path of paths) assert.ok(app.hasRoute({ method: 'GET', url: path! }), `nothing answers at ${path}`);
    await app.close();
  });

  it('have panels that lie beside each other and read the data source that was chosen', () => {
    const { panels } = dashboard;
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
    const cells = new Map<string, string>();
    for (const { title, gridPos } of panels) {
      const { x, y, w, h } = gridPos;
      assert.ok(x + w <= 24, `${title} is wider than the page`);
      for (let column = x; column < x + w; column++)
        for (let line = y; line < y + h; line++) {
          const before = cells.get(`${column} ${line}`);
          assert.equal(before, undefined, `${title} lies over ${before ?? ''}`);
          cells.set(`${column} ${line}`, title);
        }
    }
    for (const { title, type, datasource, targets = [] } of panels.filter((panel) => panel.type !== 'row')) {
      assert.ok(['stat', 'timeseries'].includes(type), `${title} is a ${type}`);
      const uids = [datasource?.uid, ...targets.map((target) => target.datasource.uid)];
      assert.deepEqual(new Set(uids), new Set(['${datasource}']), title);
      assert.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length, title);
    }
    const exchange = dashboard.templating.list.find(({ name }) => name === 'exchange')!.query as { query: string };
    const [, metric = '', label = ''] = /^label_values\((\w+), (\w+)\)$/.exec(exchange.query) ?? [];
    assert.ok(samples.get(metric)?.every((sample) => label in sample));
  });

  it('are told of in the documentation with every metric, and with none that is not there', () => {
    const told = new Set(read('docs/observability.md').match(/\bcandlekeep_[a-z_]+/g));
    const families = [...samples.keys()]
      .filter((name) => name.startsWith('candlekeep_'))
      .map((name) => name.replace(/(duration_seconds)_(bucket|sum|count)$/, '$1'));
    assert.deepEqual([...told].toSorted(), [...new Set(families)].toSorted());
  });
});

describe('the profile observability', () => {
  it('mounts files that exist, where the configuration looks for them', () => {
    const { prometheus, grafana, app } = compose.services;
    assert.ok(prometheus && grafana && app);
    for (const service of [prometheus, grafana]) {
      assert.deepEqual(service.profiles, ['observability']);
      assert.match(service.image ?? '', /^[\w/]+:v?\d+\.\d+\.\d+$/);
    }
    const places = new Map<string, string>();
    for (const volume of [...(prometheus.volumes ?? []), ...(grafana.volumes ?? [])]) {
      const [source = '', target = '', mode] = volume.split(':');
      if (!source.startsWith('./')) continue;
      assert.ok(existsSync(resolve(root, source)), `${source} does not exist`);
      assert.equal(mode, 'ro', volume);
      places.set(target, source);
    }
    assert.equal(places.get('/etc/prometheus/prometheus.yml'), `./${folder}/prometheus.yml`);
    for (const file of config.rule_files)
      assert.equal(places.get(`/etc/prometheus/${file}`), `./${folder}/${file}`, `${file} is not mounted`);
    const provider = readYaml(`${folder}/grafana/provisioning/dashboards/candlekeep.yml`) as {
      providers: { options: { path: string } }[];
    };
    assert.equal(places.get(provider.providers[0]!.options.path), `./${folder}/grafana/dashboards`);
  });

  it('scrapes the service of the compose file at its port, and shows what Prometheus has', () => {
    const [scraped] = config.scrape_configs;
    assert.deepEqual(scraped?.dns_sd_configs[0], { names: ['app'], type: 'A', port: 8000, refresh_interval: '15s' });
    assert.equal(scraped.metrics_path, '/metrics');
    const { datasources } = readYaml(`${folder}/grafana/provisioning/datasources/prometheus.yml`) as {
      datasources: { type: string; url: string; isDefault: boolean }[];
    };
    assert.deepEqual(
      datasources.map(({ type, url, isDefault }) => ({ type, url, isDefault })),
      [{ type: 'prometheus', url: 'http://prometheus:9090', isDefault: true }],
    );
  });

  it('has rules that promtool takes, and that fire when they should', (context) => {
    if (PROMTOOL_SKIP !== null) {
      context.skip(PROMTOOL_SKIP);
      return;
    }
    runPromtool(['check', 'config', `${folder}/prometheus.yml`], root);
    const fixtures = ['alerts', 'alerts-of-days'].map((name) => `test/fixtures/${name}.promtool.yml`);
    runPromtool(['test', 'rules', ...fixtures], root);
  });
});
