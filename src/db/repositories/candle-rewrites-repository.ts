import type { Kysely, Selectable } from 'kysely';
import type { Decimal } from '../../market/decimal.ts';
import type { Series } from '../../market/instrument.ts';
import type { TimeRange } from '../../market/time-range.ts';
import type { Timeframe } from '../../market/timeframe.ts';
import type { CandleRevisionsTable, Database } from '../schema.ts';
import type { SeriesChange } from '../../market/commit-entry.ts';

/** A stored candle whose values were replaced, and when. */
export interface CandleRewrite extends SeriesChange {
  /** Ascends in the order in which candles were rewritten. */
  readonly id: string;
  /** Epoch ms by the database's clock. */
  readonly changedAt: number;
}

export interface RewriteFilter {
  readonly series?: Partial<Series> | undefined;
  /** Of the candles' opening times. */
  readonly range?: TimeRange | undefined;
}

/** candle_revisions: what the exchange told otherwise later. Written by the upserts of candles. */
export class CandleRewritesRepository {
  readonly #kysely: Kysely<Database>;

  constructor({ kysely }: { readonly kysely: Kysely<Database> }) {
    this.#kysely = kysely;
  }

  /** Newest first; those with an id before `before`, as the last one of the page before has it. */
  async list(
    options: RewriteFilter & { readonly limit: number; readonly before?: string | undefined },
  ): Promise<CandleRewrite[]> {
    let query = this.#select(options).selectAll().orderBy('id', 'desc').limit(options.limit);
    if (options.before !== undefined) query = query.where('id', '<', options.before);
    return (await query.execute()).map(fromRewriteRow);
  }

  /** How many there are. */
  async count(filter: RewriteFilter = {}): Promise<number> {
    const { count } = await this.#select(filter)
      .select(({ fn }) => fn.countAll<string>().as('count'))
      .executeTakeFirstOrThrow();
    return Number(count);
  }

  #select({ series = {}, range }: RewriteFilter) {
    let query = this.#kysely.selectFrom('candle_revisions');
    for (const column of ['exchange', 'symbol', 'timeframe'] as const) {
      const value = series[column];
      if (value !== undefined) query = query.where(column, '=', value);
    }
    if (range)
      query = query.where('timestamp', '>=', new Date(range.since)).where('timestamp', '<', new Date(range.until));
    return query;
  }
}

/** A stored row as a rewrite. */
export function fromRewriteRow(row: Selectable<CandleRevisionsTable>): CandleRewrite {
  const timestamp = row.timestamp.getTime();
  const decimal = (text: string) => text as Decimal;
  return {
    id: row.id,
    changedAt: row.changed_at.getTime(),
    series: { exchange: row.exchange, symbol: row.symbol, timeframe: row.timeframe as Timeframe },
    before: {
      timestamp,
      open: decimal(row.old_open),
      high: decimal(row.old_high),
      low: decimal(row.old_low),
      close: decimal(row.old_close),
      volume: decimal(row.old_volume),
    },
    after: {
      timestamp,
      open: decimal(row.new_open),
      high: decimal(row.new_high),
      low: decimal(row.new_low),
      close: decimal(row.new_close),
      volume: decimal(row.new_volume),
    },
  };
}
