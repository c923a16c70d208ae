import { sql, type Kysely } from 'kysely';
import type { Database } from '../schema.ts';

/** A process that collects, as it tells of itself. */
export interface ReplicaBeat {
  /** Different in each run. */
  readonly id: string;
  readonly host: string;
  /** Epoch ms. */
  readonly startedAt: number;
  /** When it last wrote a row, epoch ms; null where it has not. */
  readonly lastWriteAt: number | null;
  /** For how long it counts as alive without another beat. */
  readonly ttlMs: number;
}

export interface Replica {
  readonly id: string;
  readonly host: string;
  /** Epoch ms. */
  readonly startedAt: number;
  /** Epoch ms by the database's clock. */
  readonly expiresAt: number;
  readonly lastWriteAt: number | null;
  /** How many markets it holds. */
  readonly held: number;
}

/** A market: all timeframes and feeds of a symbol. */
export interface LeasedMarket {
  readonly exchange: string;
  readonly symbol: string;
}

/**
 * replicas and leases: who collects, and which markets. Alive is who beat less than its time to live ago by the
 * database's clock; the lease of one that is not, or that has gone, is free.
 */
export class ReplicasRepository {
  readonly #kysely: Kysely<Database>;

  constructor({ kysely }: { readonly kysely: Kysely<Database> }) {
    this.#kysely = kysely;
  }

  /** Says that a replica is alive, and answers how many are, with this one. One row changes, however many it holds. */
  async beat({ id, host, startedAt, lastWriteAt, ttlMs }: ReplicaBeat): Promise<{ alive: number }> {
    const { rows } = await sql<{ alive: number; is_new: boolean }>`
      with mine as (
        insert into replicas as target (id, host, started_at, expires_at, last_write_at)
        values (${id}, ${host}, ${new Date(startedAt)}, clock_timestamp() + ${ttlMs} * interval '1 millisecond',
          ${lastWriteAt === null ? null : new Date(lastWriteAt)}::timestamptz)
        on conflict (id) do update set
          expires_at = excluded.expires_at, last_write_at = greatest(target.last_write_at, excluded.last_write_at)
        returning xmax = 0 as is_new
      )
      select is_new,
        1 + (select count(*)::int from replicas where id <> ${id} and expires_at > clock_timestamp()) as alive
      from mine`.execute(this.#kysely);
    const [row] = rows;
    // Kept for a day, because their last write counts, and no longer: each run has an id of its own.
    if (row?.is_new === true)
      await sql`
        delete from replicas where id <> ${id} and expires_at < clock_timestamp() - interval '1 day'`.execute(
        this.#kysely,
      );
    return { alive: row?.alive ?? 1 };
  }

  /** Ends a replica, and frees all that it holds. Its last write stays known. */
  async leave(id: string): Promise<void> {
    await sql`
      with freed as (delete from leases where replica_id = ${id})
      update replicas set expires_at = least(expires_at, clock_timestamp()) where id = ${id}`.execute(this.#kysely);
  }

  /** Who is alive, by id. */
  async listAlive(): Promise<Replica[]> {
    const { rows } = await sql<{
      id: string;
      host: string;
      started_at: Date;
      expires_at: Date;
      last_write_at: Date | null;
      held: number;
    }>`
      select id, host, started_at, expires_at, last_write_at,
        (select count(*)::int from leases where replica_id = id) as held
      from replicas where expires_at > clock_timestamp() order by id`.execute(this.#kysely);
    return rows.map((row) => ({
      id: row.id,
      host: row.host,
      startedAt: row.started_at.getTime(),
      expiresAt: row.expires_at.getTime(),
      lastWriteAt: row.last_write_at?.getTime() ?? null,
      held: row.held,
    }));
  }

  /** When a replica last wrote, those that have gone (less than a day ago) counted; null where none has. Epoch ms. */
  async findLastWriteAt(): Promise<number | null> {
    const { rows } = await sql<{ at: Date | null }>`select max(last_write_at) as at from replicas`.execute(
      this.#kysely,
    );
    return rows[0]?.at?.getTime() ?? null;
  }

  /** Those of `symbols` that no replica holds which is alive, in their order. */
  async listFree(exchange: string, symbols: readonly string[]): Promise<string[]> {
    const { rows } = await sql<{ symbol: string }>`
      select symbol from unnest(${[...symbols]}::text[]) with ordinality as w (symbol, position)
      where not exists (
        select from leases l join replicas r on r.id = l.replica_id
        where l.exchange = ${exchange} and l.symbol = w.symbol and r.expires_at > clock_timestamp()
      )
      order by position`.execute(this.#kysely);
    return rows.map(({ symbol }) => symbol);
  }

  /**
   * Takes free ones of `symbols`, the first ones first, `max` at most. Two that claim the same market at the same moment
   * never both get it; a replica that is not alive gets none.
   *
   * @returns those that it got now, sorted.
   */
  async claim(id: string, exchange: string, symbols: readonly string[], max: number): Promise<string[]> {
    if (symbols.length === 0 || max <= 0) return [];
    // The rows of the dead are locked: one that beats in the same moment is found alive, or waits and has lost.
    const { rows } = await sql<{ symbol: string }>`
      with dead as materialized (
        select id from replicas where expires_at <= clock_timestamp() order by id for update
      ), wanted as (
        select symbol from unnest(${[...symbols]}::text[]) with ordinality as w (symbol, position)
        where not exists (
          select from leases l
          where l.exchange = ${exchange} and l.symbol = w.symbol and l.replica_id not in (select id from dead)
        )
        group by symbol order by min(position) limit ${max}
      )
      insert into leases as held (exchange, symbol, replica_id)
      select ${exchange}, symbol, ${id} from wanted
      where exists (select from replicas where id = ${id} and expires_at > clock_timestamp())
      order by symbol
      on conflict (exchange, symbol) do update set replica_id = excluded.replica_id, acquired_at = now()
      where held.replica_id in (select id from dead)
      returning symbol`.execute(this.#kysely);
    return rows.map(({ symbol }) => symbol).sort();
  }

  /** Gives markets back; those that it does not hold are left alone. */
  async release(id: string, exchange: string, symbols: readonly string[]): Promise<void> {
    if (symbols.length === 0) return;
    await sql`
      delete from leases
      where replica_id = ${id} and exchange = ${exchange} and symbol = any (${[...symbols]}::text[])`.execute(
      this.#kysely,
    );
  }

  /** What the replica holds, ordered by exchange and symbol: also while it has not beaten in time, until it is taken. */
  async listHeld(id: string): Promise<LeasedMarket[]> {
    return await this.#kysely
      .selectFrom('leases')
      .select(['exchange', 'symbol'])
      .where('replica_id', '=', id)
      .orderBy('exchange')
      .orderBy('symbol')
      .execute();
  }
}
