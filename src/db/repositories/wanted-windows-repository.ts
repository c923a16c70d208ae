import { sql, type Kysely } from 'kysely';
import type { CoverageKey, CoverageMetric } from '../../market/coverage.ts';
import { timeframeMs, type Timeframe } from '../../market/timeframe.ts';
import type { Database } from '../schema.ts';
import { gridExpression, matchesKey, type KeyPlaces } from './ledger-gaps.ts';

/** Since when (epoch ms) a series or feed is wanted. */
export interface WantedWindow {
  readonly key: CoverageKey;
  readonly since: number;
}

/** What nobody noted for so long nobody collects any more; whoever collects notes it each hour. */
const NOTED_WITHIN = `interval '3 days'`;
/** Another replica's earlier window yields sooner, so that a window which still holds is never taken for an old one. */
const YIELDS_AFTER = `interval '2 days'`;

/** The windows in force, as a table in SQL. */
export const WANTED = `(select exchange, symbol, timeframe, metric, wanted_since from wanted_windows
  where noted_at > now() - ${NOTED_WITHIN}) as wanted`;
/** Whether a range of the ledger, joined with what is wanted, is lost in it, as SQL. */
export const IS_LOST = `state in ('refused', 'out_of_window') and (wanted_since is null or until > wanted_since)`;

/** wanted_windows: since when each series and feed is wanted, as those who collect it noted it. */
export class WantedWindowsRepository {
  readonly #kysely: Kysely<Database>;

  constructor({ kysely }: { readonly kysely: Kysely<Database> }) {
    this.#kysely = kysely;
  }

  /**
   * Notes windows, each key once. Of two replicas that want different ones the earlier holds as long as that replica is
   * alive: an answer must not leave out what somebody still fetches.
   */
  async note(windows: readonly WantedWindow[], replicaId: string): Promise<void> {
    if (windows.length === 0) return;
    const column = (name: keyof CoverageKey) => windows.map(({ key }) => key[name]);
    await sql`
      insert into wanted_windows as stored (exchange, symbol, timeframe, metric, wanted_since, replica_id)
      select *, ${replicaId} from unnest(${column('exchange')}::text[], ${column('symbol')}::text[],
        ${column('timeframe')}::text[], ${column('metric')}::text[],
        ${windows.map(({ since }) => new Date(since).toISOString())}::timestamptz[])
      order by 1, 2, 3, 4
      on conflict (exchange, symbol, timeframe, metric) do update set
        wanted_since = excluded.wanted_since, replica_id = excluded.replica_id, noted_at = now()
      where excluded.wanted_since <= stored.wanted_since or excluded.replica_id = stored.replica_id
        or stored.noted_at < now() - ${sql.raw(YIELDS_AFTER)}
        or not exists (select from replicas where id = stored.replica_id and expires_at > clock_timestamp())`.execute(
      this.#kysely,
    );
  }

  /** Since when the key is wanted; null where nobody collects it. */
  async find({ exchange, symbol, timeframe, metric }: CoverageKey): Promise<number | null> {
    const { rows } = await sql<{ wanted_since: Date }>`
      select wanted_since from wanted_windows
      where exchange = ${exchange} and symbol = ${symbol} and timeframe = ${timeframe} and metric = ${metric}
        and noted_at > now() - ${sql.raw(NOTED_WITHIN)}`.execute(this.#kysely);
    return rows[0]?.wanted_since.getTime() ?? null;
  }

  /** Since when the first of a symbol's feeds is wanted; null where nobody collects one. */
  async findFirst(exchange: string, symbol: string, metrics: readonly CoverageMetric[]): Promise<number | null> {
    const { rows } = await sql<{ first: Date | null }>`
      select min(wanted_since) as first from wanted_windows
      where exchange = ${exchange} and symbol = ${symbol} and timeframe = '1h'
        and metric = any (${[...metrics]}::text[]) and noted_at > now() - ${sql.raw(NOTED_WITHIN)}`.execute(
      this.#kysely,
    );
    return rows[0]?.first?.getTime() ?? null;
  }
}

/**
 * Where an answer begins that holds all that is stored of a series before the moment `last`, as SQL: with its first row or
 * with what is wanted, whichever is earlier, and not behind the newest slot, so that an answer about nothing is not one
 * about no slot.
 *
 * @param first SQL: where its first row opens; null where there is none.
 */
export function startExpression(
  key: KeyPlaces,
  timeframe: Timeframe,
  { first, last }: { readonly first: string; readonly last: string },
): string {
  const step = `make_interval(secs => ${timeframeMs(timeframe) / 1000})`;
  const nextSlot = gridExpression(`wanted_since + ${step} - interval '1 microsecond'`, timeframe);
  return `least(${first}, ${last} - ${step}, (select ${nextSlot} from wanted_windows
    where ${matchesKey(key)} and metric = 'ohlcv' and noted_at > now() - ${NOTED_WITHIN}))`;
}
