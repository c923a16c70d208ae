import { sql, type Kysely } from 'kysely';
import type { CoverageKey } from '../../market/coverage.ts';
import { subtractLists } from '../../market/range-lists.ts';
import type { TimeRange } from '../../market/time-range.ts';
import { parseTimeframe, timeframeMs } from '../../market/timeframe.ts';
import type { Database } from '../schema.ts';
import { gridExpression, MAX_LISTED_GAPS, toGaps, type LedgerGap, type LedgerReading } from './ledger-gaps.ts';

const ABSENT =
  'the ledger calls these rows stored, and the database did not give them: a policy hides them, or somebody removed them';

/**
 * The gaps of a reading of a series or feed, oldest first, 101 at most. Where fewer rows came than the ledger calls stored (row
 * security hides some, a retention policy dropped them) they are looked for by one more statement.
 */
export async function listReadingGaps(
  kysely: Kysely<Database>,
  key: CoverageKey,
  { first, last, gaps, have, rows }: LedgerReading,
): Promise<LedgerGap[]> {
  const told = toGaps(gaps);
  if (rows === null || rows >= Math.round(have)) return told;
  const absent = await findAbsent(kysely, key, { since: first, until: last });
  return [...told, ...absent.map(({ since, until }) => ({ since, until, state: 'absent' as const, reason: ABSENT }))]
    .toSorted((a, b) => a.since - b.since)
    .slice(0, MAX_LISTED_GAPS + 1);
}

/** What the ledger calls stored and no row opens in. Reads the whole range. */
async function findAbsent(kysely: Kysely<Database>, key: CoverageKey, range: TimeRange): Promise<TimeRange[]> {
  const { exchange, symbol, timeframe, metric } = key;
  const step = sql.raw(`make_interval(secs => ${timeframeMs(parseTimeframe(timeframe)) / 1000})`);
  const mine = sql`exchange = ${exchange} and symbol = ${symbol}`;
  const rows =
    metric === 'ohlcv'
      ? sql`ohlcv_data where ${mine} and timeframe = ${timeframe}`
      : sql`futures_data where ${mine} and ${sql.ref(metric)} is not null`;
  const [since, until] = [new Date(range.since), new Date(range.until)];
  const slot = sql.raw(gridExpression('timestamp', parseTimeframe(timeframe)));
  const stored = await sql<{ since: Date; until: Date }>`
    select min(slot) as since, max(slot) + ${step} as until from (
      select slot, slot - row_number() over (order by slot) * ${step} as run
      from (select distinct ${slot} as slot from ${rows} and timestamp >= ${since} and timestamp < ${until}) as slots
    ) as runs group by run order by 1`.execute(kysely);
  const have = await sql<{ since: Date; until: Date }>`
    select greatest(since, ${since}) as since, least(until, ${until}) as until from coverage
    where ${mine} and timeframe = ${timeframe} and metric = ${metric} and state = 'have' and since < ${until} and until > ${since}
    order by since`.execute(kysely);
  const toRanges = (moments: readonly { since: Date; until: Date }[]) =>
    moments.map((row) => ({ since: row.since.getTime(), until: row.until.getTime() }));
  return subtractLists(toRanges(have.rows), toRanges(stored.rows));
}
