import { END_OF_TIME_MS } from '../../market/moments.ts';
import type { TimeRange } from '../../market/time-range.ts';
import { RequestError } from '../protocol/errors.ts';

/**
 * The half-open range of a query in which both ends may be open; null where both are.
 *
 * @throws RequestError where it would be empty.
 */
export function toRange({
  since,
  until,
}: {
  since?: number | undefined;
  until?: number | undefined;
}): TimeRange | null {
  if (since === undefined && until === undefined) return null;
  const range = { since: since ?? 0, until: until ?? END_OF_TIME_MS };
  if (range.since < range.until) return range;
  throw new RequestError('REQUEST_INVALID', 'The range [since, until) is empty.', {
    errors: [{ field: 'since', message: 'must lie before until' }],
  });
}

/** What rows are wanted: a range, or (without `since`) the newest ones before `until`. */
export type Window = { readonly since: null; readonly until: number } | TimeRange;

/**
 * Reads the half-open window [since, until); `until` is now by default.
 *
 * @throws RequestError where it would be empty.
 */
export function toWindow(query: { since?: number | undefined; until?: number | undefined }, nowMs: number): Window {
  const until = query.until ?? nowMs;
  const since = query.since ?? null;
  if (since !== null && since >= until) {
    const end = query.until === undefined ? 'until, which is now where it is not given' : 'until';
    throw new RequestError('REQUEST_INVALID', 'The window [since, until) is empty.', {
      errors: [{ field: 'since', message: `must lie before ${end}` }],
    });
  }
  return since === null ? { since, until } : { since, until };
}
