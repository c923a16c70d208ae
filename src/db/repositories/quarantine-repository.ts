import { createHash } from 'node:crypto';
import { sql, type Kysely, type Selectable } from 'kysely';
import type { QuarantineEntry, QuarantineSource } from '../../market/commit-entry.ts';
import type { CoverageMetric } from '../../market/coverage.ts';
import { toIso } from '../../market/moments.ts';
import { ADVISORY_LOCKS } from '../advisory-locks.ts';
import type { Database, QuarantineTable } from '../schema.ts';
import { inTransaction } from './coverage-rows.ts';

/** More than these are not kept: those that were seen last longest ago go first. */
export const QUARANTINE_ROWS = 10_000;
/** Of a row's text no more characters are kept. */
const RAW_CHARACTERS = 2000;

export interface QuarantinedRow extends QuarantineEntry {
  /** Ascends in the order in which rows were first seen. */
  readonly id: string;
  /** How often the same row came. */
  readonly seen: number;
  /** Epoch ms by the database's clock. */
  readonly firstSeenAt: number;
  readonly lastSeenAt: number;
}

export type QuarantineFilter = Partial<
  Pick<QuarantineEntry, 'exchange' | 'symbol' | 'timeframe' | 'metric' | 'source'>
>;

/** quarantine: what was refused, why, and what it looked like. */
export class QuarantineRepository {
  readonly #kysely: Kysely<Database>;

  constructor({ kysely }: { readonly kysely: Kysely<Database> }) {
    this.#kysely = kysely;
  }

  /**
   * Keeps rows; one that is there already with the same reason is counted once more. Then the oldest beyond 10,000 go
   * (writers that add at the same moment may leave a few more, until the next row comes).
   */
  async add(entries: readonly QuarantineEntry[]): Promise<void> {
    if (entries.length === 0) return;
    const rows = countRepetitions(entries).slice(-QUARANTINE_ROWS);
    await inTransaction(this.#kysely, async (transaction) => {
      await insertRows(transaction, rows);
      await prune(transaction);
    });
  }

  /** Newest first; those with an id before `before`, as the last row of the page before has it. */
  async list(options: {
    readonly filter?: QuarantineFilter | undefined;
    readonly limit: number;
    readonly before?: string | undefined;
  }): Promise<QuarantinedRow[]> {
    let query = this.#select(options.filter).selectAll().orderBy('id', 'desc').limit(options.limit);
    if (options.before !== undefined) query = query.where('id', '<', options.before);
    return (await query.execute()).map(fromRow);
  }

  /** How many rows are kept. */
  async count(filter: QuarantineFilter = {}): Promise<number> {
    const { count } = await this.#select(filter)
      .select(({ fn }) => fn.countAll<string>().as('count'))
      .executeTakeFirstOrThrow();
    return Number(count);
  }

  #select(filter: QuarantineFilter = {}) {
    let query = this.#kysely.selectFrom('quarantine');
    for (const column of ['exchange', 'symbol', 'timeframe', 'metric', 'source'] as const) {
      const value = filter[column];
      if (value !== undefined) query = query.where(column, 'is not distinct from', value);
    }
    return query;
  }
}

interface CountedEntry extends QuarantineEntry {
  readonly digest: string;
  readonly seen: number;
}

/**
 * Each different row once, as it can be stored, in the order of key and digest: two that add the same rows never wait for
 * each other in a circle.
 */
function countRepetitions(entries: readonly QuarantineEntry[]): CountedEntry[] {
  const counted = new Map<string, CountedEntry>();
  for (const entry of entries) {
    const digest = createHash('sha256').update(`${entry.reason}\0${entry.raw}`).digest('hex');
    const key = [entry.exchange, entry.symbol, entry.timeframe ?? '', entry.metric, digest].join('\0');
    const seen = 1 + (counted.get(key)?.seen ?? 0);
    counted.set(key, {
      ...entry,
      claimedAt: isStorable(entry.claimedAt) ? entry.claimedAt : null,
      reason: toStorable(entry.reason),
      raw: toStorable(entry.raw),
      digest,
      seen,
    });
  }
  return [...counted].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
}

/** PostgreSQL stores no NUL in a text. */
function toStorable(text: string): string {
  return text.slice(0, RAW_CHARACTERS).replaceAll('\0', '\u{fffd}');
}

/** A row may claim any time; beyond the years 0 to 9999 PostgreSQL does not read it as ISO text. */
function isStorable(timeMs: number | null): boolean {
  return timeMs !== null && Number.isFinite(timeMs) && timeMs > -62_135_596_800_000 && timeMs < 253_402_300_800_000;
}

async function insertRows(transaction: Kysely<Database>, rows: readonly CountedEntry[]): Promise<void> {
  const texts = (read: (row: CountedEntry) => string | null) => rows.map(read);
  await sql`
    insert into quarantine as target (exchange, symbol, timeframe, metric, claimed_at, reason, raw, source, digest, seen)
    select * from unnest(
      ${texts((row) => row.exchange)}::text[], ${texts((row) => row.symbol)}::text[],
      ${texts((row) => row.timeframe)}::text[], ${texts((row) => row.metric)}::text[],
      ${texts((row) => toIso(row.claimedAt))}::timestamptz[], ${texts((row) => row.reason)}::text[],
      ${texts((row) => row.raw)}::text[], ${texts((row) => row.source)}::text[],
      ${texts((row) => row.digest)}::text[], ${rows.map((row) => row.seen)}::int[])
    on conflict (exchange, symbol, timeframe, metric, digest) do update set
      seen = target.seen + excluded.seen, last_seen_at = excluded.last_seen_at, source = excluded.source`.execute(
    transaction,
  );
}

/** Whoever finds another at it leaves it to the next row: two at once would take twice as many. */
async function prune(transaction: Kysely<Database>): Promise<void> {
  const { classId, objectId } = ADVISORY_LOCKS.pruneQuarantine;
  const { rows } = await sql<{
    mine: boolean;
  }>`select pg_try_advisory_xact_lock(${classId}, ${objectId}) as mine`.execute(transaction);
  if (rows[0]?.mine !== true) return;
  await sql`
    delete from quarantine where id in (
      select id from quarantine order by last_seen_at, id
      limit (select greatest(count(*) - ${QUARANTINE_ROWS}, 0) from quarantine)
    )`.execute(transaction);
}

function fromRow(row: Selectable<QuarantineTable>): QuarantinedRow {
  return {
    id: row.id,
    exchange: row.exchange,
    symbol: row.symbol,
    timeframe: row.timeframe,
    metric: row.metric as CoverageMetric,
    claimedAt: row.claimed_at?.getTime() ?? null,
    reason: row.reason,
    raw: row.raw,
    source: row.source as QuarantineSource,
    seen: row.seen,
    firstSeenAt: row.first_seen_at.getTime(),
    lastSeenAt: row.last_seen_at.getTime(),
  };
}
