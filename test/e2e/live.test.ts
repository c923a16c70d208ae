import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ExchangeStage, listStored } from '../support/exchange-stage.ts';
import { MachineWatch } from '../support/machine-watch.ts';
import { PATIENCE_MS, waitUntil } from '../support/patience.ts';
import { createTestDatabase, execute } from '../support/postgres.ts';
import { startService } from '../support/service-process.ts';

const MINUTE_MS = 60_000;
const SYMBOL = 'BTC/USDT';
/** It is asked for 1 to 2 s after the end, and asked for again soon where it was not there yet. */
const ARRIVAL_MS = 8_000;

describe('live at 1m', () => {
  it('stores each candle just after it closed by the clock of the exchange, and never an open one', async () => {
    await using database = await createTestDatabase();
    // Ten minutes behind ours: whoever went by our clock would store the open candle, and ask for ten that are to come.
    const behindMs = Date.now() - 10 * MINUTE_MS;
    const nowMs = Math.floor(behindMs / MINUTE_MS) * MINUTE_MS + 48_000;
    await using stage = await ExchangeStage.open({ symbols: [SYMBOL], nowMs });
    const fromMs = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS - 30 * MINUTE_MS;
    await using service = startService({
      ...stage.environment({ symbols: [SYMBOL], timeframes: '1m', fromMs }),
      DATABASE_URL: database.url,
    });
    await service.waitUntilComplete();

    const firstOpenMs = Math.floor(stage.now() / MINUTE_MS) * MINUTE_MS;
    const arrivals = new Map<number, number>();
    const wanted = [firstOpenMs, firstOpenMs + MINUTE_MS];
    const url = database.url;
    await using machine = new MachineWatch(() => execute(url, 'select 1'), 30);
    let looks = 0;
    const lookOnce = async (): Promise<boolean> => {
      const [row] = await execute(
        database.url,
        `select (extract(epoch from max(timestamp)) * 1000)::bigint::text as newest from ohlcv_data`,
      );
      const newest = Number(row!['newest']);
      // Read after the answer: a candle that closed meanwhile is no fault.
      const lookedAt = stage.now();
      assert.ok(newest + MINUTE_MS <= lookedAt, `the candle of ${newest} was stored before its end, at ${lookedAt}`);
      if (!arrivals.has(newest)) arrivals.set(newest, lookedAt - newest - MINUTE_MS);
      if (looks++ % 20 === 0) {
        const { status, ingest } = await service.health();
        assert.deepEqual([status, ingest.behind, ingest.complete], ['healthy', 0, 1]);
      }
      await delay(100);
      return wanted.every((openMs) => arrivals.has(openMs));
    };
    await waitUntil(lookOnce, 'two candles that end', 2 * MINUTE_MS + PATIENCE_MS);
    for (const openMs of wanted) {
      const arrivedMs = arrivals.get(openMs)!;
      const lateMs = arrivedMs - machine.longestMs;
      assert.ok(lateMs <= ARRIVAL_MS, `${openMs} came ${arrivedMs} ms after its end`);
    }
    assert.deepEqual(await listStored(database.url, SYMBOL, '1m'), stage.listTruth(SYMBOL, '1m', fromMs));
    // The clock once in five minutes, and for each candle one request and seldom another.
    const live = stage.exchange.requests.filter(({ atMs }) => atMs > firstOpenMs + MINUTE_MS);
    assert.ok(live.length <= 8, `${live.length} requests for two candles`);
    const series = (await service.request('/v1/series?counts=true')).body['data'] as Record<string, unknown>[];
    assert.deepEqual(
      [series[0]?.['candles'], series[0]?.['missing'], series[0]?.['state']],
      [stage.listTruth(SYMBOL, '1m', fromMs).length, 0, 'complete'],
    );
  });
});
