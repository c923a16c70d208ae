import { groupDeferred } from '../../src/db/migrator/schema-status.ts';
import type { HealthDocument } from '../../src/http/health/health-schema.ts';
import type { SeriesObject } from '../../src/http/routes/series.ts';

/** Whether a JSON object is the answer of GET /health: something else may listen at that port. */
export function isHealthDocument(body: Readonly<Record<string, unknown>>): body is HealthDocument & typeof body {
  const objects = ['components', 'ingest', 'recent_ohlcv'];
  return (
    typeof body['status'] === 'string' &&
    typeof body['phase'] === 'string' &&
    typeof body['uptime_seconds'] === 'number' &&
    Array.isArray(body['reasons']) &&
    typeof body['schema'] === 'object' &&
    objects.every((name) => typeof body[name] === 'object' && body[name] !== null)
  );
}

/** The health of the service at `url` in a few lines for a person. */
export function reportHealth(health: HealthDocument, url: string): string {
  const { components, ingest, recent_ohlcv: recent } = health;
  const detail = health.phase_detail === null ? '' : ` (${health.phase_detail})`;
  const lag = ingest.max_lag_seconds === null ? '' : `, at most ${formatDuration(ingest.max_lag_seconds)} behind`;
  const refresh =
    recent.refreshed_at === null
      ? 'not refreshed yet'
      : `${recent.rows ?? 0} rows, refreshed at ${recent.refreshed_at} in ${recent.duration_ms ?? 0} ms`;
  return [
    `candlekeep ${health.version} at ${url} is ${health.status}`,
    `  phase         ${health.phase}${detail}, up for ${formatDuration(health.uptime_seconds)}`,
    `  database      ${components.database}`,
    ...reportSchema(health.schema),
    `  scheduler     ${components.scheduler}`,
    `  ingest        ${components.ingest}: ${ingest.complete} of ${ingest.series} series complete, ${ingest.behind} behind${lag}`,
    ...(ingest.last_error === null ? [] : [`                last error: ${ingest.last_error}`]),
    `  recent_ohlcv  ${refresh}`,
    ...reportCompleteness(health),
    ...health.reasons.map((reason) => `  ! ${reason}`),
  ].join('\n');
}

function reportCompleteness({ coverage, quarantine, revisions, exchanges, replica, audit }: HealthDocument): string[] {
  const lines: string[] = [];
  if (coverage) {
    const { have, missing, confirmed_empty, refused, out_of_window, as_of } = coverage;
    lines.push(
      `  coverage      ${have} slots stored, ${missing} missing, ${confirmed_empty} confirmed empty, ${refused} refused, ${out_of_window} out of window`,
      `                rows in quarantine: ${quarantine ?? 0}, candles rewritten: ${revisions ?? 0}, counted at ${as_of}`,
    );
  }
  for (const { exchange, state, block, budgets, stream } of exchanges) {
    const counters = budgets.map(
      ({ name, used, limit, window_seconds }) => `${name} ${used} of ${limit} per ${window_seconds} s`,
    );
    const parts = [state, ...counters];
    if (stream) parts.push(`stream ${stream.state} with ${stream.subscribed} series`);
    if (block) parts.push(`${block.reason} until ${block.until ?? 'somebody acts'}`);
    lines.push(`  exchange      ${exchange}: ${parts.join(', ')}`);
  }
  if (replica !== null && replica.alive !== null)
    lines.push(`  replica       one of ${replica.alive}, collects ${replica.held} of ${replica.markets} markets`);
  if (audit.at !== null)
    lines.push(
      `  audit         at ${audit.at}: ${audit.differences ?? 0} differences, ${audit.repaired ?? 0} put right, ${audit.deviations ?? 0} values that contradict each other`,
    );
  return lines;
}

function reportSchema(schema: HealthDocument['schema']): string[] {
  if (schema === null) return ['  schema        not known yet'];
  const { version, head, pending, unknown, deferred, timescaledb } = schema;
  const place =
    unknown.length > 0
      ? `newer than this build (${head})`
      : pending.length > 0
        ? `${pending.length} revisions behind ${head}`
        : 'at head';
  return [
    `  schema        ${version ?? 'none'}, ${place}, ${timescaledb === null ? 'plain PostgreSQL' : `TimescaleDB ${timescaledb}`}`,
    ...groupDeferred(deferred).map(
      ({ steps, reason, remedy }) => `                deferred: ${steps.join(', ')}: ${reason}; remedy: ${remedy}`,
    ),
  ];
}

/** The series as a table, with the error of each that has one below it. */
export function reportSeries(series: readonly SeriesObject[]): string {
  if (series.length === 0) return 'No series is stored or collected yet.';
  const header = ['exchange', 'symbol', 'timeframe', 'state', 'missing', 'oldest', 'newest'];
  const rows = series.map((entry) => [
    entry.exchange,
    entry.symbol,
    entry.timeframe,
    entry.state,
    entry.missing === null ? '' : String(entry.missing),
    formatMoment(entry.first),
    formatMoment(entry.last),
  ]);
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const lines = [header, ...rows].map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const errors = series.flatMap(({ exchange, symbol, timeframe, last_error }) =>
    last_error === null ? [] : [`! ${exchange} ${symbol} ${timeframe}: ${last_error}`],
  );
  return [...lines, ...errors].join('\n');
}

/** `2026-01-31 08:00`, in UTC; empty for null. */
function formatMoment(iso: string | null): string {
  return iso === null ? '' : iso.slice(0, 16).replace('T', ' ');
}

/** The two largest units of a duration, such as `2 h 5 min`. */
export function formatDuration(seconds: number): string {
  const units = [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ] as const;
  let left = Math.max(0, Math.floor(seconds));
  const parts: string[] = [];
  for (const [unit, length] of units) {
    const count = Math.floor(left / length);
    left -= count * length;
    if (count > 0) parts.push(`${count} ${unit}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.length === 0 ? '0 s' : parts.join(' ');
}
