import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeCompleteness } from '../../../../src/http/health/completeness-health.ts';
import { describeHealth, isReady, type HealthProbes } from '../../../../src/http/health/health.ts';
import { AT_HEAD, createCompleteness, createProbes } from '../in-memory.ts';

const FACTS = { version: '1.2.3', uptimeSeconds: 12.9, now: new Date('2026-11-22T07:00:00Z') };
const describeWith = (changes: Partial<HealthProbes>) => describeHealth(createProbes(changes), FACTS);

describe('describeHealth', () => {
  it('makes the documented document', () => {
    assert.deepEqual(describeWith({}), {
      status: 'healthy',
      phase: 'running',
      phase_detail: null,
      reasons: [],
      version: '1.2.3',
      uptime_seconds: 12,
      timestamp: '2026-11-22T07:00:00.000Z',
      schema: {
        version: '0002_b',
        head: '0002_b',
        pending: [],
        unknown: [],
        edited: [],
        deferred: [],
        timescaledb: null,
      },
      components: { database: 'up', scheduler: 'running', ingest: 'running' },
      ingest: {
        series: 3,
        complete: 3,
        behind: 0,
        refused: 0,
        futures: { feeds: 0, complete: 0 },
        max_lag_seconds: 42,
        last_error: null,
      },
      recent_ohlcv: { refreshed_at: '2026-01-01T00:00:00.000Z', duration_ms: 8, rows: 504 },
      ...describeCompleteness(createCompleteness()),
    });
  });

  it('is starting until it runs, and says what it is doing', () => {
    for (const phase of ['connecting', 'migrating', 'verifying'] as const) {
      const health = describeWith({
        phase: () => phase,
        database: () => 'down',
        progress: () => 'revision 3 of 5: 0003_c',
      });
      assert.equal(health.status, 'starting');
      assert.equal(health.phase_detail, 'revision 3 of 5: 0003_c');
    }
  });

  it('is stopping while it stops, whatever else is wrong', () => {
    assert.equal(describeWith({ phase: () => 'stopping', failure: () => 'broken' }).status, 'stopping');
  });

  it('is unhealthy with a failure or without its database', () => {
    const failed = describeWith({ phase: () => 'migrating', failure: () => '0003_c failed' });
    assert.deepEqual(
      [failed.status, failed.phase_detail, failed.reasons],
      ['unhealthy', '0003_c failed', ['0003_c failed']],
    );
    const away = describeWith({ database: () => 'down' });
    assert.deepEqual([away.status, away.reasons], ['unhealthy', ['the database does not answer']]);
  });

  it('is degraded, with the reason, where a part falls short', () => {
    const ingest = {
      series: 3,
      complete: 2,
      behind: 1,
      refused: 0,
      futures: { feeds: 0, complete: 0 },
      max_lag_seconds: 9000,
      last_error: 'binance answered 429',
    };
    const cases: [Partial<HealthProbes>, RegExp][] = [
      [{ ingest: () => ({ ...ingest, state: 'degraded' }) }, /binance answered 429/],
      [{ ingest: () => ({ ...ingest, state: 'stopped' }) }, /ingest is stopped/],
      [{ scheduler: () => 'stopped' }, /scheduler is stopped/],
      [{ schema: () => ({ ...AT_HEAD, unknown: ['0009_z'] }) }, /newer than this build.*0009_z/],
      [{ schema: () => ({ ...AT_HEAD, pending: ['0002_b'] }) }, /0002_b did not run/],
      [
        { recentOhlcv: () => ({ refreshed_at: null, duration_ms: null, rows: null, last_error: 'no permission' }) },
        /no permission/,
      ],
    ];
    for (const [changes, reason] of cases) {
      const health = describeWith(changes);
      assert.equal(health.status, 'degraded');
      assert.equal(health.reasons.length, 1);
      assert.match(health.reasons[0]!, reason);
    }
  });

  it('stays healthy with deferred steps alone', () => {
    const step = { step: 'hypertable', revision: '0001_a', reason: 'no extension', remedy: 'install it' };
    const health = describeWith({ schema: () => ({ ...AT_HEAD, deferred: [step] }) });
    assert.equal(health.status, 'healthy');
    assert.deepEqual(health.schema?.deferred, [step]);
  });
});

describe('isReady', () => {
  it('is so only when running with the database up', () => {
    assert.equal(isReady(createProbes()), true);
    assert.equal(isReady(createProbes({ database: () => 'down' })), false);
    assert.equal(isReady(createProbes({ phase: () => 'verifying' })), false);
    assert.equal(isReady(createProbes({ failure: () => 'broken' })), false);
  });
});
