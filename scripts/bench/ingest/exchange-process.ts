import { SimulatedExchange } from '../../../simulator/simulated-exchange.ts';
import { inventMarkets } from '../../../simulator/symbol-catalogue.ts';

/** What the parent asks for; each is answered by a tally, which says what holds from then on. */
export type ExchangeOrder = 'count' | 'refuse streams';

/** What the simulated exchange did since its start. */
export interface ExchangeTally {
  readonly requests: number;
  readonly pushes: number;
  readonly bans: number;
  readonly streams: number;
}

export interface ExchangeReady {
  readonly origin: string;
}

/**
 * The simulated exchange in a process of its own, by the machine's clock: with as many markets as the first argument
 * says, its REST answers over as many milliseconds as the second one says.
 */
const [markets = '', latencyMs = ''] = process.argv.slice(2);
const send = (message: ExchangeReady | ExchangeTally): void => {
  process.send?.(message);
};
let isRefusing = false;
const exchange = new SimulatedExchange({
  seed: 'bench',
  symbols: inventMarkets(Number(markets)),
  intercept: () => ({ slowMs: Number(latencyMs) }),
  streamFaults: {
    fateOf: () => ({ isRefused: isRefusing }),
    replace: (push) => [{ push, delayMs: 0 }],
  },
});
process.on('message', (order: ExchangeOrder) => {
  if (order === 'refuse streams') {
    isRefusing = true;
    exchange.streams.dropAll();
  }
  const { requestCount: requests, bans, streams } = exchange;
  send({ requests, bans, pushes: streams.pushCount, streams: streams.openConnections });
});
// The parent ended, in whatever way.
process.once('disconnect', () => process.exit());
send(await exchange.listen());
