import { ExchangeRejectedError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { Instrument } from '../../market/instrument.ts';
import type { Timeframe } from '../../market/timeframe.ts';
import type { BudgetState, RequestBlock } from '../exchange.ts';
import type { CcxtClient } from './ccxt-client.ts';
import { ExchangeClock, type ExchangeClockDeps } from './exchange-clock.ts';
import { MarketCatalog } from './market-catalog.ts';

export interface CcxtExchangeDeps {
  readonly client: CcxtClient;
  readonly logger: Logger;
  readonly now: () => number;
}

/** What every exchange behind ccxt has in common: its markets, its timeframes and its clock. */
export abstract class CcxtExchange {
  readonly id: string;
  protected readonly client: CcxtClient;
  protected readonly markets: MarketCatalog;
  protected readonly clock: ExchangeClock;

  constructor(deps: CcxtExchangeDeps, askTime: ExchangeClockDeps['askTime']) {
    this.id = deps.client.id;
    this.client = deps.client;
    this.markets = new MarketCatalog({ client: deps.client });
    this.clock = new ExchangeClock({ client: deps.client, askTime, now: deps.now, logger: deps.logger });
  }

  /** The request weight spent in the current minute, as the exchange told last. See `CcxtClient.usedWeights`. */
  get usedWeights(): ReadonlyMap<string, number> {
    return this.client.usedWeights;
  }

  readonly candleStream = null;

  budgets(): readonly BudgetState[] {
    return [];
  }

  block(): RequestBlock | null {
    return this.client.block();
  }

  readyAt(): number {
    return this.client.block()?.until ?? 0;
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
