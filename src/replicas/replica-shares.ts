import type { Clock } from '../clock.ts';
import { AppError, messageOf } from '../errors.ts';
import type { Service, ServiceContext } from '../lifecycle.ts';
import { sleep } from '../retry.ts';
import { countPart, ExchangeShare } from './exchange-share.ts';
import type { ReplicaLeases } from './replica-leases.ts';
import { ReplicaRoll, type ReplicaRollDeps } from './replica-roll.ts';
import { Wakeup } from '../wakeup.ts';
import { within } from './within.ts';
import type { MarketShares } from './market-shares.ts';
import type { ReplicaState } from '../market/service-state.ts';

export interface ReplicaSharesDeps extends Omit<ReplicaRollDeps, 'leases'> {
  readonly leases: ReplicaLeases;
  /** When this process last changed a row (epoch ms), or null: the others' view of the last week depends on it. */
  readonly lastWriteAt: () => number | null;
  /** Time that only runs forward; its zero does not matter. */
  readonly clock?: Clock;
}

/** A lease lives for three beats: one may get lost, and one may be late. */
const BEAT_MS = 3_000;
const TTL_MS = 9_000;
const RETRY_MS = 1_000;
const TIMEOUT_MS = 4_000;
/** Between the word to the collectors that a market goes and its release: a request in flight ends meanwhile. */
const DRAIN_MS = 1_000;
/** After so many beats each without a change among the replicas it is looked at which markets are free. */
const LOOK_BEATS = 4;
const NONE: ReadonlySet<string> = new Set();
/** For so many beats after a change one that has less than its part looks each second whether there is more. */
const IMPATIENT_BEATS = 15;

/**
 * Shares out the markets among the replicas on one database by leases: one row that each replica renews, one row for
 * each market that names its replica. docs/architecture.md has the reasons.
 *
 * Time here is the machine's own that only runs forward, never a test's fast clock and never the time of day: the lease
 * runs by the database's clock, and neither may a jump of ours lengthen it.
 */
export class ReplicaShares implements MarketShares, Service {
  readonly name = 'replica-shares';
  readonly #deps: ReplicaSharesDeps;
  readonly #clock: Clock;
  readonly #wakeup: Wakeup;
  readonly #roll: ReplicaRoll;
  readonly #shares = new Map<string, ExchangeShare>();
  readonly #listeners = new Set<() => void>();
  readonly #startedAt = Date.now();
  #state: ReplicaState['state'] = 'stopped';
  #stopping: AbortController | null = null;
  #running: Promise<void> = Promise.resolve();
  #beating: Promise<void> = Promise.resolve();
  /** By `#clock`. */
  #validUntil = -Infinity;
  #failures = 0;
  /** Counts the loop's turns: an answer of an earlier one is of no use. */
  #round = 0;
  /** Whether others are about to give up markets that are our part. */
  #isLacking = false;
  #lastError: string | null = null;

  constructor(deps: ReplicaSharesDeps) {
    this.#deps = deps;
    this.#clock = deps.clock ?? FORWARD_CLOCK;
    this.#wakeup = new Wakeup({ clock: this.#clock });
    this.#roll = new ReplicaRoll(deps);
  }

  start({ signal, fail }: ServiceContext): Promise<void> {
    if (this.#stopping !== null) return Promise.resolve();
    this.#stopping = new AbortController();
    this.#state = 'joining';
    this.#running = this.#run(AbortSignal.any([signal, this.#stopping.signal])).catch(fail);
    return Promise.resolve();
  }

  /** Gives everything up at once, so that nobody has to wait for the lease to run out. Collectors must have ended. */
  async stop(): Promise<void> {
    if (this.#stopping === null) return;
    this.#stopping.abort(new AppError('REPLICA_STOPPED', 'the replica stops'));
    await this.#running;
    this.#stopping = null;
    this.#state = 'stopped';
    this.#lose();
    const { leases, identity, logger } = this.#deps;
    try {
      // A beat that lands after the farewell would have the others count us for nine seconds.
      await within(this.#clock, TIMEOUT_MS / 2, Promise.allSettled([this.#beating]));
      await within(this.#clock, TIMEOUT_MS / 2, leases.leave(identity.id));
    } catch (error) {
      logger.warn(
        { reason: messageOf(error) },
        'this replica could not say that it leaves; its markets are free in 9 seconds',
      );
    }
  }

  /** Says which markets of an exchange are to be shared out; replaces what was said before. */
  want(exchange: string, symbols: readonly string[]): void {
    const share = this.#shares.get(exchange) ?? new ExchangeShare();
    this.#shares.set(exchange, share);
    share.want(symbols);
    this.#wakeup.wake();
  }

  held(exchange: string): ReadonlySet<string> | null {
    // Asked late, by a process that was held up: the lease may have run out before the loop could say so.
    if (this.#clock.now() >= this.#validUntil) return null;
    return this.#shares.get(exchange)?.held ?? null;
  }

  onChange(listener: () => void): () => void {
    // A wrapper of its own for each call: one that is given twice is called twice, and ended one by one.
    const entry = (): void => listener();
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  state(): ReplicaState {
    const shares = [...this.#shares.values()];
    return {
      id: this.#deps.identity.id,
      state: this.#state,
      alive: this.#roll.alive,
      strangers: this.#roll.strangers,
      markets: shares.reduce((sum, share) => sum + share.wantedCount, 0),
      held: shares.reduce((sum, share) => sum + (share.held?.size ?? 0), 0),
      last_error: this.#lastError,
    };
  }

  async #run(signal: AbortSignal): Promise<void> {
    const isStopped = (): boolean => signal.aborted;
    while (!isStopped()) {
      const begunAt = this.#clock.now();
      try {
        const leftMs = this.#validUntil - begunAt;
        const timeoutMs = leftMs > 0 ? Math.min(TIMEOUT_MS, leftMs) : TIMEOUT_MS;
        this.#beating = this.#beat(signal);
        await within(this.#clock, timeoutMs, this.#beating, signal);
        if (this.#failures > 0) this.#deps.logger.info('the leases of this replica are renewed again');
        this.#failures = 0;
        this.#lastError = null;
      } catch (error) {
        if (isStopped()) return;
        this.#note(error);
      }
      this.#round++;
      const now = this.#clock.now();
      if (now >= this.#validUntil) this.#lose();
      const pauseMs = this.#failures > 0 || this.#isLacking ? RETRY_MS : BEAT_MS;
      await this.#wakeup.wait(Math.max(0, Math.min(begunAt + pauseMs - now, this.#untilLoss(now))), signal);
    }
  }

  /** One renewal, and what follows from what it finds. */
  async #beat(signal: AbortSignal): Promise<void> {
    const { leases, identity } = this.#deps;
    const { id, host } = identity;
    const round = this.#round;
    const check = (): void => {
      signal.throwIfAborted();
      // The loop gave up waiting and may have begun anew: what comes now is older than what is known.
      if (round !== this.#round) throw new AppError('REPLICA_LATE', 'the database answered too late');
    };
    const sentAt = this.#clock.now();
    await leases.beat({
      id,
      host,
      startedAt: this.#startedAt,
      lastWriteAt: this.#deps.lastWriteAt(),
      ttlMs: TTL_MS,
    });
    if (await this.#roll.look(check)) for (const share of this.#shares.values()) share.forgetLeftovers();
    const held = Map.groupBy(await leases.listHeld(id), ({ exchange }) => exchange);
    check();
    // Before this the markets could be anybody's: another replica takes them as soon as the lease has run out.
    this.#validUntil = sentAt + TTL_MS;
    this.#state = 'member';
    let isNews = false;
    for (const [exchange, share] of this.#shares) {
      const symbols = held.get(this.#leaseOf(exchange))?.map(({ symbol }) => symbol) ?? [];
      isNews = share.learn(symbols) || isNews;
    }
    if (isNews) this.#tell();
    await this.#settle(check, signal);
  }

  /** Gives up what is more than our part, and takes what is less. */
  async #settle(check: () => void, signal: AbortSignal): Promise<void> {
    const { leases, identity, logger } = this.#deps;
    const { id } = identity;
    const { place, looksWithoutChange: beats } = this.#roll;
    const isComeback = this.#failures > 0;
    const plans = [];
    for (const [exchange, share] of this.#shares) {
      const part = countPart(share.wantedCount, place, exchange);
      const unclaimed =
        beats > 0 && beats % LOOK_BEATS === 0 ? await this.#findUnclaimed(exchange, share, check) : NONE;
      plans.push({ exchange, share, part, plan: share.plan({ part, unclaimed, isComeback }) });
    }

    const givers = plans.filter(({ plan }) => plan.give.length > 0);
    if (givers.length > 0) {
      for (const { share, plan } of givers) share.drop(plan.give);
      this.#tell();
      await this.#clock.sleep(DRAIN_MS, signal);
      for (const { exchange, plan } of givers) {
        check();
        await leases.release(id, this.#leaseOf(exchange), plan.give);
        logger.info({ exchange, markets: plan.give.length }, 'markets were given up for other replicas');
      }
    }

    let lacking = 0;
    for (const { exchange, share, part, plan } of plans) {
      if (plan.take === 0) continue;
      check();
      const taken = await leases.claim(id, this.#leaseOf(exchange), plan.ask, plan.take);
      check();
      share.add(taken, part);
      lacking += part - (share.held?.size ?? 0);
      if (taken.length === 0) continue;
      logger.info({ exchange, markets: taken.length, replicas: place.replicas }, 'markets were taken');
      this.#tell();
    }
    this.#isLacking = lacking > 0 && beats < IMPATIENT_BEATS;
  }

  /** Markets that nobody has taken for so long that every other replica has had its turn, or has lost its lease. */
  async #findUnclaimed(exchange: string, share: ExchangeShare, check: () => void): Promise<ReadonlySet<string>> {
    const free = await this.#deps.leases.listFree(this.#leaseOf(exchange), share.others);
    check();
    return share.noticeFree(free, this.#clock.now(), TTL_MS);
  }

  /** Groups hold leases of their own: a market whose 1h candles one collects is still to be had for another's 1m. */
  #leaseOf(exchange: string): string {
    return `${exchange}:${this.#deps.identity.group}`;
  }

  #untilLoss(now: number): number {
    return this.#state === 'member' ? this.#validUntil - now : Infinity;
  }

  #lose(): void {
    let isNews = false;
    for (const share of this.#shares.values()) isNews = share.lose() || isNews;
    if (this.#state === 'member') this.#state = 'lost';
    if (!isNews) return;
    if (this.#state === 'lost')
      this.#deps.logger.error(
        { reason: this.#lastError },
        'the lease of this replica ran out; it collects nothing until the database answers',
      );
    this.#tell();
  }

  #note(error: unknown): void {
    this.#lastError = messageOf(error);
    if (this.#failures++ === 0)
      this.#deps.logger.warn({ reason: this.#lastError }, 'the leases of this replica could not be renewed');
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** Milliseconds since the process began: steps of the time of day leave it alone. */
const FORWARD_CLOCK: Clock = { now: () => performance.now(), sleep };
