import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SilenceWatch } from '../../../../src/exchanges/binance/silence-watch.ts';
import { ManualClock } from './manual-clock.ts';

function start(quietestMs: number) {
  const clock = new ManualClock();
  const watch = new SilenceWatch({ clock, silenceMs: 30_000 });
  const faults: string[] = [];
  void watch.run(() => quietestMs, new AbortController().signal).then((fault) => faults.push(fault));
  return { clock, watch, faults };
}

describe('SilenceWatch', () => {
  it('calls a connection dead on which nothing came for the allowed silence', async () => {
    const { clock, faults } = start(60_000);
    await clock.pass(29_000);
    assert.deepEqual(faults, []);
    await clock.pass(6_001);
    assert.match(faults.join(), /nothing came for 30 s, not even a ping/);
  });

  it('takes pings for life, until a whole candle has passed without a push', async () => {
    const { clock, watch, faults } = start(60_000);
    for (let seconds = 0; seconds < 85; seconds += 5) {
      watch.noteFrame();
      await clock.pass(5_000);
    }
    assert.deepEqual(faults, []);
    assert.equal(watch.isPushing, false);
    for (let seconds = 0; seconds < 20; seconds += 5) {
      watch.noteFrame();
      await clock.pass(5_000);
    }
    assert.match(faults.join(), /no candle was pushed for 90 s, though pings come/);
  });

  it('is content with pushes, and with pings where nothing is subscribed to', async () => {
    const busy = start(60_000);
    const idle = start(Infinity);
    for (let seconds = 0; seconds < 3_600; seconds += 20) {
      busy.watch.notePush();
      idle.watch.noteFrame();
      await busy.clock.pass(20_000);
      await idle.clock.pass(20_000);
    }
    assert.deepEqual([busy.faults, busy.watch.isPushing, idle.faults], [[], true, []]);
  });

  it('is not misled by a clock that is set', async () => {
    const { clock, watch, faults } = start(60_000);
    for (const byMs of [3_600_000, -7_200_000, 3_600_000]) {
      clock.set(clock.now() + byMs);
      await clock.pass(5_000);
      watch.notePush();
    }
    assert.deepEqual(faults, []);
    clock.set(clock.now() - 3_600_000);
    await clock.pass(40_000);
    assert.match(faults.join(), /nothing came/);
  });
});
