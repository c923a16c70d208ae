// Those of src/market/moments.ts once more: the browser is sent the files of this folder alone.
const SECOND_MS = 1_000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

const UNIT_MS: Readonly<Record<string, number>> = {
  s: SECOND_MS,
  m: MINUTE_MS,
  h: HOUR_MS,
  d: DAY_MS,
  w: 7 * DAY_MS,
  // About: where it matters, months are counted by the calendar.
  M: 30 * DAY_MS,
};

/** ISO 8601 in UTC with milliseconds. */
export function toIso(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

/** The length of a timeframe such as `15m` in milliseconds (a month counts 30 days); 0 for a text that is none. */
export function timeframeLength(timeframe: string): number {
  const [, count = '', unit = ''] = /^(\d+)([smhdwM])$/.exec(timeframe) ?? [];
  return Number(count) * (UNIT_MS[unit] ?? 0);
}

/** The opening time that follows `openMs`; months are those of the calendar. */
export function nextOpening(openMs: number, timeframe: string): number {
  if (!timeframe.endsWith('M')) return openMs + timeframeLength(timeframe);
  const date = new Date(openMs);
  return date.setUTCMonth(date.getUTCMonth() + Number.parseInt(timeframe, 10));
}

/**
 * How long a series has been waiting for a candle that is closed: 0 where its newest stored candle (opened at `lastMs`)
 * is the newest that can be.
 */
export function lagOf(lastMs: number, timeframe: string, nowMs: number): number {
  return Math.max(0, nowMs - nextOpening(nextOpening(lastMs, timeframe), timeframe));
}

/** `2026-01-31 08:00` in UTC, with seconds where `seconds` is set. */
export function formatMoment(moment: string | number, { seconds = false } = {}): string {
  return new Date(moment)
    .toISOString()
    .slice(0, seconds ? 19 : 16)
    .replace('T', ' ');
}

/** From `since` to the last moment before `until`: the day is told once where both are in it. */
export function formatRange(since: string | number, until: string | number): string {
  const from = formatMoment(since);
  const to = formatMoment(until);
  return `${from} – ${to.slice(0, 10) === from.slice(0, 10) ? to.slice(11) : to}`;
}

/** The two largest units of a duration, such as `2 h 5 min`; `0 s` for less than a second. */
export function formatDuration(ms: number): string {
  let left = Math.max(0, Math.floor(ms / 1000));
  const parts: string[] = [];
  for (const [unit, length] of [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ] as const) {
    const count = Math.floor(left / length);
    left -= count * length;
    if (count > 0) parts.push(`${count} ${unit}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join(' ') || '0 s';
}
