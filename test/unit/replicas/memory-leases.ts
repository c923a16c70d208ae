import type { Clock } from '../../../src/clock.ts';
import type { ReplicaLeases } from '../../../src/replicas/replica-leases.ts';

interface Replica {
  readonly startedAt: number;
  expiresAt: number;
}

/** The two tables in memory, by a clock of their own, for many replicas; each may be cut off. */
export class MemoryLeases {
  readonly replicas = new Map<string, Replica>();
  /** `exchange symbol` → replica. */
  readonly leases = new Map<string, string>();
  /** Replicas that do not reach the database now: refused, or without an answer. */
  readonly cut = new Map<string, 'refused' | 'silent'>();
  readonly #clock: Clock;

  constructor({ clock }: { clock: Clock }) {
    this.#clock = clock;
  }

  /** The database as the replica `id` reaches it. */
  as(id: string): ReplicaLeases {
    const guard = async <T>(work: () => T): Promise<T> => {
      const cut = this.cut.get(id);
      if (cut === 'silent') await new Promise(() => undefined);
      if (cut === 'refused') throw new Error('connect ECONNREFUSED 127.0.0.1:5432');
      return work();
    };
    return {
      beat: ({ id, startedAt, ttlMs }) =>
        guard(() => {
          const expiresAt = this.#clock.now() + ttlMs;
          this.replicas.set(id, { startedAt: this.replicas.get(id)?.startedAt ?? startedAt, expiresAt });
        }),
      listAlive: () =>
        guard(() =>
          [...this.replicas]
            .filter(([other]) => this.#isAlive(other))
            .map(([other, { startedAt }]) => ({ id: other, startedAt }))
            .toSorted((a, b) => (a.id < b.id ? -1 : 1)),
        ),
      listHeld: (id) => guard(() => this.listHeld(id)),
      listFree: (exchange, symbols) =>
        guard(() => symbols.filter((symbol) => !this.#isAlive(this.leases.get(`${exchange} ${symbol}`)))),
      claim: (id, exchange, symbols, max) =>
        guard(() => {
          const free = [...new Set(symbols)]
            .filter((symbol) => !this.#isAlive(this.leases.get(`${exchange} ${symbol}`)))
            .slice(0, this.#isAlive(id) ? Math.max(0, max) : 0);
          for (const symbol of free) this.leases.set(`${exchange} ${symbol}`, id);
          return free.toSorted();
        }),
      release: (id, exchange, symbols) =>
        guard(() => {
          for (const symbol of symbols)
            if (this.leases.get(`${exchange} ${symbol}`) === id) this.leases.delete(`${exchange} ${symbol}`);
        }),
      leave: (id) =>
        guard(() => {
          const replica = this.replicas.get(id);
          if (replica) replica.expiresAt = Math.min(replica.expiresAt, this.#clock.now());
          for (const { exchange, symbol } of this.listHeld(id)) this.leases.delete(`${exchange} ${symbol}`);
        }),
    };
  }

  /** By exchange and symbol. */
  listHeld(id: string): { exchange: string; symbol: string }[] {
    return [...this.leases]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([key, owner]) => {
        const [exchange = '', symbol = ''] = key.split(' ');
        return owner === id ? [{ exchange, symbol }] : [];
      });
  }

  #isAlive(id: string | undefined): boolean {
    return id !== undefined && (this.replicas.get(id)?.expiresAt ?? -Infinity) > this.#clock.now();
  }
}
