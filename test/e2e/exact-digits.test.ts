import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseRecordedCandles } from '../../simulator/recorded-candles.ts';
import { ExchangeStage, listStored } from '../support/exchange-stage.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { startService } from '../support/service-process.ts';

const HOUR_MS = 3_600_000;
const OPEN_MS = Date.UTC(2026, 0, 1);

/** More digits than a float holds, values that a float writes as 1e-7 or 1e+21, and zeros at the end. */
const CANDLES = parseRecordedCandles(`[
  [${OPEN_MS}, "0.00000010", "0.000000123456789012", "0.0000001", "0.00000011", "12345678901234567890.12345678"],
  [${OPEN_MS + HOUR_MS}, "1.10", "1.1000000000000000001", "1.0999999999999999999", "1.100", "0.00000000"],
  [${OPEN_MS + 2 * HOUR_MS}, "90071992.54740993", "90071992.54740995", "90071992.54740993", "90071992.54740994", "3"]
]`);

describe('digits that no float holds', () => {
  it('are the same in the database and in the answer as on the wire', async () => {
    await using database = await createTestDatabase();
    await using stage = await ExchangeStage.open({
      recorded: [{ symbol: 'PEPE/USDT', timeframe: '1h', candles: CANDLES }],
      nowMs: OPEN_MS + 5 * HOUR_MS,
    });
    await using service = startService({
      ...stage.environment({ symbols: ['PEPE/USDT'], timeframes: '1h', fromMs: OPEN_MS - 24 * HOUR_MS }),
      DATABASE_URL: database.url,
      // The hours before and after are empty, by two answers.
      CONFIRM_EMPTY_AFTER_S: '1',
    });
    await service.waitUntilComplete();
    assert.deepEqual(await listStored(database.url, 'PEPE/USDT', '1h'), CANDLES);
    const since = new Date(OPEN_MS).toISOString();
    const { body } = await service.request(`/v1/ohlcv?symbol=PEPE/USDT&timeframe=1h&since=${since}`);
    const answered = (body['data'] as Record<string, string>[]).map(({ timestamp, open, high, low, close, volume }) => [
      Date.parse(timestamp!),
      ...[open, high, low, close, volume],
    ]);
    assert.deepEqual(answered, CANDLES);
  });
});
