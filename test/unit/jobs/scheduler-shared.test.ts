import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Job } from '../../../src/jobs/job.ts';
import { Scheduler, type JobRunLog } from '../../../src/jobs/scheduler.ts';
import { createKeptLog } from '../../support/kept-log.ts';
import { elapsedMs } from '../../support/machine-watch.ts';
import { waitUntil } from '../../support/patience.ts';

const EVERY_SECOND = '* * * * * *';
const NEVER = '0 0 1 1 *';

/** job_runs in memory, for all schedulers of a test. */
function createRuns() {
  const taken = new Map<string, string>();
  const finished: { turn: string; error: string | null }[] = [];
  const state = { failures: 0, claims: 0 };
  const runs: JobRunLog = {
    claim: (job, turn, replicaId) => {
      state.claims++;
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

async function startScheduler(
  t: TestContext,
  job: Omit<Job, 'name'>,
  { runs, replicaId = 'a', ...deps }: { runs: JobRunLog; replicaId?: string; claimPatienceMs?: number },
) {
  const { logger, lines } = createKeptLog();
  const scheduler = new Scheduler({ jobs: [{ name: 'report', ...job }], logger, shared: { runs, replicaId }, ...deps });
  t.after(() => scheduler.stop());
  await scheduler.start({
    signal: new AbortController().signal,
    fail: (error) => assert.fail(error as Error),
  });
  return { scheduler, lines };
}

// Beside each other: they wait for whole seconds of the clock that the cron library goes by.
describe('Scheduler in several processes', { concurrency: true }, () => {
  it('runs each turn once, and lets the others follow', async (t) => {
    const { runs, taken, finished, state } = createRuns();
    let [ran, followed] = [0, 0];
    const job = {
      cron: EVERY_SECOND,
      run: count(() => ran++),
      followTurn: count(() => followed++),
    };
    const started = [];
    for (const replicaId of ['a', 'b', 'c']) started.push(await startScheduler(t, job, { runs, replicaId }));
    await waitUntil(
      () => ran >= 3 && followed >= 6,
      () => `three turns: ${ran} runs, ${followed} followed`,
    );
    await Promise.all(started.map(({ scheduler }) => scheduler.stop()));
    assert.ok(ran >= 3, `${ran} runs`);
    // Whoever comes to a turn claims it: one runs it, all others follow. On a busy machine somebody may not come to one.
    assert.deepEqual([taken.size, finished.length, followed], [ran, ran, state.claims - ran]);
    for (const key of taken.keys()) assert.match(key, /^report \S+:\d\d\.000Z$/, 'named by the moment of the schedule');
  });

  it('notes why a run failed', async (t) => {
    const { runs, finished } = createRuns();
    const { lines } = await startScheduler(
      t,
      { cron: EVERY_SECOND, run: () => Promise.reject(new Error('no luck')) },
      { runs },
    );
    await waitUntil(() => finished.length > 0, 'the end of a run');
    assert.equal(finished[0]?.error, 'no luck');
    assert.ok(lines.some(({ msg }) => msg === 'a job failed; it runs again at its next turn'));
  });

  it('waits for a database that is away for a moment', async (t) => {
    const { runs, state } = createRuns();
    state.failures = 2;
    let ran = 0;
    await startScheduler(t, { cron: EVERY_SECOND, run: count(() => ran++) }, { runs });
    await waitUntil(() => ran > 0, 'a run');
    assert.ok(ran > 0);
    assert.equal(state.failures, 0);
  });

  it('ends the wait for the database when it stops', async (t) => {
    const { runs, state } = createRuns();
    state.failures = Infinity;
    let ran = 0;
    const { scheduler, lines } = await startScheduler(
      t,
      { cron: EVERY_SECOND, runsUnclaimed: true, run: count(() => ran++) },
      { runs },
    );
    await waitUntil(() => state.claims > 0, 'a claim');
    assert.ok((await elapsedMs(() => scheduler.stop())) < 300);
    assert.deepEqual([ran, lines.filter(({ level }) => level >= 40).length], [0, 0]);
  });

  it('runs at the start and when told in every process, without a claim', async (t) => {
    const { runs, taken } = createRuns();
    let ran = 0;
    const job = { cron: NEVER, runsAtStart: true, run: count(() => ran++) };
    for (const [before, replicaId] of [
      [0, 'a'],
      [2, 'b'],
    ] as const) {
      const { scheduler } = await startScheduler(t, job, { runs, replicaId });
      await waitUntil(() => ran > before, 'the run at the start');
      await scheduler.runNow('report');
    }
    assert.deepEqual([ran, taken.size], [4, 0]);
  });

  it('where the database never answers, leaves the turn out, but for jobs that are better run twice', async (t) => {
    const { runs, state } = createRuns();
    state.failures = Infinity;
    const ran = { careful: 0, urgent: 0 };
    const deps = { runs, claimPatienceMs: 2_000 };
    const careful = await startScheduler(t, { cron: EVERY_SECOND, run: count(() => ran.careful++) }, deps);
    const urgent = await startScheduler(
      t,
      { cron: EVERY_SECOND, runsUnclaimed: true, run: count(() => ran.urgent++) },
      deps,
    );
    const isLeftOut = () => careful.lines.some(({ msg }) => msg === 'a job failed; it runs again at its next turn');
    await waitUntil(() => ran.urgent > 0 && isLeftOut(), 'a turn without the database');
    assert.equal(ran.careful, 0);
    assert.ok(isLeftOut());
    assert.ok(ran.urgent > 0);
    assert.ok(urgent.lines.some(({ msg, level }) => level === 40 && msg.includes('perhaps elsewhere too')));
  });
});
