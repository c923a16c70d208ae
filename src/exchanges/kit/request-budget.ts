import type { Clock } from '../../clock.ts';
import { HOUR_MS } from '../../market/moments.ts';
import type { BudgetState } from '../exchange.ts';

/**
 * Shares of the limit. A lane lets `burst` through at once and then `perWindow` evenly, so that no window of that
 * length, wherever it starts, sees more than the two together; and nothing once the exchange's own count is at `ceiling`.
 */
const URGENT = { burst: 0.1, perWindow: 0.8, ceiling: 0.9 } as const;
const PATIENT = { burst: 0.05, perWindow: 0.7, ceiling: 0.75 } as const;
/** What the patient leave untouched of the urgent lane's burst. */
const KEPT_BACK = 0.05;
/** At the start a process knows nothing of what the one before it has spent: no whole burst yet. */
const FIRST_TOKENS = 0.02;
/** How far our picture of the exchange's clock may be off where its windows begin and end. */
const EDGE_MS = 1_000;
/** What of the unused part each process takes for the next window: two or three may do so at once. */
const GROWTH = 0.5;
/** What is never given up for others. */
const LEAST_SHARE = { patient: 0.02, urgent: 0.07 } as const;
/**
 * What a refusal leaves of our shares. A count that the exchange tells shows us who spends besides; where it tells none,
 * there may be two more like us, and who overruns a limit again within the hour is banned.
 */
const CUT = { told: 1 / 2, unrecorded: 1 / 3 } as const;
const LEAST_FACTOR = 1 / 9;
/** A tenth of the shares comes back with each window, where the exchange tells no count only after this long. */
const UNRECORDED_CUT_MS = 2 * HOUR_MS;

/** In smaller parts a burst would hold no request any more. */
const MOST_SHARERS = 8;

export interface RequestBudgetDeps {
  readonly name: string;
  /** Weight (or requests) that the exchange allows in `windowMs`. */
  readonly limit: number;
  readonly windowMs: number;
  readonly clock: Clock;
  /** The exchange's clock in epoch milliseconds, on whose multiples of `windowMs` its windows start. */
  readonly exchangeNow: () => number;
  /** How many processes like this one share the address, this one included. */
  readonly sharedBy: () => number;
}

/** What a request costs: an amount of one allowance. */
export interface Charge {
  readonly budget: RequestBudget;
  readonly weight: number;
}

interface Window {
  readonly index: number;
  /** Whether it was seen from its beginning. */
  readonly isWhole: boolean;
  /** Spent by this process. */
  own: number;
  /** Spent by others on our address, as far as the exchange's count has told. */
  others: number;
  /** Where in the window (from 0 to 1) the exchange told its count last; 0: not yet. */
  toldAt: number;
}

/**
 * One allowance of an exchange. Spreads our requests evenly over at most nine tenths of it, of which the urgent ones may
 * use all and the others three quarters, and makes room for what other processes on the same address spend, which is
 * known from the count in the exchange's answers.
 */
export class RequestBudget {
  readonly name: string;
  readonly limit: number;
  readonly windowMs: number;
  readonly #clock: Clock;
  readonly #exchangeNow: () => number;
  readonly #sharedBy: () => number;
  readonly #tokens: { urgent: number; patient: number };
  #filledAt: number;
  #factor = 1;
  #isTold = false;
  #mendsAt = 0;
  #window: Window;
  /** The shares of the limit for a window that leave room for what others spend. */
  #shares = { patient: PATIENT.perWindow as number, urgent: URGENT.perWindow as number };

  constructor(deps: RequestBudgetDeps) {
    this.name = deps.name;
    this.limit = deps.limit;
    this.windowMs = deps.windowMs;
    this.#clock = deps.clock;
    this.#exchangeNow = deps.exchangeNow;
    this.#sharedBy = deps.sharedBy;
    const first = FIRST_TOKENS * deps.limit;
    this.#tokens = { urgent: KEPT_BACK * deps.limit + first, patient: first };
    this.#filledAt = deps.clock.now();
    this.#window = { index: this.#windowIndex(), isWhole: false, own: 0, others: 0, toldAt: 0 };
  }

  state(): BudgetState {
    this.#advance();
    const { own, others } = this.#window;
    return { name: this.name, limit: this.limit, windowMs: this.windowMs, used: own + others };
  }

  /** When (our clock, epoch ms) a request of this weight may leave; now at the earliest. Nothing is taken. */
  readyAt(weight: number, isUrgent: boolean): number {
    this.#advance();
    const { urgent, patient } = this.#tokens;
    const rates = this.#ratesPerMs();
    const kept = isUrgent ? 0 : KEPT_BACK * this.#part() * this.limit;
    let waitMs = Math.max(0, (weight + kept - urgent) / rates.urgent);
    if (!isUrgent) waitMs = Math.max(waitMs, (weight - patient) / rates.patient);
    const ceiling = (isUrgent ? URGENT : PATIENT).ceiling * this.limit;
    const { own, others } = this.#window;
    if (own + others + weight > ceiling) waitMs = Math.max(waitMs, this.#windowLeftMs() + EDGE_MS);
    return this.#clock.now() + Math.ceil(waitMs);
  }

  /**
   * Waits until a request of this weight may leave (as an urgent one), and takes it. Rejects with the signal's reason, or
   * with what `onWake` throws after a wait: much may have changed meanwhile.
   */
  async take(weight: number, signal: AbortSignal, onWake: () => void): Promise<void> {
    signal.throwIfAborted();
    for (;;) {
      const waitMs = this.readyAt(weight, true) - this.#clock.now();
      if (waitMs <= 0) break;
      await this.#clock.sleep(waitMs, signal);
      onWake();
    }
    this.#tokens.urgent -= weight;
    // The urgent ones push the others back, but not for ever.
    this.#tokens.patient = Math.max(-PATIENT.burst * this.limit, this.#tokens.patient - weight);
    this.#window.own += weight;
  }

  /**
   * Notes the exchange's own count of its current window, from the answer to a request that was sent at `sentAt` (our
   * clock).
   */
  note(used: number, sentAt: number): void {
    this.#advance();
    this.#isTold = true;
    const sinceSentMs = Math.max(0, this.#clock.now() - sentAt);
    // Near its beginning the count may still be that of the window before.
    const elapsedMs = this.windowMs - this.#windowLeftMs();
    if (elapsedMs < sinceSentMs + EDGE_MS) return;
    this.#window.others = Math.max(this.#window.others, used - this.#window.own);
    this.#window.toldAt = elapsedMs / this.windowMs;
  }

  /** Notes a refusal (429) though we kept to our shares: somebody spends besides us whom the exchange's count hides. */
  cut(): void {
    this.#advance();
    this.#factor = Math.max(LEAST_FACTOR, this.#factor * (this.#isTold ? CUT.told : CUT.unrecorded));
    this.#mendsAt = this.#isTold ? 0 : this.#clock.now() + UNRECORDED_CUT_MS;
    this.#tokens.urgent = Math.min(0, this.#tokens.urgent);
    this.#tokens.patient = Math.min(0, this.#tokens.patient);
  }

  #advance(): void {
    const now = this.#clock.now();
    // A clock that was set back must not take anything away.
    const elapsedMs = Math.max(0, now - this.#filledAt);
    const rates = this.#ratesPerMs();
    const { urgent, patient } = this.#tokens;
    const ours = this.#part() * this.limit;
    this.#tokens.urgent = Math.min(URGENT.burst * ours, urgent + elapsedMs * rates.urgent);
    this.#tokens.patient = Math.min(PATIENT.burst * ours, patient + elapsedMs * rates.patient);
    this.#filledAt = now;
    this.#turnWindow();
  }

  #turnWindow(): void {
    const index = this.#windowIndex();
    const before = this.#window;
    // One back: the exchange's clock was measured anew, at a boundary.
    if (index === before.index || index === before.index - 1) return;
    if (before.isWhole && before.toldAt > 0) this.#adaptShares(before);
    if (this.#clock.now() >= this.#mendsAt) this.#factor = Math.min(1, this.#factor + 0.1);
    this.#window = { index, isWhole: index === before.index + 1, own: 0, others: 0, toldAt: 0 };
  }

  /**
   * Makes room for others, or takes what they left: all by the same factor down and by the same amount up, so that
   * processes of our kind come to equal parts.
   */
  #adaptShares({ own, others, toldAt }: Window): void {
    // Whoever is at the ceiling early asks no more, and does not hear of the rest of the window: they will go on so.
    const wholeWindow = this.limit * Math.max(0.25, toldAt);
    const total = (own + others) / wholeWindow;
    const { patient } = this.#shares;
    const wanted =
      total > PATIENT.perWindow
        ? (patient * PATIENT.perWindow) / total
        : Math.min(PATIENT.perWindow, patient + GROWTH * (PATIENT.perWindow - total));
    const adapted = Math.max(LEAST_SHARE.patient, wanted);
    const kept = Math.max(LEAST_SHARE.urgent, adapted + LEAST_SHARE.urgent - LEAST_SHARE.patient);
    this.#shares = { patient: adapted, urgent: Math.max(kept, URGENT.perWindow - others / wholeWindow) };
  }

  /** How fast the lanes fill, in weight per millisecond. */
  #ratesPerMs(): { urgent: number; patient: number } {
    const perMs = (this.#factor * this.#part() * this.limit) / this.windowMs;
    return { urgent: this.#shares.urgent * perMs, patient: this.#shares.patient * perMs };
  }

  #windowIndex(): number {
    return Math.floor(this.#exchangeNow() / this.windowMs);
  }

  #windowLeftMs(): number {
    return (this.#window.index + 1) * this.windowMs - this.#exchangeNow();
  }

  /** Of a limit whose count the exchange does not tell, an equal part for each of us; otherwise we see each other. */
  #part(): number {
    return this.#isTold ? 1 : 1 / Math.min(MOST_SHARERS, Math.max(1, this.#sharedBy()));
  }
}
