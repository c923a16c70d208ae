import type pg from 'pg';

/** One pool as it stands now. */
export interface PoolState {
  /** Its application_name, as in pg_stat_activity. */
  readonly pool: string;
  /** Connections: the most there may be, those that are open, and those of them that nobody uses. */
  readonly max: number;
  readonly open: number;
  readonly idle: number;
  /** Callers that wait for a connection. */
  readonly waiting: number;
}

/** Tells how the pools of a process stand, each from its first query on. */
export class PoolWatch {
  readonly #pools = new Map<string, pg.Pool>();

  /** Keeps `pool` in view from now on, in place of an earlier one of that name, and answers it. */
  add(name: string, pool: pg.Pool): pg.Pool {
    this.#pools.set(name, pool);
    return pool;
  }

  /** All at once, from memory. */
  states(): PoolState[] {
    return [...this.#pools].map(([pool, { options, totalCount, idleCount, waitingCount }]) => ({
      pool,
      max: options.max,
      open: totalCount,
      idle: idleCount,
      waiting: waitingCount,
    }));
  }
}
