import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConnectPace } from '../../../../src/exchanges/binance/connect-pace.ts';
import { ManualClock } from './manual-clock.ts';

describe('ConnectPace', () => {
  const start = (perMinute: number) => {
    const clock = new ManualClock();
    const pace = new ConnectPace({ clock, perMinute });
    let taken = 0;
    const controller = new AbortController();
    const take = () => pace.take(controller.signal).then(() => taken++);
    return { clock, pace, take, controller, taken: () => taken };
  };

  it('lets so many through in any minute', async () => {
    const { clock, take, taken } = start(3);
    for (let n = 0; n < 7; n++) void take();
    await clock.pass(59_999);
    assert.equal(taken(), 3);
    await clock.pass(1);
    assert.equal(taken(), 6);
    await clock.pass(60_000);
    assert.equal(taken(), 7);
  });

  it('lets none through before a block is over, and gives up with the signal', async () => {
    const { clock, pace, take, taken, controller } = start(3);
    pace.blockUntil(clock.now() + 5_000);
    pace.blockUntil(clock.now() + 1_000);
    void take();
    await clock.pass(4_999);
    assert.equal(taken(), 0);
    await clock.pass(1);
    assert.equal(taken(), 1);
    pace.blockUntil(clock.now() + 5_000);
    const waiting = take();
    controller.abort(new Error('enough'));
    await assert.rejects(waiting, /enough/);
  });

  it('does not wait for attempts that a clock set back left in the future', async () => {
    const { clock, take, taken } = start(1);
    await take();
    clock.set(clock.now() - 3_600_000);
    void take();
    await clock.pass(0);
    assert.equal(taken(), 2);
  });
});
