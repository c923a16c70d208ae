import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RequestPause } from '../../../../src/exchanges/kit/request-pause.ts';

const NOW = Date.UTC(2026, 10, 22, 12);

describe('RequestPause', () => {
  it('lasts as long as the exchange says', () => {
    let now = NOW;
    const pause = new RequestPause({ now: () => now });
    assert.equal(pause.remainingMs, 0);
    assert.equal(pause.hold('throttled', 7_000, 'said so'), 7_000);
    now += 6_999;
    assert.equal(pause.remainingMs, 1);
    now += 1;
    assert.equal(pause.remainingMs, 0);
  });

  it('takes over what was told elsewhere, where it ends later, for three days at most', () => {
    let now = NOW;
    const pause = new RequestPause({ now: () => now });
    pause.adopt({ reason: 'banned', until: NOW - 1, message: 'long ago' });
    assert.equal(pause.remainingMs, 0);
    pause.adopt({ reason: 'banned', until: NOW + 60_000, message: 'told to another' });
    assert.deepEqual([pause.remainingMs, pause.reason, pause.message], [60_000, 'banned', 'told to another']);
    pause.adopt({ reason: 'throttled', until: NOW + 5_000, message: 'shorter' });
    assert.deepEqual([pause.remainingMs, pause.reason], [60_000, 'banned']);
    now += 60_000;
    assert.equal(pause.remainingMs, 0);
    assert.equal(pause.hold('banned', null, 'again'), 240_000, 'it counts as a refusal before this one');
    pause.adopt({ reason: 'refused', until: now + 900 * 86_400_000, message: 'by a wrong clock' });
    assert.equal(pause.remainingMs, 3 * 86_400_000);
  });

  it('grows where the exchange says nothing, counting refusals that came together once', () => {
    let now = NOW;
    const pause = new RequestPause({ now: () => now });
    const waits = [1, 2, 3, 4, 5, 6, 7].map(() => {
      pause.hold('throttled', null, 'said so');
      const waitMs = pause.hold('throttled', null, 'said so');
      now += waitMs;
      return waitMs;
    });
    assert.deepEqual(waits, [10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
    pause.settle();
    assert.equal(pause.hold('throttled', null, 'said so'), 10_000);
  });

  it('takes a ban without an end as two minutes, and a longer pause over a shorter one', () => {
    const pause = new RequestPause({ now: () => NOW });
    assert.equal(pause.hold('banned', null, 'said so'), 120_000);
    assert.equal(pause.hold('throttled', 5_000, 'said so'), 120_000);
    assert.equal(pause.reason, 'banned');
    assert.equal(pause.hold('banned', 900_000_000_000, 'said so'), 3 * 86_400_000, 'three days are the longest ban');
  });

  it('lets bans without an end grow too, and takes the severest reason', () => {
    let now = NOW;
    const pause = new RequestPause({ now: () => now });
    pause.hold('throttled', 5_000, 'slow down');
    assert.equal(pause.hold('banned', null, 'banned'), 120_000);
    assert.deepEqual([pause.reason, pause.message], ['banned', 'banned']);
    pause.hold('throttled', 5_000, 'slow down');
    assert.deepEqual([pause.reason, pause.message], ['banned', 'banned'], 'a late answer hides no ban');
    now += 120_000;
    assert.equal(pause.hold('banned', null, 'banned'), 240_000);
  });

  it('holds a refusal of the whole address for a quarter of an hour, then longer, up to four hours', () => {
    let now = NOW;
    const pause = new RequestPause({ now: () => now });
    const minutes = [1, 2, 3, 4, 5, 6].map(() => {
      const waitMs = pause.hold('refused', null, 'not in this region');
      now += waitMs;
      return waitMs / 60_000;
    });
    assert.deepEqual(minutes, [15, 30, 60, 120, 240, 240]);
    pause.settle();
    assert.equal(pause.hold('refused', null, 'not in this region'), 15 * 60_000);
  });

  it('waits a second at least, whatever the header says', () => {
    assert.equal(new RequestPause({ now: () => NOW }).hold('throttled', 0, 'said so'), 1_000);
  });
});
