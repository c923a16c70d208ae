import { sql, type Kysely } from 'kysely';
import { AppError } from '../../errors.ts';
import { COVERAGE_STATES, type CoverageKey, type CoverageRange, type CoverageState } from '../../market/coverage.ts';
import type { TimeRange } from '../../market/time-range.ts';
import { parseTimeframe, timeframeMs } from '../../market/timeframe.ts';
import type { Database } from '../schema.ts';
import { fromCoverageRow, sinceTheOneBefore, type CoverageRow } from './coverage-rows.ts';
import { clipCoverage } from './overlay-coverage.ts';

/** What the ledger says of one key in all. */
export interface CoverageSummary {
  readonly key: CoverageKey;
  /** Epoch milliseconds of the first and the last moment that the ledger speaks of. */
  readonly since: number;
  readonly until: number;
  readonly ranges: number;
  /** Slots of the key's timeframe by state. */
  readonly slots: Readonly<Record<CoverageState, number>>;
}

export interface CoverageFilter extends Partial<CoverageKey> {
  readonly states?: readonly CoverageState[] | undefined;
  readonly range?: TimeRange | undefined;
}

export type StoredCoverage = CoverageKey & CoverageRange;

export interface CoveragePage {
  readonly ranges: readonly StoredCoverage[];
  readonly next: string | null;
}

const KEY_COLUMNS = ['exchange', 'symbol', 'timeframe', 'metric'] as const;

/** One row per key and state; keys whose timeframe is none of ours are left out. */
export async function summarizeCoverage(
  kysely: Kysely<Database>,
  filter: Partial<CoverageKey>,
): Promise<CoverageSummary[]> {
  const { rows } = await sql<
    CoverageKey & { state: CoverageState; since: Date; until: Date; ranges: number; ms: string }
  >`
    select exchange, symbol, timeframe, metric, state, min(since) as since, max(until) as until, count(*)::int as ranges,
      (sum(extract(epoch from until - since)) * 1000)::bigint as ms
    from coverage where ${matching(filter)}
    group by exchange, symbol, timeframe, metric, state
    order by exchange, symbol, timeframe, metric`.execute(kysely);
  const summaries: CoverageSummary[] = [];
  for (const { state, since, until, ranges, ms, ...key } of rows) {
    const slotMs = lengthOf(key.timeframe);
    if (slotMs === null) continue;
    const last = summaries.at(-1);
    const same = last && KEY_COLUMNS.every((column) => last.key[column] === key[column]) ? last : null;
    if (same) summaries.pop();
    summaries.push({
      key,
      since: Math.min(since.getTime(), same?.since ?? Infinity),
      until: Math.max(until.getTime(), same?.until ?? -Infinity),
      ranges: ranges + (same?.ranges ?? 0),
      slots: { ...(same?.slots ?? NO_SLOTS), [state]: Math.ceil(Number(ms) / slotMs) },
    });
  }
  return summaries;
}

const NO_SLOTS = Object.fromEntries(COVERAGE_STATES.map((state) => [state, 0])) as Record<CoverageState, number>;

function lengthOf(timeframe: string): number | null {
  try {
    return timeframeMs(parseTimeframe(timeframe));
  } catch {
    return null;
  }
}

/** @throws AppError `CURSOR_INVALID`. */
export async function listCoverageRanges(
  kysely: Kysely<Database>,
  { states, range, ...key }: CoverageFilter,
  { limit, after }: { readonly limit: number; readonly after?: string | undefined },
): Promise<CoveragePage> {
  const conditions = [matching(key)];
  // A list that holds one state lets the planner use the index of what is missing.
  if (states) conditions.push(sql`state = any (${[...states]}::text[])`);
  if (range) conditions.push(sql`until > ${new Date(range.since)} and since < ${new Date(range.until)}`);
  // Otherwise all ranges of the key up to there would be read.
  if (range && isWhole(key)) conditions.push(sinceTheOneBefore(key, range.since));
  if (after !== undefined) {
    const [exchange, symbol, timeframe, metric, since] = readCursor(after);
    conditions.push(
      sql`(exchange, symbol, timeframe, metric, since) > (${exchange}, ${symbol}, ${timeframe}, ${metric}, ${since}::timestamptz)`,
    );
  }
  const { rows } = await sql<CoverageKey & CoverageRow>`
    select * from coverage where ${sql.join(conditions, sql` and `)}
    order by exchange, symbol, timeframe, metric, since limit ${limit + 1}`.execute(kysely);
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return {
    ranges: page.flatMap((row) => {
      const { exchange, symbol, timeframe, metric } = row;
      const stored = fromCoverageRow(row);
      const part = range ? clipCoverage(stored, range) : stored;
      return part ? [{ exchange, symbol, timeframe, metric, ...part }] : [];
    }),
    next: last && rows.length > limit ? writeCursor(last) : null,
  };
}

function isWhole(key: Partial<CoverageKey>): key is CoverageKey {
  return KEY_COLUMNS.every((column) => key[column] !== undefined);
}

function matching(key: Partial<CoverageKey>) {
  const given = KEY_COLUMNS.filter((column) => key[column] !== undefined);
  return sql.join([sql`true`, ...given.map((column) => sql`${sql.ref(column)} = ${key[column]}`)], sql` and `);
}

function writeCursor({ exchange, symbol, timeframe, metric, since }: CoverageKey & CoverageRow): string {
  const place = [exchange, symbol, timeframe, metric, since.toISOString()];
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

function readCursor(text: string): readonly string[] {
  try {
    const place: unknown = JSON.parse(Buffer.from(text, 'base64url').toString());
    const isPlace = Array.isArray(place) && place.length === 5 && place.every((part) => typeof part === 'string');
    if (isPlace && isMoment(place[4] ?? '') && !place.some((part) => part.includes('\0'))) return place;
  } catch {
    // Said below.
  }
  throw new AppError(
    'CURSOR_INVALID',
    `"${text.slice(0, 100)}" is not the place of a page: leave it out to begin with the first`,
  );
}

/** Whether it is a moment as cursors write it, of a year that PostgreSQL reads: others are dates that do not exist. */
function isMoment(text: string): boolean {
  const ms = Date.parse(text);
  return /^[1-9]/.test(text) && Number.isFinite(ms) && new Date(ms).toISOString() === text;
}
