import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { backoffMs, retry, sleep } from '../../src/retry.ts';

const quick = { firstMs: 1, maxMs: 2, isRetryable: () => true };

describe('backoffMs', () => {
  it('doubles up to its ceiling, with jitter in the upper half', () => {
    const options = { firstMs: 100, maxMs: 1_000 };
    assert.equal(
      backoffMs(1, options, () => 0),
      50,
    );
    assert.equal(
      backoffMs(1, options, () => 1),
      100,
    );
    assert.equal(
      backoffMs(3, options, () => 1),
      400,
    );
    assert.equal(
      backoffMs(30, options, () => 1),
      1_000,
    );
  });
});

describe('retry', () => {
  it('returns what succeeds at last, and tells each wait', async () => {
    const waits: number[] = [];
    const result = await retry(
      (attempt) => (attempt < 3 ? Promise.reject(new Error('not yet')) : Promise.resolve(attempt)),
      { ...quick, onRetry: (_error, attempt) => waits.push(attempt) },
    );
    assert.equal(result, 3);
    assert.deepEqual(waits, [1, 2]);
  });

  it('throws at once what is not retryable', async () => {
    let calls = 0;
    const run = () => {
      calls++;
      return Promise.reject(new Error('final'));
    };
    await assert.rejects(retry(run, { ...quick, isRetryable: () => false }), /final/);
    assert.equal(calls, 1);
  });

  it('throws the last error once the deadline has passed', async () => {
    await assert.rejects(
      retry(() => Promise.reject(new Error('still down')), { ...quick, deadline: Date.now() + 20 }),
      /still down/,
    );
  });

  it('ends with the signal’s reason, also in a wait', async () => {
    const controller = new AbortController();
    const reason = new Error('stop');
    setTimeout(() => controller.abort(reason), 5);
    const running = retry(() => Promise.reject(new Error('down')), {
      firstMs: 60_000,
      maxMs: 60_000,
      isRetryable: () => true,
      signal: controller.signal,
    });
    await assert.rejects(running, (error) => error === reason);
  });
});

describe('sleep', () => {
  it('rejects with the reason that the signal was given', async () => {
    const reason = new Error('stop');
    await assert.rejects(sleep(60_000, AbortSignal.abort(reason)), (error) => error === reason);
  });
});
