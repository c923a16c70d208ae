import type { AuditState, ExchangeState, ReplicaState } from '../../market/service-state.ts';
import type { HealthDocument } from './health-schema.ts';
import type { LedgerSnapshot } from './ledger-totals.ts';

/** How the HTTP part learns how complete the data is. Every probe answers at once, from memory. */
export interface CompletenessProbes {
  ledger(): LedgerSnapshot;
  exchanges(): readonly ExchangeState[];
  /** null where one process alone collects. */
  replica(): ReplicaState | null;
  audit(): AuditState;
}

type CompletenessHealth = Pick<
  HealthDocument,
  'coverage' | 'quarantine' | 'revisions' | 'exchanges' | 'replica' | 'audit'
>;

/** The part of GET /health that says how complete the data is, and what keeps it from being so. */
export function describeCompleteness(probes: CompletenessProbes): CompletenessHealth {
  const { as_of, slots, quarantine, revisions } = probes.ledger();
  return {
    coverage: slots === null || as_of === null ? null : { ...slots, as_of },
    quarantine,
    revisions,
    exchanges: probes.exchanges(),
    replica: probes.replica(),
    audit: probes.audit(),
  };
}

/** What of it keeps the service from being healthy, one sentence each. A pause that passes by itself does not. */
export function listCompletenessShortcomings(probes: CompletenessProbes): string[] {
  const { last_error: ledgerError } = probes.ledger();
  const replica = probes.replica();
  const { differences, repaired, last_error: auditError } = probes.audit();
  const left = (differences ?? 0) - (repaired ?? 0);
  return [
    ...probes.exchanges().flatMap(({ exchange, block }) => {
      if (block === null || block.reason === 'throttled') return [];
      const until = block.until === null ? 'until somebody acts' : `until ${block.until}`;
      return [`${exchange} refuses requests (${block.reason}) ${until}: ${block.message}`];
    }),
    ...(replica?.state === 'lost'
      ? [`this process may not collect: its lease has run out (${replica.last_error ?? 'the database was away'})`]
      : []),
    ...(ledgerError === null ? [] : [`the ledger could not be summed up: ${ledgerError}`]),
    ...(auditError === null ? [] : [`the audit failed: ${auditError}`]),
    ...(left > 0 ? [`the last audit left ${left} differences between ledger and rows: run make audit`] : []),
  ];
}
