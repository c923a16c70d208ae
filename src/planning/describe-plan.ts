import type { BackfillPlan } from '../market/backfill-plan.ts';

/** The plan for a person: one line for each timeframe and feed, one for each allowance, and what all of it costs. */
export function describePlan(plan: BackfillPlan): string {
  const lines = [`Backfill of ${formatDay(plan.since)} to ${formatDay(plan.until)} (UTC), what is not stored yet:`, ''];
  for (const exchange of plan.exchanges) {
    lines.push(exchange.exchange);
    if (exchange.lines.length === 0) lines.push('  nothing is missing');
    for (const { metric, timeframe, series, slots, requests } of exchange.lines) {
      const name = metric === 'ohlcv' ? `candles ${timeframe}` : metric;
      lines.push(
        `  ${name.padEnd(22)} ${count(series)} series, ${count(slots)} ${metric === 'ohlcv' ? 'candles' : 'values'}, ${count(requests)} requests`,
      );
    }
    for (const { name, weight, limit, window_seconds, minutes } of exchange.allowances)
      lines.push(
        `  allowance ${name.padEnd(12)} ${count(weight)} of ${count(limit)} per ${window_seconds} s: ${formatMinutes(minutes)}`,
      );
    if (exchange.minutes === null) lines.push('  how long its allowance lasts is not known: the requests are paced');
  }
  const { requests, minutes, rows, bytes } = plan.total;
  const time = minutes === null ? '' : `, ${formatMinutes(minutes)}`;
  if (plan.exchanges.length === 0 && plan.left_out.length > 0) {
    lines.push('What it costs is not known: nothing could be planned.');
    return [...lines, ...plan.left_out.map((reason) => `! ${reason}`)].join('\n');
  }
  lines.push('', `At most ${count(requests)} requests${time}, ${count(rows)} rows, ${formatBytes(bytes)}.`);
  if (plan.left_out.length > 0) lines.push('What was left out (below) is not in it: what that costs is not known.');
  if (requests > 0) lines.push('Markets listed later than the first day cost less.');
  return [...lines, ...plan.left_out.map((reason) => `! ${reason}`)].join('\n');
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

function formatDay(iso: string): string {
  return iso.slice(0, 10);
}

function formatMinutes(minutes: number): string {
  if (minutes === 0) return 'no time';
  if (minutes < 1) return 'less than a minute';
  if (minutes < 120) return `about ${Math.round(minutes)} min`;
  return minutes < 2880 ? `about ${(minutes / 60).toFixed(1)} h` : `about ${(minutes / 1440).toFixed(1)} days`;
}

function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  while (value >= 1000 && units.length > 1) {
    value /= 1000;
    units.shift();
  }
  return `${value < 10 && value % 1 !== 0 ? value.toFixed(1) : Math.round(value)} ${units[0] ?? 'TB'}`;
}
