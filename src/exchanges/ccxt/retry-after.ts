import { SECOND_MS } from '../../market/moments.ts';

/** Our picture of the exchange's clock is off by less than this: who asks a moment too early is banned for longer. */
const CLOCK_MARGIN_MS = 1_000;

/**
 * How long a Retry-After header asks to wait, in milliseconds: it holds seconds or a date. Null where it holds neither.
 *
 * @param nowMs the exchange's clock, which wrote the date.
 */
export function parseRetryAfterMs(header: string | null, nowMs: number): number | null {
  const text = header?.trim() ?? '';
  if (/^\d+(\.\d+)?$/.test(text)) return Math.ceil(Number(text) * SECOND_MS);
  const date = /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? null : Math.max(0, date + CLOCK_MARGIN_MS - nowMs);
}

/** How long the ban lasts that a 418's text names (`IP banned until 1519726649240`), by the exchange's clock; or null. */
export function parseBanMs(body: string, nowMs: number): number | null {
  const match = /banned until (\d{13})\b/i.exec(body);
  return match ? Math.max(0, Number(match[1]) + CLOCK_MARGIN_MS - nowMs) : null;
}
