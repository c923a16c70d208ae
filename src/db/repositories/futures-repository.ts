import { sql, type Kysely, type Selectable } from 'kysely';
import type { Decimal } from '../../market/decimal.ts';
import { FUTURES_METRICS, type FuturesMetric, type FuturesSnapshot } from '../../market/futures-snapshot.ts';
import type { TimeRange } from '../../market/time-range.ts';
import type { Database, FuturesDataTable } from '../schema.ts';
import type { Coverage } from './ohlcv-repository.ts';
import type { WriteCounts } from './upsert-candles.ts';
import { upsertSnapshots } from './upsert-snapshots.ts';

/** A perpetual, named by its spot symbol. */
export interface FuturesSymbol {
  readonly exchange: string;
  readonly symbol: string;
}

/** futures_data: what is known of perpetuals, one row per (exchange, spot symbol, hour). */
export class FuturesRepository {
  readonly #kysely: Kysely<Database>;

  constructor({ kysely }: { readonly kysely: Kysely<Database> }) {
    this.#kysely = kysely;
  }

  /**
   * Stores snapshots metric by metric, in any order: a missing metric keeps what is stored, snapshots with one
   * timestamp are merged, rows in which nothing changes are not rewritten. `unchanged` counts all other input.
   *
   * @throws AppError `SNAPSHOTS_CONTRADICT`, before anything is written, where a metric has two values at one time.
   */
  upsert(exchange: string, symbol: string, snapshots: readonly FuturesSnapshot[]): Promise<WriteCounts> {
    return upsertSnapshots(this.#kysely, exchange, symbol, snapshots);
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

  /**
   * The parts of the range without this metric, oldest first. A value holds for `stepMs`, so a stretch begins `stepMs`
   * after the value before it (which may lie before the range) and ends at the next value. Before the oldest value
   * ever stored a stretch counts from `stepMs` on: a shorter one need not contain a time at which there is one (funding
   * is settled every eight hours, at hours that we do not know).
   */
  async listGaps(
    exchange: string,
    symbol: string,
    metric: FuturesMetric,
    range: TimeRange,
    stepMs: number,
  ): Promise<TimeRange[]> {
    const since = new Date(range.since);
    const until = new Date(range.until);
    const step = sql`make_interval(secs => ${stepMs / 1000})`;
    const values = sql`from futures_data
      where exchange = ${exchange} and symbol = ${symbol} and ${sql.ref(metric)} is not null`;
    const result = await sql<{ since: Date; until: Date }>`
      with points as (
        (select timestamp ${values} and timestamp <= ${since} order by timestamp desc limit 1)
        union all
        (select timestamp ${values} and timestamp > ${since} and timestamp < ${until})
      ), pairs as (
        select lag(timestamp) over (order by timestamp) as previous, timestamp as next from points
        union all
        select max(timestamp), ${until}::timestamptz from points
      )
      select greatest(previous + ${step}, ${since}) as since, next as until from pairs
      where next > ${since} and case
        when previous is not null then next > previous + ${step}
        when next = ${until} then true
        else next >= ${since}::timestamptz + ${step}
      end
      order by since`.execute(this.#kysely);
    return result.rows.map((row) => ({ since: row.since.getTime(), until: row.until.getTime() }));
  }

  /** What is stored of the perpetual, whichever metrics; null where nothing is. */
  async findCoverage(exchange: string, symbol: string): Promise<Coverage | null> {
    const row = await this.#kysely
      .selectFrom('futures_data')
      .select(({ fn }) => [
        fn.min('timestamp').as('first'),
        fn.max('timestamp').as('last'),
        fn.countAll<string>().as('count'),
      ])
      .where('exchange', '=', exchange)
      .where('symbol', '=', symbol)
      .executeTakeFirstOrThrow();
    const [first, last] = [row.first as Date | null, row.last as Date | null];
    return first && last && { first: first.getTime(), last: last.getTime(), count: Number(row.count) };
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
