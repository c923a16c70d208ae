import type pg from 'pg';
import type { PoolState } from '../market/service-state.ts';

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
