import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeHealth } from '../../../src/http/health/health.ts';
import {
  formatDuration,
  isHealthDocument,
  reportHealth,
  reportSeries,
} from '../../../scripts/support/health-report.ts';
import { serviceUrl } from '../../../scripts/support/service-client.ts';
import { AT_HEAD, createCompleteness, createProbes } from '../http/in-memory.ts';

const FACTS = { version: '1.2.3', uptimeSeconds: 7500, now: new Date('2026-11-22T07:00:00Z') };
const URL = 'http://127.0.0.1:8000';

describe('reportHealth', () => {
  it('tells a healthy service in a few lines', () => {
    assert.equal(
      reportHealth(describeHealth(createProbes(), FACTS), URL).split('\n').slice(0, 7).join('\n'),
      [
        'candlekeep 1.2.3 at http://127.0.0.1:8000 is healthy',
        '  phase         running, up for 2 h 5 min',
        '  database      up',
        '  schema        0002_b, at head, plain PostgreSQL',
        '  scheduler     running',
        '  ingest        running: 3 of 3 series complete, 0 behind, at most 42 s behind',
        '  recent_ohlcv  504 rows, refreshed at 2026-01-01T00:00:00.000Z in 8 ms',
      ].join('\n'),
    );
  });

  it('tells how complete the data is, and what each exchange allows', () => {
    const lines = (changes: Parameters<typeof createCompleteness>[0]) =>
      reportHealth(describeHealth(createProbes({ completeness: createCompleteness(changes) }), FACTS), URL)
        .split('\n')
        .slice(7);
    assert.deepEqual(lines({}), [
      '  coverage      90 slots stored, 4 missing, 3 confirmed empty, 2 refused, 1 out of window',
      '                rows in quarantine: 5, candles rewritten: 6, counted at 2026-01-01T00:00:00.000Z',
      '  exchange      binance: up, spot 123 of 6000 per 60 s, stream live with 3 series',
      '  replica       one of 2, collects 3 of 7 markets',
      '  audit         at 2026-01-01T03:17:00.000Z: 0 differences, 0 put right, 0 values that contradict each other',
    ]);
    const block = { reason: 'banned', until: '2026-11-22T07:10:00.000Z', message: 'too many requests' };
    const banned = lines({
      exchanges: () => [
        { exchange: 'okx', state: 'down', block, budgets: [], stream: null, series: 0, last_error: null },
      ],
      replica: () => null,
    });
    assert.ok(banned.includes('  exchange      okx: down, banned until 2026-11-22T07:10:00.000Z'), banned.join('\n'));
  });

  it('tells what is deferred with its remedy, what failed, and why it is not healthy', () => {
    const step = { step: 'hypertable', revision: '0001_a', reason: 'no extension', remedy: 'install it' };
    const probes = createProbes({
      schema: () => ({ ...AT_HEAD, unknown: ['0009_z'], deferred: [step], timescaledb: '2.26.4' }),
      ingest: () => ({
        state: 'degraded',
        series: 2,
        complete: 1,
        refused: 0,
        futures: { feeds: 0, complete: 0 },
        behind: 1,
        max_lag_seconds: null,
        last_error: 'banned',
      }),
      recentOhlcv: () => ({ refreshed_at: null, duration_ms: null, rows: null }),
    });
    const report = reportHealth(describeHealth(probes, FACTS), URL);
    for (const part of [
      /is degraded$/m,
      /newer than this build \(0002_b\), TimescaleDB 2\.26\.4/,
      /deferred: hypertable: no extension; remedy: install it/,
      /last error: banned/,
      /recent_ohlcv {2}not refreshed yet/,
      /! the database is newer.*0009_z/,
      /! ingest is degraded: banned/,
    ])
      assert.match(report, part);
  });

  it('tells a starting service whose schema is not known yet', () => {
    const probes = createProbes({
      phase: () => 'connecting',
      progress: () => 'waiting for db:5432',
      schema: () => null,
    });
    const report = reportHealth(describeHealth(probes, FACTS), URL);
    assert.match(report, /is starting$/m);
    assert.match(report, /connecting \(waiting for db:5432\)/);
    assert.match(report, /schema {8}not known yet/);
  });
});

describe('isHealthDocument', () => {
  it('knows the document, as it arrives, from anything else', () => {
    const document = JSON.parse(JSON.stringify(describeHealth(createProbes(), FACTS))) as Record<string, unknown>;
    assert.equal(isHealthDocument(document), true);
    for (const name of [
      'status',
      'phase',
      'uptime_seconds',
      'reasons',
      'schema',
      'components',
      'ingest',
      'recent_ohlcv',
    ])
      assert.equal(isHealthDocument({ ...document, [name]: undefined }), false, name);
  });
});

describe('reportSeries', () => {
  it('makes a table, with errors below it', () => {
    const unknown = { candles: null, last_close: null, complete_since: null, lost: null };
    const named = { exchange: 'binance', timeframe: '1h', rejected: 0, ...unknown };
    const table = reportSeries([
      {
        ...named,
        symbol: 'BTC/USDT',
        state: 'complete',
        missing: 0,
        first: '2026-01-01T00:00:00.000Z',
        last: '2026-01-02T08:00:00.000Z',
        last_error: null,
      },
      {
        ...named,
        symbol: 'NOPE/USDT',
        state: 'refused',
        missing: null,
        first: null,
        last: null,
        last_error: 'no market',
      },
    ]);
    assert.equal(
      table,
      [
        'exchange  symbol     timeframe  state     missing  oldest            newest',
        'binance   BTC/USDT   1h         complete  0        2026-01-01 00:00  2026-01-02 08:00',
        'binance   NOPE/USDT  1h         refused',
        '! binance NOPE/USDT 1h: no market',
      ].join('\n'),
    );
    assert.match(reportSeries([]), /No series/);
  });
});

describe('formatDuration', () => {
  it('tells the two largest units', () => {
    for (const [seconds, text] of [
      [0, '0 s'],
      [59.9, '59 s'],
      [61, '1 min 1 s'],
      [3600, '1 h'],
      [3601, '1 h'],
      [90_061, '1 d 1 h'],
    ] as const)
      assert.equal(formatDuration(seconds), text);
  });
});

describe('serviceUrl', () => {
  it('asks where the service listens; one on all addresses on loopback', () => {
    assert.equal(serviceUrl({}), 'http://127.0.0.1:8000');
    assert.equal(serviceUrl({ HOST: '', PORT: ' ' }), 'http://127.0.0.1:8000');
    assert.equal(serviceUrl({ HOST: '0.0.0.0', PORT: '9000' }), 'http://127.0.0.1:9000');
    assert.equal(serviceUrl({ HOST: '::', PORT: '9000' }), 'http://127.0.0.1:9000');
    assert.equal(serviceUrl({ HOST: '::1' }), 'http://[::1]:8000');
    assert.equal(serviceUrl({ HOST: 'db.example' }), 'http://db.example:8000');
  });

  it('refuses a port that only the service knows', () => {
    for (const PORT of ['0', 'http', '70000', '80.5']) assert.throws(() => serviceUrl({ PORT }), /--url/);
  });
});
