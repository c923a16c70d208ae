import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CompletenessProbes } from '../../../../src/http/health/completeness-health.ts';
import { describeHealth, type HealthProbes } from '../../../../src/http/health/health.ts';
import { createCompleteness, createProbes, LEDGER } from '../in-memory.ts';
import type { AuditState, ExchangeState } from '../../../../src/market/service-state.ts';

const FACTS = { version: '1.2.3', uptimeSeconds: 12.9, now: new Date('2026-11-22T07:00:00Z') };
const describeWith = (changes: Partial<CompletenessProbes>, more: Partial<HealthProbes> = {}) =>
  describeHealth(createProbes({ completeness: createCompleteness(changes), ...more }), FACTS);

const blocked = (reason: string, until: string | null): ExchangeState[] => [
  {
    exchange: 'binance',
    state: 'down',
    block: { reason, until, message: 'it said so' },
    budgets: [],
    stream: null,
    series: 0,
    last_error: null,
  },
];
const audited = (changes: Partial<AuditState>): AuditState => ({ ...createCompleteness().audit(), ...changes });

describe('describeHealth with a ledger', () => {
  it('sums up how complete the data is', () => {
    const health = describeWith({});
    assert.equal(health.status, 'healthy');
    assert.deepEqual(health.coverage, {
      have: 90,
      missing: 4,
      confirmed_empty: 3,
      refused: 2,
      out_of_window: 1,
      as_of: '2026-01-01T00:00:00.000Z',
    });
    assert.deepEqual([health.quarantine, health.revisions], [5, 6]);
    assert.deepEqual([health.replica?.alive, health.replica?.held], [2, 3]);
    assert.equal(health.exchanges[0]?.budgets[0]?.used, 123);
    assert.equal(health.exchanges[0].stream?.state, 'live');
    assert.equal(health.audit.differences, 0);
  });

  it('says null before anything was counted', () => {
    const health = describeWith({
      ledger: () => ({ ...LEDGER, as_of: null, slots: null, quarantine: null, revisions: null }),
      replica: () => null,
    });
    assert.equal(health.status, 'healthy');
    assert.deepEqual([health.coverage, health.quarantine, health.replica], [null, null, null]);
  });

  it('is degraded where an exchange refuses us, and not by a pause that passes', () => {
    assert.deepEqual(describeWith({ exchanges: () => blocked('banned', '2026-11-22T07:10:00.000Z') }).reasons, [
      'binance refuses requests (banned) until 2026-11-22T07:10:00.000Z: it said so',
    ]);
    const refused = describeWith({ exchanges: () => blocked('refused', null) });
    assert.deepEqual([refused.status, refused.reasons.length], ['degraded', 1]);
    assert.match(refused.reasons[0] ?? '', /until somebody acts/);
    assert.equal(describeWith({ exchanges: () => blocked('throttled', null) }).status, 'healthy');
  });

  it('is degraded where the ledger could not be counted or audited, or was left different', () => {
    const member = createCompleteness().replica()!;
    const cases: [Partial<CompletenessProbes>, RegExp][] = [
      [{ ledger: () => ({ ...LEDGER, last_error: 'no permission' }) }, /summed up: no permission/],
      [{ replica: () => ({ ...member, state: 'lost', last_error: 'no route' }) }, /lease has run out \(no route\)/],
      [{ audit: () => audited({ last_error: 'no table' }) }, /audit failed: no table/],
      [{ audit: () => audited({ differences: 5, repaired: 3 }) }, /left 2 differences.*make audit/],
    ];
    for (const [changes, reason] of cases) {
      const { status, reasons } = describeWith(changes);
      assert.deepEqual([status, reasons.length], ['degraded', 1]);
      assert.match(reasons[0] ?? '', reason);
    }
    assert.equal(describeWith({ audit: () => audited({ differences: 5, repaired: 5 }) }).status, 'healthy');
    const away = describeWith({ ledger: () => ({ ...LEDGER, last_error: 'gone' }) }, { database: () => 'down' });
    assert.deepEqual(away.reasons, ['the database does not answer'], 'one fault, told once');
  });
});
