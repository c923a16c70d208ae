import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { loadRecordedCandles, type RecordedSeries } from '../../src/exchanges/simulated/recorded-candles.ts';
import { countStored, ExchangeStage, listStored } from '../support/exchange-stage.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { startService } from '../support/service-process.ts';

const RECORDINGS = resolve(import.meta.dirname, '../../../shared/data');
const skip = existsSync(RECORDINGS) ? false : `the recorded candles are not there: ${RECORDINGS}`;
const HOUR_MS = 3_600_000;
/** The service believes no clock that shows an earlier time. */
const EARLIEST_CLOCK_MS = Date.UTC(2020, 0, 1);

const RECORDED = {
  'XRP/ETH of Binance with its 676 gaps': [['XRP/ETH', 'freqtrade/XRP_ETH-1m.json', 2469]],
  'VVS, EOS and SUN of Bitget': [
    ['VVS/USDT', 'cryptofeed/bitget_VVSUSDT_1m.json', 1000],
    ['EOS/USDT', 'cryptofeed/bitget_EOSUSDT_1m.json', 1000],
    ['SUN/USDT', 'cryptofeed/bitget_SUNUSDT_1m.json', 1000],
  ],
} as const;

describe('recorded candles through the wire into PostgreSQL', { skip }, () => {
  for (const [name, files] of Object.entries(RECORDED)) {
    describe(name, () => {
      let recorded: RecordedSeries[];
      let total: number;
      let sinceMs: number;
      let database: TestDatabase;
      let stage: ExchangeStage;

      before(async () => {
        recorded = await Promise.all(
          files.map(async ([symbol, file, count]) => {
            const candles = await loadRecordedCandles(join(RECORDINGS, file));
            assert.equal(candles.length, count);
            return { symbol, timeframe: '1m', candles };
          }),
        );
        total = recorded.reduce((sum, { candles }) => sum + candles.length, 0);
        sinceMs = Math.min(...recorded.map(({ candles }) => candles[0]![0]));
        const lastMs = Math.max(...recorded.map(({ candles }) => candles.at(-1)![0]));
        stage = await ExchangeStage.open({ recorded, nowMs: Math.max(lastMs, EARLIEST_CLOCK_MS) + HOUR_MS });
      });
      after(() => stage.exchange.close());

      const environment = () => ({
        DATABASE_URL: database.url,
        ...stage.environment({
          symbols: recorded.map(({ symbol }) => symbol),
          timeframes: '1m',
          fromMs: sinceMs - 24 * HOUR_MS,
        }),
      });
      const assertStoredAsRecorded = async () => {
        for (const { symbol, candles } of recorded)
          assert.deepEqual(await listStored(database.url, symbol, '1m'), candles, symbol);
        assert.equal(await countStored(database.url), total, 'rows of another series');
      };

      it('are stored digit for digit, none more and none less', async () => {
        await using fresh = await createTestDatabase();
        database = fresh;
        await using service = startService(environment());
        const health = await service.waitUntilComplete();
        assert.equal(health.status, 'healthy');
        assert.equal(health.schema?.version, health.schema?.head);
        await assertStoredAsRecorded();
        assert.equal((await service.end('SIGTERM')).code, 0);
      });

      it('are complete without a repetition after a SIGKILL in the middle of the backfill', async () => {
        await using fresh = await createTestDatabase();
        database = fresh;
        // The pages with the oldest candles never come: the kill lands in the middle however fast the machine is.
        let stalled = 0;
        stage.intercept = ({ path, query }) => {
          const isOldest = query.get('interval') === '1m' && Number(query.get('startTime')) <= sinceMs;
          if (path !== '/api/v3/klines' || !isOldest) return undefined;
          stalled++;
          return { stall: 'headers' };
        };
        {
          await using service = startService(environment());
          await service.waitFor(() => stalled > 0);
          const deadline = Date.now() + 15_000;
          while ((await countStored(database.url)) === 0) {
            assert.ok(Date.now() < deadline, 'nothing is stored');
            await delay(50);
          }
          assert.deepEqual(await service.end('SIGKILL'), { code: null, signal: 'SIGKILL' });
        }
        const kept = await countStored(database.url);
        assert.ok(kept > 0 && kept < total, `${kept} of ${total} rows at the kill`);
        stage.intercept = () => undefined;
        await using service = startService(environment());
        await service.waitUntilComplete();
        await assertStoredAsRecorded();
      });
    });
  }
});
