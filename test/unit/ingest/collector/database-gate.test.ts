import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { SYSTEM_CLOCK } from '../../../../src/clock.ts';
import { DatabaseGate } from '../../../../src/ingest/collector/database-gate.ts';

const { signal } = new AbortController();
const settle = () => new Promise((resolve) => setImmediate(resolve));

function createGate(): DatabaseGate {
  return new DatabaseGate({ logger: pino({ level: 'silent' }), clock: SYSTEM_CLOCK });
}

test('of many operations six run at once, in the order of asking, and all in the end', async () => {
  const gate = createGate();
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const all = Array.from({ length: 14 }, (_, index) =>
    gate.run(async () => {
      begun.push(index);
      await new Promise<void>((resolve) => ends.push(resolve));
      return index;
    }, signal),
  );
  await settle();
  assert.deepEqual(begun, [0, 1, 2, 3, 4, 5]);
  ends.shift()?.();
  await settle();
  assert.deepEqual(begun, [0, 1, 2, 3, 4, 5, 6]);
  for (let end = ends.shift(); end; end = ends.shift()) {
    end();
    await settle();
  }
  assert.deepEqual(
    await Promise.all(all),
    Array.from({ length: 14 }, (_, index) => index),
  );
});

test('an operation that throws gives its place to the next one', async () => {
  const gate = createGate();
  const fail = () => Promise.reject(new RangeError('wrong'));
  const failing = Array.from({ length: 7 }, () => gate.run(fail, signal));
  const last = gate.run(() => Promise.resolve('done'), signal);
  for (const { status } of await Promise.allSettled(failing)) assert.equal(status, 'rejected');
  assert.equal(await last, 'done');
});

test('who waits for a place when the service stops begins nothing', async () => {
  const gate = createGate();
  const stopping = new AbortController();
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const running = Array.from({ length: 6 }, () => gate.run(() => promise, stopping.signal));
  let isBegun = false;
  const waiting = gate.run(() => {
    isBegun = true;
    return Promise.resolve();
  }, stopping.signal);
  const refused = assert.rejects(waiting, /stopping/);
  await settle();
  stopping.abort(new Error('stopping'));
  resolve(undefined);
  await Promise.all([...running, refused]);
  assert.equal(isBegun, false);
});
