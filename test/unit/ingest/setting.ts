import { MemoryStores } from './memory-stores.ts';
import { IngestService, type CollectConfig } from '../../../src/ingest/ingest-service.ts';
import type { BlockStore } from '../../../src/ingest/exchange/shared-blocks.ts';
import type { WindowStore } from '../../../src/ingest/exchange/wanted-windows.ts';
import { parseTimeframe } from '../../../src/market/timeframe.ts';
import { createKeptLog } from '../../support/kept-log.ts';
import { MemoryExchange, VirtualClock } from './fakes.ts';
import type { MarketShares } from '../../../src/replicas/market-shares.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
/** A Wednesday, half a minute after a full hour. */
export const START = Date.UTC(2024, 4, 15, 12, 0, 30);
export const M1 = parseTimeframe('1m');
export const H1 = parseTimeframe('1h');
export const BTC = { exchange: 'binance', symbol: 'BTC/USDT', timeframe: M1 };

type Collect = Partial<CollectConfig> & { readonly sinceMs?: number };
type ExchangeOptions = Omit<ConstructorParameters<typeof MemoryExchange>[0], 'clock' | 'logger'>;

/** An exchange, stores and a clock in memory, and services over them. `stop` ends every service. */
export function createSetting({
  shares,
  blocks,
  windows,
  ...options
}: ExchangeOptions & { shares?: MarketShares; blocks?: BlockStore; windows?: WindowStore } = {}) {
  const clock = new VirtualClock(START);
  const { logger, lines } = createKeptLog();
  const exchange = new MemoryExchange({ clock, logger, ...options });
  const stores = new MemoryStores();
  const failures: unknown[] = [];
  const running: IngestService[] = [];
  const create = ({ sinceMs = START - DAY, ...collect }: Collect = {}) => {
    const service = new IngestService({
      openExchange: () => Promise.resolve(exchange),
      stores,
      ...(shares ? { shares } : {}),
      ...(blocks ? { blocks } : {}),
      ...(windows ? { windows } : {}),
      collect: {
        markets: [{ exchange: 'binance', symbol: 'BTC/USDT' }],
        timeframes: [M1],
        backfill: { fromMs: sinceMs },
        futures: false,
        confirmEmptyAfterMs: MINUTE,
        ...collect,
      },
      logger,
      clock,
      random: () => 0.5,
    });
    running.push(service);
    return service;
  };
  const start = async (collect?: Collect) => {
    const service = create(collect);
    await service.start({ signal: new AbortController().signal, fail: (error) => failures.push(error) });
    return service;
  };
  const untilComplete = (service: IngestService, limitMs = HOUR) =>
    clock.runUntil(
      () => service.series().length > 0 && service.series().every(({ state }) => state === 'complete'),
      limitMs,
    );
  const count = (msg: string) => lines.filter((line) => line.msg === msg).length;
  const stop = async () => {
    await Promise.all(running.splice(0).map((service) => service.stop()));
  };
  return { clock, exchange, stores, lines, failures, create, start, untilComplete, count, stop };
}

export const closedUntil = (nowMs: number) => Math.floor(nowMs / MINUTE) * MINUTE;
