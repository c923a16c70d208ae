import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RefreshRecentOhlcv } from '../../../src/jobs/refresh-recent-ohlcv.ts';
import { createKeptLog } from '../../support/kept-log.ts';

const HOUR = 3_600_000;
const START = Date.UTC(2024, 0, 1);
const signal = new AbortController().signal;

function createSetting() {
  const state = {
    now: START,
    refreshes: 0,
    writtenAt: null as number | null,
    failure: null as Error | null,
    lastRun: null as { finishedAt: Date; error: string | null } | null,
  };
  const job = new RefreshRecentOhlcv({
    cron: '*/5 * * * *',
    view: {
      refresh: () => {
        state.refreshes++;
        state.now += 8;
        return state.failure ? Promise.reject(state.failure) : Promise.resolve();
      },
      countRows: () => Promise.resolve(504),
    },
    lastWriteAt: () => Promise.resolve(state.writtenAt),
    findLastRun: (name) => Promise.resolve(name === 'refresh-recent-ohlcv' ? state.lastRun : null),
    logger: createKeptLog().logger,
    now: () => state.now,
  });
  return { job, state };
}

describe('RefreshRecentOhlcv', () => {
  it('refreshes at the start and tells how long it took and what it holds', async () => {
    const { job } = createSetting();
    assert.deepEqual(job.snapshot(), { refreshed_at: null, duration_ms: null, rows: null, last_error: null });
    assert.equal(job.runsAtStart, true);
    await job.run(signal);
    assert.deepEqual(job.snapshot(), {
      refreshed_at: '2024-01-01T00:00:00.008Z',
      duration_ms: 8,
      rows: 504,
      last_error: null,
    });
  });

  it('refreshes when something was written since the last refresh began, and otherwise once an hour', async () => {
    const { job, state } = createSetting();
    await job.run(signal);
    state.now = START + 300_000;
    await job.run(signal);
    assert.equal(state.refreshes, 1, 'nothing was written');
    state.writtenAt = START + 4;
    await job.run(signal);
    assert.equal(state.refreshes, 2, 'written while the first refresh was going');
    state.now += 300_000;
    await job.run(signal);
    assert.equal(state.refreshes, 2);
    state.now += HOUR;
    await job.run(signal);
    assert.equal(state.refreshes, 3, 'the window of seven days has moved');
  });

  it('keeps the last good numbers beside the error, and tries again at the next turn', async () => {
    const { job, state } = createSetting();
    await job.run(signal);
    state.writtenAt = state.now;
    state.failure = new Error('canceling statement due to lock timeout');
    await assert.rejects(job.run(signal), state.failure);
    assert.deepEqual(
      [job.snapshot().rows, job.snapshot().last_error],
      [504, 'canceling statement due to lock timeout'],
    );
    state.failure = null;
    state.writtenAt = null;
    await job.run(signal);
    assert.equal(state.refreshes, 3);
    assert.equal(job.snapshot().last_error, null);
  });

  it('misses nothing that another process wrote by a clock that is behind', async () => {
    const { job, state } = createSetting();
    await job.run(signal);
    state.now = START + 300_000;
    state.writtenAt = START - 50_000;
    await job.run(signal);
    assert.equal(state.refreshes, 2);
    state.now = START + 600_000;
    await job.run(signal);
    assert.equal(state.refreshes, 2, 'and does not go on for ever because of it');
  });

  it('shows what the process that has the turn made of the one before', async () => {
    const { job, state } = createSetting();
    await job.followTurn();
    assert.equal(job.snapshot().refreshed_at, null);
    state.lastRun = { finishedAt: new Date(START - HOUR), error: null };
    await job.run(signal);
    await job.followTurn();
    assert.equal(job.snapshot().refreshed_at, '2024-01-01T00:00:00.008Z', 'ours is newer');
    state.lastRun = { finishedAt: new Date(START + HOUR), error: null };
    await job.followTurn();
    assert.deepEqual(job.snapshot(), {
      refreshed_at: '2024-01-01T01:00:00.000Z',
      duration_ms: null,
      rows: 504,
      last_error: null,
    });
    state.lastRun = { finishedAt: new Date(START + 2 * HOUR), error: 'canceling statement due to lock timeout' };
    await job.followTurn();
    assert.equal(job.snapshot().last_error, 'canceling statement due to lock timeout');
    state.now = START + 3 * HOUR - 1;
    await job.run(signal);
    assert.equal(job.snapshot().last_error, null, 'when its turn comes, it is tried again');
  });
});
