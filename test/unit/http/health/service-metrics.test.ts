import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CompletenessProbes } from '../../../../src/http/health/completeness-health.ts';
import type { HealthProbes } from '../../../../src/http/health/health.ts';
import { ServiceMetrics, type ServiceMetricsDeps } from '../../../../src/http/health/service-metrics.ts';
import { AT_HEAD, createCompleteness, createProbes, createTestApp, LEDGER } from '../in-memory.ts';

const TOTALS = { requests: 1, failures: 2, read: 3, stored: 4, revised: 5, quarantined: 6, streamed: 7 };

function createMetrics(
  completeness: Partial<CompletenessProbes> = {},
  changes: Partial<ServiceMetricsDeps['probes']> = {},
): ServiceMetrics {
  const probes: ServiceMetricsDeps['probes'] = {
    ...createProbes(),
    completeness: createCompleteness(completeness),
    ingestTotals: () => TOTALS,
    ingestLags: () => [],
    pools: () => [],
    liveClients: () => 4,
    ...changes,
  };
  return new ServiceMetrics({ version: '1.2.3', jobs: ['refresh', 'audit'], probes });
}

/** One entry of /v1/series, where only its place and its state count. */
function seriesIn(
  symbol: string,
  timeframe: string,
  state: 'complete' | 'behind',
): ReturnType<HealthProbes['ingestSeries']>[number] {
  return { exchange: 'binance', symbol, timeframe, state, missing: 0, last_error: null, rejected: 0 };
}

/** The samples of one metric, `labels value`, sorted. */
async function samples(metrics: ServiceMetrics, name: string): Promise<string[]> {
  return (await metrics.render())
    .split('\n')
    .filter((line) => line.startsWith(`candlekeep_${name} `) || line.startsWith(`candlekeep_${name}{`))
    .map((line) => line.slice('candlekeep_'.length + name.length).trim())
    .toSorted();
}

describe('ServiceMetrics', () => {
  it('tells what was stored, revised, quarantined and asked for, and goes on counting', async () => {
    let { stored } = TOTALS;
    const metrics = createMetrics({}, { ingestTotals: () => ({ ...TOTALS, stored }) });
    for (const [name, value] of [
      ['requests_total', '1'],
      ['request_failures_total', '2'],
      ['rows_read_total', '3'],
      ['rows_stored_total', '4'],
      ['rows_revised_total', '5'],
      ['rows_quarantined_total', '6'],
      ['candles_streamed_total', '7'],
    ] as const)
      assert.deepEqual(await samples(metrics, name), [value], name);
    stored = 10;
    assert.deepEqual(await samples(metrics, 'rows_stored_total'), ['10']);
    assert.deepEqual(await samples(metrics, 'build_info'), ['{version="1.2.3"} 1']);
  });

  it('tells candles that live streams sent from those that were written', async () => {
    const text = await createMetrics().render();
    assert.match(text, /^# HELP candlekeep_stream_candles_total .*\bsent\b.*\blet go\b/m);
    assert.match(text, /^# HELP candlekeep_candles_streamed_total .*\bwritten\b/m);
  });

  it('tells slots by state, allowances, blocks, the stream, leases and the audit', async () => {
    const metrics = createMetrics();
    const group = 'exchange="binance",timeframe="1h",metric="ohlcv"';
    assert.deepEqual(await samples(metrics, 'slots'), [
      `{${group},state="confirmed_empty"} 3`,
      `{${group},state="have"} 90`,
      `{${group},state="missing"} 4`,
      `{${group},state="out_of_window"} 1`,
      `{${group},state="refused"} 2`,
    ]);
    for (const [name, lines] of [
      ['budget_used', ['{exchange="binance",allowance="spot"} 123']],
      ['budget_limit', ['{exchange="binance",allowance="spot"} 6000']],
      ['budget_window_seconds', ['{exchange="binance",allowance="spot"} 60']],
      ['exchange_up', ['{exchange="binance"} 1']],
      ['stream_live', ['{exchange="binance"} 1']],
      ['stream_series', ['{exchange="binance"} 3']],
      ['stream_reconnects_total', ['{exchange="binance"} 2']],
      ['stream_candles_total', ['{exchange="binance"} 77']],
      ['leases_held', ['3']],
      ['replicas_alive', ['2']],
      ['quarantine_rows', ['5']],
      ['revisions', ['6']],
      ['audit_differences', ['0']],
      ['live_clients', ['4']],
      ['running', ['1']],
      ['database_up', ['1']],
    ] as const)
      assert.deepEqual(await samples(metrics, name), lines, name);
  });

  it('tells lag and series by exchange and timeframe, without a symbol', async () => {
    const metrics = createMetrics(
      {},
      {
        ingestLags: () => [
          { exchange: 'binance', timeframe: '1m', metric: 'ohlcv', lag_seconds: 61 },
          { exchange: 'binance', timeframe: '1h', metric: 'open_interest', lag_seconds: 0 },
        ],
        ingestSeries: () => [
          seriesIn('BTC/USDT', '1m', 'complete'),
          seriesIn('ETH/USDT', '1m', 'behind'),
          seriesIn('SOL/USDT', '1m', 'complete'),
          seriesIn('BTC/USDT', '1h', 'complete'),
        ],
      },
    );
    assert.deepEqual(await samples(metrics, 'ingest_lag_seconds'), [
      '{exchange="binance",timeframe="1h",metric="open_interest"} 0',
      '{exchange="binance",timeframe="1m",metric="ohlcv"} 61',
    ]);
    assert.deepEqual(await samples(metrics, 'series'), [
      '{exchange="binance",timeframe="1h",state="backfilling"} 0',
      '{exchange="binance",timeframe="1h",state="behind"} 0',
      '{exchange="binance",timeframe="1h",state="complete"} 1',
      '{exchange="binance",timeframe="1h",state="refused"} 0',
      '{exchange="binance",timeframe="1m",state="backfilling"} 0',
      '{exchange="binance",timeframe="1m",state="behind"} 1',
      '{exchange="binance",timeframe="1m",state="complete"} 2',
      '{exchange="binance",timeframe="1m",state="refused"} 0',
    ]);
    assert.doesNotMatch(await metrics.render(), /USDT/);
  });

  it('tells how the pools stand', async () => {
    const pools = [{ pool: 'candlekeep http', max: 10, open: 7, idle: 2, waiting: 3 }];
    const metrics = createMetrics({}, { pools: () => pools });
    assert.deepEqual(await samples(metrics, 'pool_connections'), [
      '{pool="candlekeep http",state="idle"} 2',
      '{pool="candlekeep http",state="used"} 5',
    ]);
    assert.deepEqual(await samples(metrics, 'pool_connections_max'), ['{pool="candlekeep http"} 10']);
    assert.deepEqual(await samples(metrics, 'pool_waiting'), ['{pool="candlekeep http"} 3']);
  });

  it('tells the phase and where the schema stands', async () => {
    const step = { step: 'hypertables', revision: '0001_a', reason: 'no extension', remedy: 'none needed' };
    const other = { step: 'unique', revision: '0002_b', reason: 'surplus rows', remedy: 'delete them' };
    let schema: ReturnType<HealthProbes['schema']> = null;
    const metrics = createMetrics({}, { phase: () => 'migrating', schema: () => schema });
    for (const name of ['schema_info', 'schema_revisions', 'schema_deferred_steps', 'schema_remedies_needed'])
      assert.deepEqual(await samples(metrics, name), [], name);
    const steps = [
      { ...step, state: 'due' as const, remedy_needed: false },
      { ...other, state: 'due' as const, remedy_needed: true },
    ];
    schema = { ...AT_HEAD, head: '0004_d', pending: ['0003_c', '0004_d'], steps, deferred: [step, other] };
    assert.deepEqual(await samples(metrics, 'schema_info'), ['{version="0002_b",head="0004_d"} 1']);
    assert.deepEqual(await samples(metrics, 'schema_revisions'), [
      '{state="applied"} 2',
      '{state="edited"} 0',
      '{state="pending"} 2',
      '{state="unknown"} 0',
    ]);
    assert.deepEqual(await samples(metrics, 'schema_deferred_steps'), ['2']);
    assert.deepEqual(await samples(metrics, 'schema_remedies_needed'), ['1']);
    assert.deepEqual(await samples(metrics, 'phase'), [
      '{phase="connecting"} 0',
      '{phase="migrating"} 1',
      '{phase="running"} 0',
      '{phase="stopping"} 0',
      '{phase="verifying"} 0',
    ]);
  });

  it('forgets what is over, and leaves out what is not known', async () => {
    let reason = 'banned';
    const block = () => ({ reason, until: null, message: 'no' });
    const metrics = createMetrics({
      exchanges: () => [
        { exchange: 'okx', state: 'down', block: block(), budgets: [], stream: null, series: 0, last_error: null },
      ],
      ledger: () => ({ ...LEDGER, groups: [], quarantine: null }),
      replica: () => null,
    });
    assert.deepEqual(await samples(metrics, 'exchange_blocked'), [
      '{exchange="okx",reason="banned"} 1',
      '{exchange="okx",reason="refused"} 0',
      '{exchange="okx",reason="throttled"} 0',
    ]);
    reason = 'refused';
    assert.match((await samples(metrics, 'exchange_blocked')).join('\n'), /"banned"} 0\n.*"refused"} 1/);
    for (const name of ['slots', 'quarantine_rows', 'leases_held', 'budget_used', 'stream_live'])
      assert.deepEqual(await samples(metrics, name), [], name);
  });

  it('tells how long jobs ran, and keeps the process metrics beside its own', async () => {
    const metrics = createMetrics();
    metrics.observeJob({ job: 'refresh', durationMs: 2000, hasFailed: false });
    metrics.observeJob({ job: 'refresh', durationMs: 10, hasFailed: true });
    assert.deepEqual(await samples(metrics, 'job_duration_seconds_count'), [
      '{job="audit",outcome="done"} 0',
      '{job="audit",outcome="failed"} 0',
      '{job="refresh",outcome="done"} 1',
      '{job="refresh",outcome="failed"} 1',
    ]);
    assert.deepEqual(await samples(metrics, 'job_duration_seconds_sum'), [
      '{job="audit",outcome="done"} 0',
      '{job="audit",outcome="failed"} 0',
      '{job="refresh",outcome="done"} 2',
      '{job="refresh",outcome="failed"} 0.01',
    ]);
    assert.match(await metrics.render(), /^process_resident_memory_bytes \d/m);
  });

  it('has each job and outcome from the start, so that the first failure is an increase', async () => {
    const metrics = createMetrics();
    const failed = async () => {
      const lines = await samples(metrics, 'job_duration_seconds_count');
      return lines.filter((line) => line.includes('outcome="failed"'));
    };
    assert.deepEqual(await failed(), ['{job="audit",outcome="failed"} 0', '{job="refresh",outcome="failed"} 0']);
    metrics.observeJob({ job: 'audit', durationMs: 10, hasFailed: true });
    assert.deepEqual(await failed(), ['{job="audit",outcome="failed"} 1', '{job="refresh",outcome="failed"} 0']);
  });

  it('shares nothing between two services of one process', async () => {
    const [one, other] = [createMetrics(), createMetrics()];
    one.observeJob({ job: 'refresh', durationMs: 1, hasFailed: false });
    for (const line of await samples(other, 'job_duration_seconds_count')) assert.match(line, / 0$/);
  });

  it('is answered at /metrics in every phase, and counts requests by route', async () => {
    const metrics = createMetrics();
    const { app } = createTestApp({
      metrics,
      probes: createProbes({ phase: () => 'migrating', database: () => 'down' }),
    });
    const answer = await app.inject('/metrics');
    assert.equal(answer.statusCode, 200);
    assert.match(String(answer.headers['content-type']), /^text\/plain; version=0\.0\.4/);
    await app.inject('/v1/ohlcv?symbol=BTC/USDT&timeframe=1h');
    await app.inject('/nowhere/at/all?x=1');
    assert.deepEqual(await samples(metrics, 'http_request_duration_seconds_count'), [
      '{method="GET",route="/metrics",status="200"} 1',
      '{method="GET",route="/v1/ohlcv",status="503"} 1',
      '{method="GET",route="none",status="404"} 1',
    ]);
  });

  it('tells the time of an answer to a factor of three, in few buckets', async () => {
    const metrics = createMetrics();
    metrics.observeRequest({ method: 'GET', route: '/v1/export', status: 200, durationMs: 20_000 });
    const lines = await samples(metrics, 'http_request_duration_seconds_bucket');
    const bounds = lines
      .map((line) => Number(/le="([\d.]+)"/.exec(line)?.[1]))
      .filter((bound) => !Number.isNaN(bound))
      .toSorted((a, b) => a - b);
    assert.deepEqual([bounds[0], bounds.at(-1)], [0.001, 120]);
    assert.ok(bounds.length <= 16, `${bounds.length} buckets`);
    bounds.forEach((bound, index) => {
      const before = bounds[index - 1] ?? bound;
      assert.ok(bound / before <= 3, `nothing between ${before} and ${bound}`);
    });
  });
});
