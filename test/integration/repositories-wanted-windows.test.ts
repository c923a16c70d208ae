import assert from 'node:assert/strict';
import { it } from 'node:test';
import { describeOnEachServer } from '../support/repository-lanes.ts';

const KEY = { exchange: 'binance', symbol: 'BTC/USDT', timeframe: '1m', metric: 'ohlcv' } as const;
const OTHER = { ...KEY, timeframe: '1h', metric: 'open_interest' } as const;
const DAY_MS = 86_400_000;
const T0 = Date.UTC(2026, 0, 1);

describeOnEachServer('WantedWindowsRepository', (lane) => {
  const windows = () => lane.repositories().wantedWindows;
  const beat = (id: string) =>
    lane.repositories().replicas.beat({ id, host: 'h', startedAt: 0, lastWriteAt: null, ttlMs: 60_000 });

  it('keeps what was noted last, by key', async () => {
    await windows().note(
      [
        { key: KEY, since: T0 },
        { key: OTHER, since: T0 + 1 },
      ],
      'a',
    );
    assert.deepEqual([await windows().find(KEY), await windows().find(OTHER)], [T0, T0 + 1]);
    await windows().note([{ key: KEY, since: T0 + DAY_MS }], 'b');
    assert.equal(await windows().find(KEY), T0 + DAY_MS, 'nobody alive wants the earlier one');
    assert.equal(await windows().find({ ...KEY, symbol: 'ETH/USDT' }), null);
    await windows().note([], 'b');
  });

  it('keeps the earlier window of a replica that is alive', async () => {
    await beat('a');
    await windows().note([{ key: KEY, since: T0 }], 'a');
    await windows().note([{ key: KEY, since: T0 + DAY_MS }], 'b');
    assert.equal(await windows().find(KEY), T0);
    await windows().note([{ key: KEY, since: T0 - DAY_MS }], 'b');
    assert.equal(await windows().find(KEY), T0 - DAY_MS);
    await windows().note([{ key: KEY, since: T0 }], 'b');
    assert.equal(await windows().find(KEY), T0, 'its own may begin later');
    await beat('b');
    await windows().note([{ key: KEY, since: T0 + DAY_MS }], 'a');
    assert.equal(await windows().find(KEY), T0);
    await lane.repositories().replicas.leave('b');
    await windows().note([{ key: KEY, since: T0 + DAY_MS }], 'a');
    assert.equal(await windows().find(KEY), T0 + DAY_MS);
  });

  it('forgets what nobody noted for days', async () => {
    await windows().note([{ key: KEY, since: T0 }], 'a');
    await lane.query(`update wanted_windows set noted_at = now() - interval '4 days'`);
    assert.equal(await windows().find(KEY), null);
  });
});
