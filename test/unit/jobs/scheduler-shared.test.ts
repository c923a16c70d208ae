import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Job } from '../../../src/jobs/job.ts';
import { Scheduler, type JobRunLog } from '../../../src/jobs/scheduler.ts';
import { createKeptLog } from '../../support/kept-log.ts';

const EVERY_SECOND = '* * * * * *';
const NEVER = '0 0 1 1 *';

const open: Scheduler[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((scheduler) => scheduler.stop()));
});

/** job_runs in memory, for all schedulers of a test. */
function createRuns() {
  const taken = new Map<string, string>();
  const finished: { turn: string; error: string | null }[] = [];
  const state = { failures: 0 };
  const runs: JobRunLog = {
    claim: (job, turn, replicaId) => {
      if (state.failures > 0) {
        state.failures--;
        return Promise.reject(new Error('connect ECONNREFUSED'));
      }
      const key = `${job} ${turn.toISOString()}`;
      if (taken.has(key)) return Promise.resolve(taken.get(key) === replicaId);
      taken.set(key, replicaId);
      return Promise.resolve(true);
    },
    finish: (_job, turn, error) => {
      finished.push({ turn: turn.toISOString(), error });
      return Promise.resolve();
    },
  };
  return { runs, taken, finished, state };
}

/** A run that does nothing but count. */
function count(add: () => unknown): () => Promise<void> {
  return () => {
    add();
    return Promise.resolve();
  };
}

async function startScheduler(job: Omit<Job, 'name'>, runs: JobRunLog, replicaId: string) {
  const { logger, lines } = createKeptLog();
  const scheduler = new Scheduler({ jobs: [{ name: 'report', ...job }], logger, shared: { runs, replicaId } });
  open.push(scheduler);
  await scheduler.start({
    signal: new AbortController().signal,
    fail: (error) => assert.fail(error as Error),
  });
  return { scheduler, lines };
}

describe('Scheduler in several processes', () => {
  it('runs each turn once, and lets the others follow', async () => {
    const { runs, taken, finished } = createRuns();
    let [ran, followed] = [0, 0];
    const job = {
      cron: EVERY_SECOND,
      run: count(() => ran++),
      followTurn: count(() => followed++),
    };
    for (const id of ['a', 'b', 'c']) await startScheduler(job, runs, id);
    await delay(3_300);
    await Promise.all(open.map((scheduler) => scheduler.stop()));
    assert.ok(ran >= 3, `${ran} runs`);
    assert.deepEqual([taken.size, finished.length, followed], [ran, ran, 2 * ran]);
    for (const key of taken.keys()) assert.match(key, /^report \S+:\d\d\.000Z$/, 'named by the moment of the schedule');
  });

  it('notes why a run failed', async () => {
    const { runs, finished } = createRuns();
    const { lines } = await startScheduler(
      { cron: EVERY_SECOND, run: () => Promise.reject(new Error('no luck')) },
      runs,
      'a',
    );
    const deadline = Date.now() + 4_000;
    while (finished.length === 0 && Date.now() < deadline) await delay(20);
    assert.equal(finished[0]?.error, 'no luck');
    assert.ok(lines.some(({ msg }) => msg === 'a job failed; it runs again at its next turn'));
  });

  it('waits for a database that is away for a moment', async () => {
    const { runs, state } = createRuns();
    state.failures = 2;
    let ran = 0;
    await startScheduler({ cron: EVERY_SECOND, run: count(() => ran++) }, runs, 'a');
    const deadline = Date.now() + 6_000;
    while (ran === 0 && Date.now() < deadline) await delay(20);
    assert.ok(ran > 0);
    assert.equal(state.failures, 0);
  });

  it('ends the wait for the database when it stops', async () => {
    const { runs, state } = createRuns();
    state.failures = Infinity;
    let ran = 0;
    const { scheduler, lines } = await startScheduler(
      { cron: EVERY_SECOND, runsUnclaimed: true, run: count(() => ran++) },
      runs,
      'a',
    );
    await delay(1_200);
    const begunAt = Date.now();
    await scheduler.stop();
    assert.ok(Date.now() - begunAt < 300);
    assert.deepEqual([ran, lines.filter(({ level }) => level >= 40).length], [0, 0]);
  });

  it('runs at the start and when told in every process, without a claim', async () => {
    const { runs, taken } = createRuns();
    let ran = 0;
    const job = { cron: NEVER, runsAtStart: true, run: count(() => ran++) };
    for (const id of ['a', 'b']) {
      const { scheduler } = await startScheduler(job, runs, id);
      await delay(10);
      await scheduler.runNow('report');
    }
    assert.deepEqual([ran, taken.size], [4, 0]);
  });

  it('where the database never answers, leaves the turn out, but for jobs that are better run twice', async () => {
    const { runs, state } = createRuns();
    state.failures = Infinity;
    const ran = { careful: 0, urgent: 0 };
    const careful = await startScheduler({ cron: EVERY_SECOND, run: count(() => ran.careful++) }, runs, 'a');
    const urgent = await startScheduler(
      { cron: EVERY_SECOND, runsUnclaimed: true, run: count(() => ran.urgent++) },
      runs,
      'a',
    );
    const deadline = Date.now() + 27_000;
    const isLeftOut = () => careful.lines.some(({ msg }) => msg === 'a job failed; it runs again at its next turn');
    while ((ran.urgent === 0 || !isLeftOut()) && Date.now() < deadline) await delay(50);
    assert.equal(ran.careful, 0);
    assert.ok(isLeftOut());
    assert.ok(ran.urgent > 0);
    assert.ok(urgent.lines.some(({ msg, level }) => level === 40 && msg.includes('perhaps elsewhere too')));
  });
});
