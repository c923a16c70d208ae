import type { CoverageRange } from '../../market/coverage.ts';

/**
 * What the ledger says of slots that were asked for and that no rows of the answer framed. `quiet_tail` is also what
 * people see of a market that trades seldom: nothing is wrong with it.
 */
export const UNFRAMED_REASONS = {
  tail: 'quiet_tail',
  inside: 'no answer has rows on both sides of it',
  edge: 'the exchange tells of nothing before the first row that it told of',
} as const;
export type UnframedPlace = keyof typeof UNFRAMED_REASONS;

/** Whether the ledger has a range so for want of rows around it. */
export function isUnframedReason(reason: string | null): boolean {
  return Object.values(UNFRAMED_REASONS).some((known) => known === reason);
}

/** Whether it lies behind the newest row of a market that trades seldom: the next trade will tell. */
export function isQuietTail({ state, reason }: CoverageRange): boolean {
  return state === 'missing' && reason === UNFRAMED_REASONS.tail;
}
