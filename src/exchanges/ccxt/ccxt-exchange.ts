import type { Clock } from '../../clock.ts';
import { ExchangeRejectedError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { Instrument } from '../../market/instrument.ts';
import type { Timeframe } from '../../market/timeframe.ts';
import type { AccessState, BudgetState, CandleStream, RequestBlock, RequestCost, RequestKind } from '../exchange.ts';
import type { CcxtClient, ObservedAnswer } from './ccxt-client.ts';
import { ExchangeClock, type ExchangeClockDeps } from '../kit/exchange-clock.ts';
import { MarketCatalog } from './market-catalog.ts';
import type { Charge } from '../kit/request-budget.ts';

export interface CcxtExchangeDeps {
  readonly client: CcxtClient;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** The allowances of an exchange whose requests we space ourselves. */
export interface RequestAllowances {
  costOf(kind: RequestKind): readonly Charge[];
  /** When (our clock, epoch ms) a call of this kind may leave without waiting. */
  readyAt(kind: RequestKind, isUrgent: boolean): number;
  states(): readonly BudgetState[];
  noteAnswer(answer: ObservedAnswer): void;
}

/** What every exchange behind ccxt has in common: its markets, its timeframes, its clock and when it may be asked. */
export abstract class CcxtExchange {
  readonly id: string;
  protected readonly client: CcxtClient;
  protected readonly markets: MarketCatalog;
  protected readonly clock: ExchangeClock;
  readonly #allowances: RequestAllowances | null;

  /** Without `allowances` ccxt spaces the requests, and nothing is known of what they cost. */
  constructor(
    deps: CcxtExchangeDeps,
    askTime: ExchangeClockDeps['askTime'],
    allowances: RequestAllowances | null = null,
  ) {
    this.id = deps.client.id;
    this.client = deps.client;
    this.markets = new MarketCatalog({ client: deps.client, cost: allowances?.costOf('listing') ?? [] });
    this.clock = new ExchangeClock({ client: deps.client, askTime, clock: deps.clock, logger: deps.logger });
    this.#allowances = allowances;
    deps.client.observe({
      exchangeNow: () => this.clock.now(),
      onAnswer: (answer) => {
        this.clock.noteDate(answer.headers.get('date'));
        allowances?.noteAnswer(answer);
      },
    });
  }

  get candleStream(): CandleStream | null {
    return null;
  }

  budgets(): readonly BudgetState[] {
    return this.#allowances?.states() ?? [];
  }

  access(): AccessState {
    return this.client.access.state();
  }

  adoptBlock(block: RequestBlock): void {
    this.client.access.adoptBlock(block);
  }

  noteSign(): boolean {
    return this.client.access.noteSign();
  }

  costOf(kind: RequestKind): readonly RequestCost[] {
    const charges = this.#allowances?.costOf(kind) ?? [];
    return charges.map(({ budget, weight }) => ({ counter: budget.name, weight }));
  }

  readyAt(kind: RequestKind, isUrgent: boolean): number {
    return Math.max(this.access().until, this.#allowances?.readyAt(kind, isUrgent) ?? 0);
  }

  hasTimeframe(timeframe: Timeframe): boolean {
    return Object.hasOwn(this.client.instance.timeframes, timeframe);
  }

  now(): number | null {
    return this.clock.now();
  }

  async fetchTime(signal: AbortSignal): Promise<number> {
    return await this.clock.measure(signal);
  }

  async fetchInstruments(signal: AbortSignal): Promise<Instrument[]> {
    const instruments = await this.markets.reload(signal);
    await this.clock.current(signal);
    return instruments;
  }

  close(): Promise<void> {
    this.client.close();
    return Promise.resolve();
  }

  /** @throws ExchangeRejectedError with reason `timeframe`: ccxt sends an unknown one as it is. */
  protected requireTimeframe(timeframe: Timeframe): void {
    if (this.hasTimeframe(timeframe)) return;
    const offered = Object.keys(this.client.instance.timeframes).join(', ');
    throw new ExchangeRejectedError(this.id, `${this.id} has no ${timeframe} candles; it offers ${offered}`, {
      reason: 'timeframe',
    });
  }
}
