import { MemoryStores } from '../memory-stores.ts';
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { IngestService } from '../../../../src/ingest/ingest-service.ts';
import { seriesKey } from '../../../../src/market/instrument.ts';
import { parseTimeframe } from '../../../../src/market/timeframe.ts';
import { createKeptLog } from '../../../support/kept-log.ts';
import { createCandle, MemoryExchange, MemoryStream, VirtualClock } from '../fakes.ts';
import type { SeriesCandles } from '../../../../src/market/commit-entry.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const START = Date.UTC(2024, 4, 15, 12, 0, 30);
const M1 = parseTimeframe('1m');

it('tells of candles of history and of the live stream, once they are committed and not before', async () => {
  const clock = new VirtualClock(START);
  const exchange = new MemoryExchange({ clock });
  exchange.list('BTC/USDT', createCandle);
  const stream = new MemoryStream();
  exchange.candleStream = stream;
  const stores = new MemoryStores();
  const told: SeriesCandles[] = [];
  const uncommitted: number[] = [];
  const failures: unknown[] = [];
  const service = new IngestService({
    openExchange: () => Promise.resolve(exchange),
    stores,
    collect: {
      markets: [{ exchange: 'binance', symbol: 'BTC/USDT' }],
      timeframes: [M1],
      backfill: { fromMs: START - 5 * HOUR },
      futures: false,
      confirmEmptyAfterMs: MINUTE,
    },
    logger: createKeptLog().logger,
    clock,
    random: () => 0.5,
    onStored: (stored) => {
      told.push(...stored);
      for (const { series, candles } of stored) {
        const rows = new Set(stores.list(series).map(({ timestamp }) => timestamp));
        uncommitted.push(...candles.map(({ timestamp }) => timestamp).filter((slot) => !rows.has(slot)));
      }
    },
  });
  await service.start({ signal: new AbortController().signal, fail: (error) => failures.push(error) });
  try {
    assert.ok(
      await clock.runUntil(() => service.series().some(({ state }) => state === 'complete'), HOUR),
      'the window is stored',
    );
    const slots = new Set(told.flatMap(({ candles }) => candles.map(({ timestamp }) => timestamp)));
    const series = { exchange: 'binance', symbol: 'BTC/USDT', timeframe: M1 };
    assert.deepEqual(
      [...slots].toSorted(),
      stores.list(series).map(({ timestamp }) => timestamp),
    );
    assert.deepEqual(new Set(told.map((each) => seriesKey(each.series))), new Set(['binance BTC/USDT 1m']));

    const slot = Math.ceil(clock.now() / MINUTE) * MINUTE;
    assert.ok(await clock.runUntil(() => clock.now() >= slot + MINUTE, HOUR));
    told.length = 0;
    stream.send('BTC/USDT', M1, createCandle(slot));
    assert.ok(await clock.runUntil(() => told.length > 0, 2_000), 'the stream’s candle is told before REST asks');
    assert.deepEqual(told[0]?.candles, [createCandle(slot)]);
    assert.deepEqual(uncommitted, []);
    assert.deepEqual(failures, []);
  } finally {
    await service.stop();
  }
});
