import type { Logger } from '../logger.ts';
import { isEndedNeighbour, parseReplicaId, type ReplicaIdentity } from './replica-identity.ts';
import type { ReplicaLeases } from './replica-leases.ts';

export interface ReplicaRollDeps {
  readonly identity: ReplicaIdentity;
  readonly leases: Pick<ReplicaLeases, 'listAlive' | 'leave'>;
  readonly logger: Logger;
  /** Whether a replica has ended for certain, though its lease runs on. */
  readonly isEnded?: (other: ReplicaIdentity) => boolean;
}

/** Who is alive: those that share this replica's work, in an order that all of them agree on, and strangers. */
export class ReplicaRoll {
  readonly #deps: ReplicaRollDeps;
  #peers: readonly string[] | null = null;
  #strangers = 0;
  #looksWithoutChange = 0;

  constructor(deps: ReplicaRollDeps) {
    this.#deps = deps;
  }

  /** How many share the work, with this one; null before the first look. */
  get alive(): number | null {
    return this.#peers?.length ?? null;
  }

  /** Replicas on the same database that collect something else. */
  get strangers(): number {
    return this.#strangers;
  }

  /** How often in a row the same ones were found. */
  get looksWithoutChange(): number {
    return this.#looksWithoutChange;
  }

  /** This replica's place among the others. */
  get place(): { readonly rank: number; readonly replicas: number } {
    const { id } = this.#deps.identity;
    return { rank: Math.max(0, this.#peers?.indexOf(id) ?? 0), replicas: this.#peers?.length ?? 1 };
  }

  /**
   * Looks who is there, and sees those out that have ended. Answers whether the peers are others than at the last look.
   * `check` is called before anything is kept and may throw.
   */
  async look(check: () => void): Promise<boolean> {
    const {
      leases,
      identity,
      logger,
      isEnded = (other: ReplicaIdentity) => isEndedNeighbour(other, identity),
    } = this.#deps;
    const peers: { id: string; startedAt: number }[] = [];
    let strangers = 0;
    for (const replica of await leases.listAlive()) {
      const other = parseReplicaId(replica.id);
      if (other !== null && other.id !== identity.id && isEnded(other)) {
        await leases.leave(other.id);
        logger.info({ replica: other.id }, 'a replica on this machine has ended; its markets are free');
      } else if (other?.group === identity.group) peers.push(replica);
      else strangers++;
    }
    check();
    const order = peers.toSorted((a, b) => a.startedAt - b.startedAt || (a.id < b.id ? -1 : 1)).map(({ id }) => id);
    if (!order.includes(identity.id)) order.push(identity.id);
    if (strangers > 0 && this.#strangers === 0)
      logger.warn(
        { strangers },
        'another replica on this database has other MARKETS, TIMEFRAMES, FUTURES or BACKFILL settings: nothing is shared out with it, and what both collect is fetched twice; give all replicas the same settings',
      );
    this.#strangers = strangers;
    const isSame = this.#peers !== null && order.join() === this.#peers.join();
    this.#looksWithoutChange = isSame ? this.#looksWithoutChange + 1 : 0;
    if (!isSame && this.#peers !== null) logger.info({ replicas: order }, 'the replicas are others now');
    this.#peers = order;
    return !isSame;
  }
}
