import { sql, type Kysely, type Selectable } from 'kysely';
import type { CoverageKey, CoverageRange, CoverageState } from '../../market/coverage.ts';
import { toIso } from '../../market/moments.ts';
import type { TimeRange } from '../../market/time-range.ts';
import { parseTimeframe, timeframeMs } from '../../market/timeframe.ts';
import { COVERAGE_LOCK_CLASS } from '../advisory-locks.ts';
import type { CoverageTable, Database } from '../schema.ts';
import { isSameCoverage, overlayCoverage } from './overlay-coverage.ts';

const RANGE_COLUMNS = ['since', 'until', 'state', 'asks', 'first_asked_at', 'last_asked_at', 'reason'] as const;

/** The columns of a range, with the names that CoverageRange's fields have in the table. */
export type CoverageRow = Pick<Selectable<CoverageTable>, (typeof RANGE_COLUMNS)[number]>;

/** A stored range. */
export function fromCoverageRow(row: CoverageRow): CoverageRange {
  return {
    since: row.since.getTime(),
    until: row.until.getTime(),
    state: row.state as CoverageState,
    asks: row.asks,
    firstAskedAt: row.first_asked_at?.getTime() ?? null,
    lastAskedAt: row.last_asked_at?.getTime() ?? null,
    reason: row.reason,
  };
}

/** Runs `fn` in a transaction: the one that `kysely` already is, or one of its own. */
export async function inTransaction<T>(
  kysely: Kysely<Database>,
  fn: (transaction: Kysely<Database>) => Promise<T>,
): Promise<T> {
  return kysely.isTransaction ? await fn(kysely) : await kysely.transaction().execute(fn);
}

/**
 * Waits until no other transaction changes the ledger of these keys, and keeps it so until this one ends. Two that take
 * all their keys in one call never wait for each other in a circle. Rows first, then the ledger: who holds such a lock
 * and then waits for a row may wait for somebody who has the row and waits for the lock.
 */
export async function lockCoverage(transaction: Kysely<Database>, keys: readonly CoverageKey[]): Promise<void> {
  const hashes = [...new Set(keys.map((key) => hashText(coverageKeyText(key))))].sort((a, b) => a - b);
  await sql`select pg_advisory_xact_lock(${COVERAGE_LOCK_CLASS}, hash) from unnest(${hashes}::int[]) as hashes (hash)`.execute(
    transaction,
  );
}

/** A text that no other key has. */
export function coverageKeyText({ exchange, symbol, timeframe, metric }: CoverageKey): string {
  return JSON.stringify([exchange, symbol, timeframe, metric]);
}

/** FNV-1a over UTF-16 units, as a signed 32-bit number. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash | 0;
}

/**
 * The stored ranges that overlap or touch the window, whole, oldest first. Reads no more than these and the one before,
 * however many the key has.
 */
export async function readTouching(
  kysely: Kysely<Database>,
  key: CoverageKey,
  window: TimeRange,
): Promise<CoverageRange[]> {
  const rows = await kysely
    .selectFrom('coverage')
    .select(RANGE_COLUMNS)
    .where(ofKey(key))
    .where('since', '<=', new Date(window.until))
    .where(sinceTheOneBefore(key, window.since))
    .orderBy('since')
    .execute();
  return rows.map(fromCoverageRow).filter((range) => range.until >= window.since);
}

/** That a range of the key begins no earlier than the last one before `since`, which is the first that may reach it. */
export function sinceTheOneBefore(key: CoverageKey, since: number) {
  const moment = new Date(since);
  return sql<boolean>`since >= coalesce((
    select since from coverage where ${ofKey(key)} and since < ${moment} order by since desc limit 1), ${moment})`;
}

/**
 * The stored ranges of the key that are missing and overlap the window, whole, oldest first: those in an index of their
 * own.
 */
export async function readMissing(
  kysely: Kysely<Database>,
  key: CoverageKey,
  window: TimeRange,
): Promise<CoverageRange[]> {
  const rows = await kysely
    .selectFrom('coverage')
    .select(RANGE_COLUMNS)
    .where(ofKey(key))
    .where('state', '=', sql.lit('missing'))
    .where('since', '<', new Date(window.until))
    .where('until', '>', new Date(window.since))
    .orderBy('since')
    .execute();
  return rows.map(fromCoverageRow);
}

/** The opening times of the newest stored slot before `range` and of the oldest one behind it; null where there is none. */
export async function findFrame(
  kysely: Kysely<Database>,
  key: CoverageKey,
  { since, until }: TimeRange,
): Promise<{ readonly before: number | null; readonly after: number | null }> {
  const stepMs = timeframeMs(parseTimeframe(key.timeframe));
  const stored = kysely.selectFrom('coverage').where(ofKey(key)).where('state', '=', sql.lit('have'));
  const [before, after] = await Promise.all([
    stored.select('until').where('since', '<', new Date(since)).orderBy('since', 'desc').limit(1).executeTakeFirst(),
    stored.select('since').where('since', '>=', new Date(until)).orderBy('since').limit(1).executeTakeFirst(),
  ]);
  // A range that goes on past the start holds the slot before it.
  return {
    before: before ? Math.min(before.until.getTime(), since) - stepMs : null,
    after: after?.since.getTime() ?? null,
  };
}

/** All stored ranges of the key, oldest first. */
export async function readAll(kysely: Kysely<Database>, key: CoverageKey): Promise<CoverageRange[]> {
  const rows = await kysely.selectFrom('coverage').select(RANGE_COLUMNS).where(ofKey(key)).orderBy('since').execute();
  return rows.map(fromCoverageRow);
}

/**
 * Lays `changes` over what is stored of the key, see `overlayCoverage`; none is empty. In the transaction that has its
 * lock.
 */
export async function recordRanges(
  transaction: Kysely<Database>,
  key: CoverageKey,
  changes: readonly CoverageRange[],
): Promise<void> {
  const since = changes.reduce((least, change) => Math.min(least, change.since), Infinity);
  const until = changes.reduce((most, change) => Math.max(most, change.until), -Infinity);
  const stored = await readTouching(transaction, key, { since, until });
  await replaceRanges(transaction, key, stored, overlayCoverage(stored, changes));
}

/** Replaces the stored ranges of the key by others, writing what differs only. In the transaction that has its lock. */
async function replaceRanges(
  transaction: Kysely<Database>,
  key: CoverageKey,
  stored: readonly CoverageRange[],
  ranges: readonly CoverageRange[],
): Promise<void> {
  const before = new Map(stored.map((range) => [range.since, range]));
  const after = new Set(ranges.map(({ since }) => since));
  const removed = stored.filter(({ since }) => !after.has(since));
  const written = ranges.filter((range) => {
    const same = before.get(range.since);
    return !same || !isSameCoverage(same, range);
  });
  if (removed.length === 0 && written.length === 0) return;
  const { exchange, symbol, timeframe, metric } = key;
  // What is removed and what is written begin at different times, so the order of the two does not matter.
  await sql`
    with removed as (
      delete from coverage
      where ${ofKey(key)} and since = any (${removed.map(({ since }) => toIso(since))}::timestamptz[])
    )
    insert into coverage (exchange, symbol, timeframe, metric, ${sql.join(RANGE_COLUMNS.map((column) => sql.ref(column)))})
    select ${exchange}, ${symbol}, ${timeframe}, ${metric}, * from unnest(
      ${written.map(({ since }) => toIso(since))}::timestamptz[], ${written.map(({ until }) => toIso(until))}::timestamptz[],
      ${written.map(({ state }) => state)}::text[], ${written.map(({ asks }) => asks)}::int[],
      ${written.map(({ firstAskedAt }) => toIso(firstAskedAt))}::timestamptz[],
      ${written.map(({ lastAskedAt }) => toIso(lastAskedAt))}::timestamptz[],
      ${written.map(({ reason }) => reason)}::text[])
    on conflict (exchange, symbol, timeframe, metric, since) do update set
      until = excluded.until, state = excluded.state, asks = excluded.asks, first_asked_at = excluded.first_asked_at,
      last_asked_at = excluded.last_asked_at, reason = excluded.reason`.execute(transaction);
}

function ofKey({ exchange, symbol, timeframe, metric }: CoverageKey) {
  return sql<boolean>`exchange = ${exchange} and symbol = ${symbol} and timeframe = ${timeframe} and metric = ${metric}`;
}
