import { sql, type Kysely } from 'kysely';
import {
  alignRanges,
  type CoverageKey,
  type CoverageMetric,
  type CoverageRange,
  type CoverageState,
} from '../../market/coverage.ts';
import { findFundingHoles } from '../../market/funding-slots.ts';
import { FUTURES_FEEDS, FUTURES_SLOT_MS } from '../../market/futures-snapshot.ts';
import { subtractLists } from '../../market/range-lists.ts';
import { createRange, mergeRanges, type TimeRange } from '../../market/time-range.ts';
import {
  ceilToTimeframe,
  floorToTimeframe,
  parseTimeframe,
  timeframeMs,
  type Timeframe,
} from '../../market/timeframe.ts';
import type { Database } from '../schema.ts';
import { checkCandleSums, findVolumeWithoutCandles, type CandleSumDeviation } from './audit-candle-sums.ts';
import { findRepeatedCandles, type RepeatedCandles } from './audit-repeated-candles.ts';
import { CoverageRepository } from './coverage-repository.ts';
import { inTransaction, lockCoverage } from './coverage-rows.ts';
import { findCandleGaps } from './find-candle-gaps.ts';
import { OhlcvRepository } from './ohlcv-repository.ts';
import { overlayCoverage } from './overlay-coverage.ts';

/** A series or feed that the ledger or the rows know, and the range in which either does. */
export interface AuditedKey extends TimeRange {
  readonly key: CoverageKey;
}

/** What the ledger and the rows say of one range, as one moment saw both. */
export interface AuditedRange {
  readonly key: CoverageKey;
  /** Whole slots. */
  readonly range: TimeRange;
  /** What the ledger says, by start, clipped to `range`; as stored, also where ranges overlap. */
  readonly ledger: readonly (TimeRange & { readonly state: CoverageState })[];
  /** The slots that have a row (of funding: a settlement), joined, oldest first. */
  readonly stored: readonly TimeRange[];
  /** The slots without a row that must have one where the ledger says `have`, joined, oldest first. */
  readonly lacking: readonly TimeRange[];
  /** Times of rows off the grid, oldest first, at most 100. */
  readonly strays: readonly number[];
  /** Where longer candles have volume and nothing shorter is stored, joined, oldest first; of candles only. */
  readonly contradicted: readonly TimeRange[];
}

const MAX_STRAYS = 100;
/** Settlements lie up to eight hours apart: these many beyond the edges tell the interval there. */
const FUNDING_MARGIN_MS = 48 * FUTURES_SLOT_MS;

/** Reads rows and ledger side by side, so that each can be held against the other. */
export class AuditRepository {
  readonly #kysely: Kysely<Database>;

  constructor({ kysely }: { readonly kysely: Kysely<Database> }) {
    this.#kysely = kysely;
  }

  /**
   * Every key that the ledger or the rows know, with the bounds of both, ordered by exchange, symbol, timeframe and
   * metric. Reads the ledger, one index entry for each series, and the futures rows.
   */
  async listKeys(): Promise<AuditedKey[]> {
    const ledger = await sql<KeyRow>`
      select exchange, symbol, timeframe, metric, min(since) as since, max(until) as until
      from coverage group by exchange, symbol, timeframe, metric`.execute(this.#kysely);
    const feeds = FUTURES_FEEDS.map(
      (feed) => sql`
        select exchange, symbol, '1h' as timeframe, ${sql.lit(feed)} as metric,
          min(timestamp) as since, max(timestamp) + interval '1 hour' as until
        from futures_data where ${sql.ref(feed)} is not null group by exchange, symbol`,
    );
    const futures = await sql<KeyRow>`${sql.join(feeds, sql` union all `)}`.execute(this.#kysely);
    const candles = (await new OhlcvRepository({ kysely: this.#kysely }).listBounds()).map(
      ({ exchange, symbol, timeframe, first, last }): AuditedKey => ({
        key: { exchange, symbol, timeframe, metric: 'ohlcv' },
        since: first,
        until: last + timeframeMs(timeframe),
      }),
    );
    const known = [...ledger.rows, ...futures.rows].map(
      ({ exchange, symbol, timeframe, metric, since, until }): AuditedKey => ({
        key: { exchange, symbol, timeframe, metric },
        since: since.getTime(),
        until: until.getTime(),
      }),
    );
    const byText = Map.groupBy([...known, ...candles], ({ key }) => textOf(key));
    return [...byText]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([, [first, ...others]]) =>
        first
          ? others.reduce(
              (joined, { since, until }) => ({
                key: joined.key,
                since: Math.min(joined.since, since),
                until: Math.max(joined.until, until),
              }),
              first,
            )
          : [],
      );
  }

  /**
   * What ledger and rows say of the slots in `range`; null where it holds no slot. Outside a transaction both are read
   * in one that sees one moment, so that a write between the two is no difference.
   *
   * @throws RangeError where the key's timeframe is none.
   */
  async inspect(key: CoverageKey, range: TimeRange): Promise<AuditedRange | null> {
    if (this.#kysely.isTransaction) return await inspect(this.#kysely, key, range);
    return await this.#kysely
      .transaction()
      .setIsolationLevel('repeatable read')
      .setAccessMode('read only')
      .execute((transaction) => inspect(transaction, key, range));
  }

  /**
   * Looks again while nobody else can change the ledger of this key, and writes what `decide` makes of it.
   *
   * @returns what was written.
   */
  async repair(
    key: CoverageKey,
    range: TimeRange,
    decide: (part: AuditedRange) => readonly CoverageRange[],
  ): Promise<readonly CoverageRange[]> {
    return await inTransaction(this.#kysely, async (transaction) => {
      await lockCoverage(transaction, [key]);
      const part = await inspect(transaction, key, range);
      // The ledger that it decides about may have been written by hands, off the grid and twice.
      const changes = part ? overlayCoverage([], alignRanges(decide(part), parseTimeframe(key.timeframe))) : [];
      if (changes.length > 0) await new CoverageRepository({ kysely: transaction }).record(key, changes);
      return changes;
    });
  }

  /** See `checkCandleSums`. */
  checkCandleSums(
    market: { readonly exchange: string; readonly symbol: string },
    range: TimeRange,
  ): Promise<{ readonly compared: number; readonly deviations: readonly CandleSumDeviation[] }> {
    return checkCandleSums(this.#kysely, market, range);
  }

  /** See `findRepeatedCandles`. */
  findRepeatedCandles(
    market: { readonly exchange: string; readonly symbol: string },
    timeframes: { readonly shorter: Timeframe; readonly longer: Timeframe },
    range: TimeRange,
  ): Promise<{ readonly compared: number; readonly repeated: readonly RepeatedCandles[] }> {
    return findRepeatedCandles(this.#kysely, market, timeframes, range);
  }
}

interface KeyRow {
  readonly exchange: string;
  readonly symbol: string;
  readonly timeframe: string;
  readonly metric: CoverageMetric;
  readonly since: Date;
  readonly until: Date;
}

function textOf({ exchange, symbol, timeframe, metric }: CoverageKey): string {
  return [exchange, symbol, timeframe, metric].join('\t');
}

async function inspect(kysely: Kysely<Database>, key: CoverageKey, range: TimeRange): Promise<AuditedRange | null> {
  const timeframe = parseTimeframe(key.timeframe);
  const slots = createRange(ceilToTimeframe(range.since, timeframe), ceilToTimeframe(range.until, timeframe));
  if (!slots) return null;
  const ledger = await readLedger(kysely, key, slots);
  const rows =
    key.metric === 'ohlcv'
      ? await readCandles(kysely, key, slots, timeframe)
      : await readFeed(kysely, key, key.metric, slots);
  return { key, range: slots, ledger, ...rows };
}

async function readLedger(
  kysely: Kysely<Database>,
  { exchange, symbol, timeframe, metric }: CoverageKey,
  range: TimeRange,
): Promise<AuditedRange['ledger']> {
  const rows = await kysely
    .selectFrom('coverage')
    .select(['since', 'until', 'state'])
    .where('exchange', '=', exchange)
    .where('symbol', '=', symbol)
    .where('timeframe', '=', timeframe)
    .where('metric', '=', metric)
    .where('since', '<', new Date(range.until))
    .where('until', '>', new Date(range.since))
    .orderBy('since')
    .execute();
  return rows.map(({ since, until, state }) => ({
    since: Math.max(since.getTime(), range.since),
    until: Math.min(until.getTime(), range.until),
    state: state as CoverageState,
  }));
}

type StoredSlots = Pick<AuditedRange, 'stored' | 'lacking' | 'strays' | 'contradicted'>;

async function readCandles(
  kysely: Kysely<Database>,
  { exchange, symbol }: CoverageKey,
  range: TimeRange,
  timeframe: Timeframe,
): Promise<StoredSlots> {
  const lacking = await findCandleGaps(kysely, { exchange, symbol, timeframe }, range);
  const step = sql`make_interval(secs => ${timeframeMs(timeframe) / 1000})`;
  const origin = new Date(floorToTimeframe(0, timeframe));
  const { rows } = await sql<{ timestamp: Date }>`
    select timestamp from ohlcv_data
    where exchange = ${exchange} and symbol = ${symbol} and timeframe = ${timeframe}
      and timestamp >= ${new Date(range.since)} and timestamp < ${new Date(range.until)}
      and date_bin(${step}, timestamp, ${origin}) <> timestamp
    order by timestamp limit ${MAX_STRAYS}`.execute(kysely);
  return {
    stored: subtractLists([range], lacking),
    lacking,
    strays: rows.map(({ timestamp }) => timestamp.getTime()),
    contradicted: await findVolumeWithoutCandles(kysely, { exchange, symbol, timeframe }, range),
  };
}

async function readFeed(
  kysely: Kysely<Database>,
  { exchange, symbol }: CoverageKey,
  metric: Exclude<CoverageMetric, 'ohlcv'>,
  range: TimeRange,
): Promise<StoredSlots> {
  const margin = metric === 'funding_rate' ? FUNDING_MARGIN_MS : 0;
  const rows = await kysely
    .selectFrom('futures_data')
    .select('timestamp')
    .where('exchange', '=', exchange)
    .where('symbol', '=', symbol)
    .where(metric, 'is not', null)
    .where('timestamp', '>=', new Date(range.since - margin))
    .where('timestamp', '<', new Date(range.until + margin))
    .orderBy('timestamp')
    .execute();
  const times = rows.map(({ timestamp }) => timestamp.getTime());
  const inside = times.filter((time) => time >= range.since && time < range.until);
  const stored = mergeRanges(inside.filter(isOnHour).map((time) => ({ since: time, until: time + FUTURES_SLOT_MS })));
  return {
    stored,
    lacking: metric === 'funding_rate' ? findFundingHoles(times, range) : subtractLists([range], stored),
    strays: inside.filter((time) => !isOnHour(time)).slice(0, MAX_STRAYS),
    contradicted: [],
  };
}

function isOnHour(timeMs: number): boolean {
  return timeMs % FUTURES_SLOT_MS === 0;
}
