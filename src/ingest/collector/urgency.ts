import type { RequestKind } from '../../exchanges/exchange.ts';

/**
 * What goes first, across everything that one exchange is asked for; lower goes first. A live candle is of use now;
 * what the exchange deletes soon is lost when it waits; a hole in stored data spoils what people compute from it; a
 * candle that is read again seldom differs; history has time.
 */
export const URGENCY = { tail: 0, feedTail: 1, expiring: 2, gap: 3, reread: 4, history: 5 } as const;
export type Urgency = (typeof URGENCY)[keyof typeof URGENCY];

/** What a collector wants, and not before which moment of the exchange's clock. */
export interface NextStep {
  readonly urgency: Urgency;
  /** Infinity where only the end of a step under way can tell. */
  readonly at: number;
  /** The allowance that it falls on; null: the database alone is asked. */
  readonly kind: RequestKind | null;
  /** Whether it is the live tail, for which a part of each allowance is kept back. */
  readonly isTail: boolean;
  /** When the exchange deletes what is wanted; Infinity where it does not. */
  readonly deletedAt: number;
}

/** Negative where `a` goes first: by urgency, then whatever is deleted first, then whoever waited longest. */
export function compareSteps(
  a: { readonly next: NextStep; readonly servedAt: number },
  b: { readonly next: NextStep; readonly servedAt: number },
): number {
  if (a.next.urgency !== b.next.urgency) return a.next.urgency - b.next.urgency;
  if (a.next.deletedAt !== b.next.deletedAt) return a.next.deletedAt < b.next.deletedAt ? -1 : 1;
  return a.servedAt - b.servedAt;
}
