import { COVERAGE_STATES } from '../../market/coverage.ts';
import type { CompletenessProbes } from './completeness-health.ts';
import type { MetricRegistry } from './metric-registry.ts';

/** The ledger, the audit and the replicas. */
export function registerLedgerMetrics(metrics: MetricRegistry, probes: CompletenessProbes): void {
  const labels = ['exchange', 'timeframe', 'metric', 'state'] as const;
  metrics.gauge('slots', 'Slots of the ledger by state, counted at most every 30 s.', labels, (set) => {
    for (const { slots, ...group } of probes.ledger().groups)
      for (const state of COVERAGE_STATES) set({ ...group, state }, slots[state]);
  });
  metrics.value('quarantine_rows', 'Rows in quarantine.', () => probes.ledger().quarantine);
  metrics.value('revisions', 'Rewritten candles in the log.', () => probes.ledger().revisions);
  metrics.value('audit_differences', 'Differences between ledger and rows that the last audit left.', () => {
    const { differences, repaired } = probes.audit();
    return differences === null ? null : differences - (repaired ?? 0);
  });
  metrics.value('audit_timestamp_seconds', 'When the last audit began.', () => {
    const { at } = probes.audit();
    return at === null ? null : Date.parse(at) / 1000;
  });
  metrics.value('replicas_alive', 'Processes that share the database.', () => probes.replica()?.alive ?? null);
  metrics.value('leases_held', 'Markets that this process collects.', () => probes.replica()?.held ?? null);
}

/** What the exchanges allow, whether they answer, and their live streams. */
export function registerExchangeMetrics(metrics: MetricRegistry, probes: CompletenessProbes): void {
  const allowance = ['exchange', 'allowance'] as const;
  for (const [name, field, help] of [
    ['budget_used', 'used', 'Spent of an allowance in its current window.'],
    ['budget_limit', 'limit', 'Allowed in a window.'],
    ['budget_window_seconds', 'window_seconds', 'How long the window of an allowance lasts.'],
  ] as const)
    metrics.gauge(name, help, allowance, (set) => {
      for (const { exchange, budgets } of probes.exchanges())
        for (const budget of budgets) set({ exchange, allowance: budget.name }, budget[field]);
    });
  metrics.gauge('exchange_blocked', 'Whether nothing may be sent, and why.', ['exchange', 'reason'], (set) => {
    for (const { exchange, block } of probes.exchanges())
      for (const reason of ['throttled', 'banned', 'refused'])
        set({ exchange, reason }, Number(block?.reason === reason));
  });
  metrics.gauge('exchange_up', 'Whether the exchange answers.', ['exchange'], (set) => {
    for (const { exchange, state } of probes.exchanges()) set({ exchange }, Number(state === 'up'));
  });
  const streams = () =>
    probes.exchanges().flatMap(({ exchange, stream }) => (stream === null ? [] : [{ exchange, ...stream }]));
  metrics.gauge('stream_live', 'Whether the live stream is up.', ['exchange'], (set) => {
    for (const { exchange, state } of streams()) set({ exchange }, Number(state === 'live'));
  });
  for (const [name, field, help] of [
    ['stream_series', 'subscribed', 'Series subscribed to.'],
    ['stream_connections', 'connections', 'Open connections.'],
  ] as const)
    metrics.gauge(name, help, ['exchange'], (set) => {
      for (const stream of streams()) set({ exchange: stream.exchange }, stream[field]);
    });
  for (const [name, field, help] of [
    ['stream_reconnects_total', 'reconnects', 'How often a connection of the live stream was made again.'],
    ['stream_candles_total', 'received', 'Closed candles that the live stream sent, also those that were let go.'],
  ] as const)
    metrics.counter(name, help, ['exchange'], (add) => {
      for (const stream of streams()) add({ exchange: stream.exchange }, stream[field]);
    });
}
