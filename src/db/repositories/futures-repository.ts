import { sql, type Kysely, type Selectable } from 'kysely';
import type { Decimal } from '../../market/decimal.ts';
import {
  FUTURES_FEEDS,
  FUTURES_METRICS,
  FUTURES_SLOT_MS,
  type FuturesFeed,
  type FuturesMetric,
  type FuturesSnapshot,
} from '../../market/futures-snapshot.ts';
import { feedKey } from '../../market/coverage.ts';
import { parseTimeframe } from '../../market/timeframe.ts';
import type { TimeRange } from '../../market/time-range.ts';
import type { Database, FuturesDataTable } from '../schema.ts';
import { executeText, Parameters } from './statement-text.ts';
import { findFuturesGaps } from './find-futures-gaps.ts';
import { listReadingGaps } from './absent-rows.ts';
import { addKey, gapsSubquery, type LedgerGap, type LedgerReading } from './ledger-gaps.ts';
import { WantedWindowsRepository } from './wanted-windows-repository.ts';
import type { Bounds } from './ohlcv-repository.ts';

const FUTURES_TIMEFRAME = parseTimeframe('1h');

/** A perpetual, named by its spot symbol. */
export interface FuturesSymbol {
  readonly exchange: string;
  readonly symbol: string;
}

/** futures_data, to read: what is known of perpetuals, one row per (exchange, spot symbol, hour). */
export class FuturesRepository {
  readonly #kysely: Kysely<Database>;

  constructor({ kysely }: { readonly kysely: Kysely<Database> }) {
    this.#kysely = kysely;
  }

  /** The first `limit` snapshots of the range, oldest first. */
  async list(exchange: string, symbol: string, range: TimeRange, limit: number): Promise<FuturesSnapshot[]> {
    const rows = await this.#kysely
      .selectFrom('futures_data')
      .select(['timestamp', ...FUTURES_METRICS])
      .where('exchange', '=', exchange)
      .where('symbol', '=', symbol)
      .where('timestamp', '>=', new Date(range.since))
      .where('timestamp', '<', new Date(range.until))
      .orderBy('timestamp')
      .limit(limit)
      .execute();
    return rows.map(fromRow);
  }

  /** The parts of the range without this metric, oldest first: see `findFuturesGaps`. */
  listGaps(
    exchange: string,
    symbol: string,
    metric: FuturesMetric,
    range: TimeRange,
    stepMs: number,
  ): Promise<TimeRange[]> {
    return findFuturesGaps(this.#kysely, { exchange, symbol }, metric, range, stepMs);
  }

  /**
   * What the ledger says to be missing of each feed in the range, by feed and time, at most 101 of each. Only hours that
   * have ended by `now` (epoch ms) can be a gap.
   */
  async listLedgerGaps(
    exchange: string,
    symbol: string,
    range: TimeRange,
    now: number,
  ): Promise<(LedgerGap & { readonly metric: FuturesFeed })[]> {
    const parameters = new Parameters();
    const key = addKey(parameters, { exchange, symbol, timeframe: '1h' });
    const hour = (timeMs: number) => Math.ceil(timeMs / FUTURES_SLOT_MS) * FUTURES_SLOT_MS;
    const since = parameters.addMoment(hour(range.since));
    const until = parameters.addMoment(Math.min(hour(range.until), hour(now + 1) - FUTURES_SLOT_MS));
    const mine = `futures_data where exchange = ${key.exchange} and symbol = ${key.symbol}`;
    const feeds = FUTURES_FEEDS.map((feed) => {
      // Of funding the ledger's slots are hours, and most of them have no settlement.
      const isHourly = feed !== 'funding_rate';
      const source = `${mine} and ${feed} is not null`;
      const rows = isHourly ? { source, timeframe: FUTURES_TIMEFRAME, onlyWhereWhole: true } : null;
      return `${gapsSubquery(key, feed, { since, until }, rows)} as ${feed}`;
    });
    const [row] = await executeText<Record<FuturesFeed, LedgerReading>>(
      this.#kysely,
      `select ${feeds.join(', ')}`,
      parameters,
    );
    const gaps: (LedgerGap & { readonly metric: FuturesFeed })[] = [];
    for (const metric of FUTURES_FEEDS) {
      if (!row) continue;
      const told = await listReadingGaps(this.#kysely, feedKey(exchange, symbol, metric), row[metric]);
      gaps.push(...told.map((gap) => ({ metric, ...gap })));
    }
    return gaps;
  }

  /** Since when (epoch ms) the first of its feeds is wanted; null where nobody collects one. */
  async findWantedSince(exchange: string, symbol: string): Promise<number | null> {
    return await new WantedWindowsRepository({ kysely: this.#kysely }).findFirst(exchange, symbol, FUTURES_FEEDS);
  }

  /** The first and the last hour with a snapshot, whichever metrics; null where nothing is. Reads two index entries. */
  async findBounds(exchange: string, symbol: string): Promise<Bounds | null> {
    const row = await this.#kysely
      .selectFrom('futures_data')
      .select(({ fn }) => [fn.min('timestamp').as('first'), fn.max('timestamp').as('last')])
      .where('exchange', '=', exchange)
      .where('symbol', '=', symbol)
      .executeTakeFirstOrThrow();
    const [first, last] = [row.first as Date | null, row.last as Date | null];
    return first && last && { first: first.getTime(), last: last.getTime() };
  }

  /** Every perpetual with a row, ordered by exchange and symbol. Reads one index entry for each. */
  async listSymbols(): Promise<FuturesSymbol[]> {
    const { rows } = await sql<FuturesSymbol>`
      with recursive symbols as (
        (select exchange, symbol from futures_data order by exchange, symbol limit 1)
        union all
        select following.* from symbols as s cross join lateral (
          select exchange, symbol from futures_data where (exchange, symbol) > (s.exchange, s.symbol)
          order by exchange, symbol limit 1
        ) as following
      )
      select exchange, symbol from symbols`.execute(this.#kysely);
    return rows;
  }
}

type FuturesRow = Pick<Selectable<FuturesDataTable>, 'timestamp' | FuturesMetric>;

function fromRow({ timestamp, ...metrics }: FuturesRow): FuturesSnapshot {
  const known = Object.entries(metrics).filter((entry): entry is [FuturesMetric, Decimal] => entry[1] !== null);
  return { timestamp: timestamp.getTime(), ...Object.fromEntries(known) };
}
