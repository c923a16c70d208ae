import { sqlStateOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { retry } from '../../retry.ts';
import { listBlockers } from './blockers.ts';
import type { MigrationSession } from './migration-session.ts';

const LOCK_NOT_AVAILABLE = '55P03';
const DEADLOCK_DETECTED = '40P01';

export interface LockRetry {
  /** The revision or step, for the log. */
  readonly subject: string;
  /** After this moment (epoch ms) a lock that is still held is the operation's error. */
  readonly deadline: number;
  readonly signal?: AbortSignal | undefined;
  readonly logger: Logger;
}

/**
 * Runs DDL that gives up a lock that it cannot have within the session's lock_timeout, and runs it again after a wait in
 * which everyone else gets through, naming who holds the lock. `operation` must be safe to repeat.
 *
 * @throws the last error of `operation`, or the signal's reason.
 */
export async function withLockRetries<T>(
  session: MigrationSession,
  { subject, deadline, signal, logger }: LockRetry,
  operation: () => Promise<T>,
): Promise<T> {
  return await retry(operation, {
    firstMs: 200,
    maxMs: 5_000,
    deadline,
    ...(signal ? { signal } : {}),
    isRetryable: (error) => [LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED].includes(sqlStateOf(error) ?? ''),
    onRetry: (_error, attempt, waitMs) => {
      void listBlockers(session).then(
        (blockers) => logger.warn({ subject, attempt, waitMs, blockers }, 'a lock that others hold is waited for'),
        () => undefined,
      );
    },
  });
}
