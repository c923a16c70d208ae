/** What the shares need of the repository of replicas and leases; the one in db/repositories fits. */
export interface ReplicaLeases {
  /** Says that the replica is alive for `ttlMs` from now on, by the database's clock. */
  beat(replica: {
    readonly id: string;
    readonly host: string;
    /** Epoch ms, as `lastWriteAt`. */
    readonly startedAt: number;
    readonly lastWriteAt: number | null;
    readonly ttlMs: number;
  }): Promise<unknown>;
  listAlive(): Promise<readonly { readonly id: string; readonly startedAt: number }[]>;
  listHeld(id: string): Promise<readonly { readonly exchange: string; readonly symbol: string }[]>;
  /** Those of the markets that nobody holds who is alive. */
  listFree(exchange: string, symbols: readonly string[]): Promise<readonly string[]>;
  /** Takes at most `max` of the markets that are free; answers those that it got. */
  claim(id: string, exchange: string, symbols: readonly string[], max: number): Promise<readonly string[]>;
  release(id: string, exchange: string, symbols: readonly string[]): Promise<unknown>;
  /** The replica and all that it holds go at once. */
  leave(id: string): Promise<unknown>;
}
