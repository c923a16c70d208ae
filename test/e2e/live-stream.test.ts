import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EventStream } from '../support/event-stream.ts';
import { ExchangeStage } from '../support/exchange-stage.ts';
import { MachineWatch } from '../support/machine-watch.ts';
import { createMinuteClock } from '../support/minute-clock.ts';
import { waitUntil } from '../support/patience.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { startService } from '../support/service-process.ts';

const MINUTE_MS = 60_000;
const SYMBOL = 'BTC/USDT';

interface Told {
  readonly timestamp: string;
  readonly close: string;
}

describe('GET /v1/stream of a whole service', () => {
  it('brings a candle seconds after its end, tells it to a chart too, and lets a client go on after a restart', async () => {
    await using database = await createTestDatabase();
    const startMs = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS + 40_000;
    const time = { startMs, originMs: Date.now() };
    const nowMs = startMs - 10 * MINUTE_MS;
    await using stage = await ExchangeStage.open({ symbols: [SYMBOL], nowMs, clock: createMinuteClock(time) });
    const fromMs = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS - 30 * MINUTE_MS;
    const environment = {
      ...stage.environment({ symbols: [SYMBOL], timeframes: '1m', fromMs }),
      DATABASE_URL: database.url,
      MINUTE_TIME: JSON.stringify(time),
    };
    const start = () => startService(environment, { script: 'test/support/fast-service.ts' });
    let lastEventId: string;
    let first: Told;
    {
      await using service = start();
      await service.waitUntilComplete();
      // Far from the end of a minute, so that there is no doubt which candle is the next one.
      const second = () => (stage.now() % MINUTE_MS) / 1000;
      await waitUntil(() => second() >= 10 && second() <= 30, 'the first half of a minute');
      const openedMs = stage.now();
      await using stream = await EventStream.open(`${await service.url()}/v1/stream?symbol=${SYMBOL}`);
      await stream.waitFor('health');
      await using machine = new MachineWatch();
      const latestMs = Math.floor(stage.now() / MINUTE_MS) * MINUTE_MS;
      [first] = (await stream.waitFor('candle')) as [Told];
      const toldAt = stage.now();
      const openMs = Date.parse(first.timestamp);
      // Which is that in progress when it was opened, however long that took.
      assert.ok(openMs >= Math.floor(openedMs / MINUTE_MS) * MINUTE_MS && openMs <= latestMs, first.timestamp);
      const lateMs = toldAt - openMs - MINUTE_MS - machine.longestMs;
      assert.ok(lateMs < 8_000 || openMs < latestMs, `it comes within seconds of its end: ${lateMs} ms`);
      const [truth] = stage.listTruth(SYMBOL, '1m', openMs);
      assert.equal(Number(first.close), Number(truth?.[4]));
      const query = `symbol=${SYMBOL}&resolution=1&from=0&to=${openMs / 1000 + 60}&countback=3`;
      const { body } = await service.request(`/udf/history?${query}`);
      assert.deepEqual(
        body['t'],
        [openMs - 2 * MINUTE_MS, openMs - MINUTE_MS, openMs].map((ms) => ms / 1000),
      );
      lastEventId = stream.lastEventId;
      const stopped = service.end('SIGTERM');
      await stream.waitForEnd();
      await stopped;
    }
    await using again = start();
    await again.waitUntilComplete();
    await using stream = await EventStream.open(`${await again.url()}/v1/stream`, { 'last-event-id': lastEventId });
    // It reaches back half a minute, into what the backfill brought.
    const wantedMs = Date.parse(first.timestamp) + MINUTE_MS;
    for (let count = 1; ; count++) {
      const told = (await stream.waitFor('candle', count)) as Told[];
      if (Date.parse(told[count - 1]!.timestamp) === wantedMs) break;
      assert.ok(Date.parse(told[count - 1]!.timestamp) < wantedMs, 'nothing is left out');
    }
    assert.deepEqual(
      stream.events.filter(({ type }) => type === 'reset'),
      [],
    );
  });
});
