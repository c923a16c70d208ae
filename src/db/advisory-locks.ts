/**
 * Every advisory lock that candlekeep takes, so that no two purposes share a key. Advisory locks belong to one
 * database and are told apart by two 32-bit numbers: ours and the purpose's.
 */
const CANDLEKEEP = 0x63616e64; // "cand"

export interface AdvisoryLock {
  readonly classId: number;
  readonly objectId: number;
}

function createLock(objectId: number): AdvisoryLock {
  return { classId: CANDLEKEEP, objectId };
}

export const ADVISORY_LOCKS = {
  /** Held by the one process that changes the schema. */
  migration: createLock(1),
  /** Held while recent_ohlcv is being refreshed. */
  refreshRecentOhlcv: createLock(2),
  /** Held by the transaction that takes the oldest rows out of quarantine. */
  pruneQuarantine: createLock(3),
} as const;

/**
 * Class of the locks on one key of the coverage ledger, held by the transaction that changes it: objects are hashes of
 * keys. Two keys with one hash wait for each other needlessly, which does no harm.
 */
export const COVERAGE_LOCK_CLASS = 0x636f7672; // "covr"
