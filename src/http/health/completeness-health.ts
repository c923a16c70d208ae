import type { LedgerSnapshot, SlotCounts } from './ledger-totals.ts';

/** One exchange as seen from here. Spelled as it is answered in JSON. */
export interface ExchangeState {
  readonly exchange: string;
  /** `down`: it does not answer, or asked us to wait; `refused`: it refuses us as a whole. */
  readonly state: 'up' | 'down' | 'refused';
  /** Why nothing may be sent to it, and until when (ISO 8601; null: until somebody acts); null where all may. */
  readonly block: { readonly reason: string; readonly until: string | null; readonly message: string } | null;
  /** The allowances that it counts for our address, as they stand now. */
  readonly budgets: readonly {
    readonly name: string;
    readonly limit: number;
    readonly window_seconds: number;
    readonly used: number;
  }[];
  /** The live stream of candles; null where there is none. */
  readonly stream: StreamHealth | null;
  /** How many candles one request to it answers. */
  readonly candle_limit?: number;
  /** Series that are collected from it here. */
  readonly series: number;
  readonly last_error: string | null;
}

interface StreamHealth {
  readonly state: 'connecting' | 'live' | 'down';
  readonly subscribed: number;
  readonly connections: number;
  readonly reconnects: number;
  readonly received: number;
  readonly last_message_at: string | null;
  readonly last_error: string | null;
}

/** This process among those that share the database. Spelled as it is answered in JSON. */
export interface ReplicaState {
  readonly id: string;
  /** `joining`: before the first answer of the database; `lost`: it cannot be reached and the lease has run out. */
  readonly state: 'joining' | 'member' | 'lost' | 'stopped';
  /** How many processes share this work, with this one; null before that is known. */
  readonly alive: number | null;
  /** Processes on the same database that collect something else. */
  readonly strangers: number;
  /** Markets that the configuration wants, and those that this process collects now. */
  readonly markets: number;
  readonly held: number;
  readonly last_error: string | null;
}

/** The last audit of the ledger. Spelled as it is answered in JSON. */
export interface AuditState {
  /** ISO 8601; null before the first audit of this process. */
  readonly at: string | null;
  readonly duration_ms: number | null;
  /** Stretches in which ledger and rows differed, and how many were put right. */
  readonly differences: number | null;
  readonly repaired: number | null;
  /** Values that contradict each other. */
  readonly deviations: number | null;
  readonly last_error: string | null;
}

/** How the HTTP part learns how complete the data is. Every probe answers at once, from memory. */
export interface CompletenessProbes {
  ledger(): LedgerSnapshot;
  exchanges(): readonly ExchangeState[];
  /** null where one process alone collects. */
  replica(): ReplicaState | null;
  audit(): AuditState;
}

/** The part of GET /health that says how complete the data is, and what keeps it from being so. */
export interface CompletenessHealth {
  /** Slots by state, as of the moment that is told; null before they were counted. */
  readonly coverage: (SlotCounts & { readonly as_of: string }) | null;
  readonly quarantine: number | null;
  readonly revisions: number | null;
  readonly exchanges: readonly ExchangeState[];
  readonly replica: ReplicaState | null;
  readonly audit: AuditState;
}

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
