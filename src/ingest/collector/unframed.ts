import { APPROACHES } from './frame-request.ts';
import { isUnframedReason, UNFRAMED_REASONS, type UnframedPlace } from './unframed-reasons.ts';
import {
  countEmpty,
  isDue,
  UNWITNESSED_ASKS,
  UNWITNESSED_SPAN,
  waitMs,
  type UnsettledRange,
} from './unsettled-range.ts';

/**
 * The same range after an answer that brought nothing new and did not frame it. What longer candles or earlier answers
 * proved of it stays. At the edge of what the exchange ever told, answers count like empty ones: it may have deleted
 * what lies before, or never had it, and nobody can tell which.
 *
 * @param place null while it has no reason yet.
 */
export function afterUnframed(
  part: UnsettledRange,
  place: UnframedPlace | null,
  nowMs: number,
  confirmAfterMs: number,
): UnsettledRange {
  // Asked for along with others, before its turn.
  if (part.verdict === 'unframed' && !isDue(part, nowMs)) return part;
  const attempts = part.verdict === 'unframed' ? part.attempts + 1 : 1;
  // Each approach once before the waits grow.
  const notBefore = nowMs + waitMs('unframed', Math.max(1, attempts + 1 - APPROACHES.length));
  if (part.state !== 'missing' || (part.asks > 0 && !isUnframedReason(part.reason)))
    return { ...part, attempts, notBefore: Math.max(part.notBefore, notBefore) };
  const reason = place && UNFRAMED_REASONS[place];
  const evidence =
    place === 'edge' ? countEmpty(part, nowMs, confirmAfterMs) : { asks: 0, firstAskedAt: part.firstAskedAt ?? nowMs };
  return { ...part, ...evidence, lastAskedAt: nowMs, reason, verdict: 'unframed', attempts, notBefore };
}

/** Whether enough answers, far enough apart, told nothing of what lies before all rows. */
export function isGivenUp({ asks, firstAskedAt, reason }: UnsettledRange, nowMs: number, confirmAfterMs: number) {
  return (
    reason === UNFRAMED_REASONS.edge &&
    asks >= UNWITNESSED_ASKS &&
    nowMs - (firstAskedAt ?? nowMs) >= UNWITNESSED_SPAN * confirmAfterMs
  );
}
