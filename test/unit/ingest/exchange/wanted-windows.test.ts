import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DatabaseGate } from '../../../../src/ingest/collector/database-gate.ts';
import { WantedWindows, type WantedWindow } from '../../../../src/ingest/exchange/wanted-windows.ts';
import { createKeptLog } from '../../../support/kept-log.ts';
import { VirtualClock } from '../fakes.ts';
import { createSetting, DAY, HOUR, START } from '../setting.ts';

const SERIES = { exchange: 'binance', symbol: 'BTC/USDT', timeframe: '1m' };

describe('WantedWindows', () => {
  it('are noted when they change and each hour, and once the database is back', async () => {
    const clock = new VirtualClock(START);
    const { logger } = createKeptLog();
    const noted: { readonly at: number; readonly windows: readonly WantedWindow[] }[] = [];
    let isAway = false;
    const windows = new WantedWindows({
      store: {
        note: (list) => {
          if (isAway) return Promise.reject(new Error('away'));
          noted.push({ at: clock.now() - START, windows: list });
          return Promise.resolve();
        },
      },
      database: new DatabaseGate({ logger, clock }),
      clock,
      logger,
    });
    const ending = new AbortController();
    const run = windows.run(ending.signal).catch(() => undefined);
    await clock.run(1000);
    assert.equal(noted.length, 0, 'nothing is wanted yet');
    windows.expect([SERIES], START - DAY);
    await clock.run(3 * HOUR + 1000);
    assert.deepEqual(noted[0]?.windows, [{ key: { ...SERIES, metric: 'ohlcv' }, since: START - DAY }]);
    assert.equal(noted.length, 4);
    isAway = true;
    windows.expect([SERIES], START);
    await clock.run(60_000);
    isAway = false;
    await clock.run(60_000);
    assert.equal(noted.at(-1)?.windows[0]?.since, START);
    ending.abort();
    await run;
  });

  it('are those of the collectors, and of what is named before the exchange has said what it lists', async () => {
    const noted: WantedWindow[][] = [];
    const setting = createSetting({ windows: { note: (list) => Promise.resolve(void noted.push([...list])) } });
    const service = await setting.start({ sinceMs: START - DAY });
    await setting.untilComplete(service);
    await setting.stop();
    const expected = [{ key: { ...SERIES, metric: 'ohlcv' }, since: START - DAY }];
    assert.deepEqual(noted[0], expected);
    assert.deepEqual(noted.at(-1), expected);
  });
});
