import type { Clock } from '../../clock.ts';
import type { BudgetState } from '../exchange.ts';

/**
 * Shares of the limit. A lane lets `burst` through at once and then `perWindow` evenly, so that no window of that
 * length, wherever it starts, sees more than the two together; and nothing once the exchange's own count is at `ceiling`.
 */
const URGENT = { burst: 0.1, perWindow: 0.8, ceiling: 0.9 } as const;
const PATIENT = { burst: 0.05, perWindow: 0.7, ceiling: 0.75 } as const;
/** What the patient leave untouched of the urgent lane's burst. */
const KEPT_BACK = 0.05;
/** At the start a process knows nothing of what the one before it has spent: no burst yet. */
const FIRST_TOKENS = 0.02;
/** How far our picture of the exchange's clock may be off where its windows begin and end. */
const EDGE_MS = 1_000;
/** How many windows are looked back on for what others on the address spend. */
const WINDOWS_KEPT = 3;
/** What is left of the shares after refusals, at worst; each window without one gives a tenth back. */
const LEAST_FACTOR = 0.25;

export interface RequestBudgetDeps {
  readonly name: string;
  /** Weight (or requests) that the exchange allows in `windowMs`. */
  readonly limit: number;
  readonly windowMs: number;
  readonly clock: Clock;
  /** The exchange's clock in epoch milliseconds, on whose multiples of `windowMs` its windows start. */
  readonly exchangeNow: () => number;
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
  readonly #tokens: { urgent: number; patient: number };
  #filledAt: number;
  #factor = 1;
  #window: Window;
  #othersBefore: number[] = [];

  constructor(deps: RequestBudgetDeps) {
    this.name = deps.name;
    this.limit = deps.limit;
    this.windowMs = deps.windowMs;
    this.#clock = deps.clock;
    this.#exchangeNow = deps.exchangeNow;
    this.#tokens = { urgent: FIRST_TOKENS * deps.limit, patient: FIRST_TOKENS * deps.limit };
    this.#filledAt = deps.clock.now();
    this.#window = { index: this.#windowIndex(), isWhole: false, own: 0, others: 0 };
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
    const kept = isUrgent ? 0 : KEPT_BACK * this.limit;
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
    const sinceSentMs = Math.max(0, this.#clock.now() - sentAt);
    // Near its beginning the count may still be that of the window before.
    if (this.windowMs - this.#windowLeftMs() < sinceSentMs + EDGE_MS) return;
    this.#window.others = Math.max(this.#window.others, used - this.#window.own);
  }

  /** Notes a refusal (429) though we kept to our shares: somebody spends besides us whom the exchange's count hides. */
  cut(): void {
    this.#advance();
    this.#factor = Math.max(LEAST_FACTOR, this.#factor / 2);
    this.#tokens.urgent = Math.min(0, this.#tokens.urgent);
    this.#tokens.patient = Math.min(0, this.#tokens.patient);
  }

  #advance(): void {
    const now = this.#clock.now();
    // A clock that was set back must not take anything away.
    const elapsedMs = Math.max(0, now - this.#filledAt);
    const rates = this.#ratesPerMs();
    const { urgent, patient } = this.#tokens;
    this.#tokens.urgent = Math.min(URGENT.burst * this.limit, urgent + elapsedMs * rates.urgent);
    this.#tokens.patient = Math.min(PATIENT.burst * this.limit, patient + elapsedMs * rates.patient);
    this.#filledAt = now;
    this.#turnWindow();
  }

  #turnWindow(): void {
    const index = this.#windowIndex();
    const before = this.#window;
    // One back: the exchange's clock was measured anew, at a boundary.
    if (index === before.index || index === before.index - 1) return;
    const isNext = index === before.index + 1;
    if (!isNext) this.#othersBefore = [];
    else if (before.isWhole) this.#othersBefore = [before.others, ...this.#othersBefore].slice(0, WINDOWS_KEPT);
    this.#factor = Math.min(1, this.#factor + 0.1);
    this.#window = { index, isWhole: isNext, own: 0, others: 0 };
  }

  /** How fast the lanes fill, in weight per millisecond, beside what others spend. */
  #ratesPerMs(): { urgent: number; patient: number } {
    const others = Math.max(this.#window.isWhole ? this.#window.others : 0, ...this.#othersBefore) / this.limit;
    // At least a fifth where that much is free, so that two processes which both see each other share, and never nothing.
    const patient = Math.max(PATIENT.perWindow - others, Math.min(0.2, 0.85 - others), 0.02);
    const urgent = Math.max(URGENT.perWindow - others, patient + 0.05);
    const perMs = (this.#factor * this.limit) / this.windowMs;
    return { urgent: urgent * perMs, patient: patient * perMs };
  }

  #windowIndex(): number {
    return Math.floor(this.#exchangeNow() / this.windowMs);
  }

  #windowLeftMs(): number {
    return (this.#window.index + 1) * this.windowMs - this.#exchangeNow();
  }
}
