import { SYSTEM_CLOCK, type Clock } from '../clock.ts';
import { ConfigError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { createBinance } from './binance/create-binance.ts';
import type { Exchange } from './exchange.ts';
import { CcxtClient } from './ccxt/ccxt-client.ts';
import { findExchangeFault } from './ccxt/ccxt-library.ts';
import { UnifiedExchange } from './ccxt/unified-exchange.ts';

const REQUEST_TIMEOUT_MS = 20_000;

/** The exchanges with an adapter and known allowances of their own, by ccxt's id; the others are asked by unified calls. */
const OWN_ADAPTERS = new Map([['binance', createBinance]]);

export interface ExchangeOptions {
  /** ccxt's id, such as `binance`. */
  readonly id: string;
  /** Sends every request to this origin (`http://127.0.0.1:9001`), paths kept; null: to the exchange itself. */
  readonly origin: string | null;
  readonly logger: Logger;
  /** The longest that one request may take, its answer's body included. Default 20 s. */
  readonly requestTimeoutMs?: number;
  /** Our clock. Default the machine's. */
  readonly clock?: Clock;
  /**
   * How many processes of this service may send from our address, this one included: of the limits whose count the
   * exchange does not tell each takes an equal part. Default one.
   */
  readonly sharedBy?: () => number;
}

/**
 * The exchange of this id behind our port. Loads its class from ccxt (about 0.2 s, 80 MB); no request leaves.
 *
 * @throws ConfigError where ccxt has no such exchange or the exchange no spot candles, or the origin is none.
 */
export async function createExchange(options: ExchangeOptions): Promise<Exchange> {
  const { id, logger, requestTimeoutMs = REQUEST_TIMEOUT_MS, clock = SYSTEM_CLOCK, sharedBy = () => 1 } = options;
  const fault = findExchangeFault(id);
  if (fault !== null) throw new ConfigError([fault]);
  const createOwn = OWN_ADAPTERS.get(id);
  const origin = options.origin === null ? null : readOrigin(id, options.origin);
  const client = await CcxtClient.create({
    id,
    origin,
    requestTimeoutMs,
    clock,
    logger,
    // Where we know the allowances: ccxt counts them all as one, and lets too much through.
    spacesRequests: createOwn === undefined,
  });
  const { has } = client.instance;
  // 'emulated' would build candles from trades: not what the exchange says.
  if (has['fetchOHLCV'] !== true || has['spot'] === false) {
    throw new ConfigError([`the exchange "${id}" has no spot candles, so there is nothing to keep from it`]);
  }
  const deps = { client, logger, clock };
  return createOwn === undefined ? new UnifiedExchange(deps) : createOwn({ ...deps, sharedBy }, origin);
}

function readOrigin(id: string, text: string): string {
  const url = URL.parse(text);
  if (url !== null && (url.protocol === 'http:' || url.protocol === 'https:')) return url.origin;
  throw new ConfigError([`EXCHANGE_URLS: "${text}" for ${id} is not an origin such as http://127.0.0.1:9001`]);
}
