import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Job } from '../../../src/jobs/job.ts';
import { measureJob, type JobRun } from '../../../src/jobs/measure-job.ts';

class Task implements Job {
  readonly name = 'task';
  readonly cron = '* * * * *';
  readonly runsAtStart = true;
  readonly #followed: string[] = [];
  fault: Error | null = null;
  run(): Promise<void> {
    return this.fault ? Promise.reject(this.fault) : Promise.resolve();
  }
  followTurn(): Promise<void> {
    this.#followed.push('turn');
    return Promise.resolve();
  }
  get followed(): number {
    return this.#followed.length;
  }
}

describe('measureJob', () => {
  it('is the same job, and tells how long its runs took and how they ended', async () => {
    const task = new Task();
    const runs: JobRun[] = [];
    let now = 0;
    const measured = measureJob(
      task,
      (run) => runs.push(run),
      () => (now += 250),
    );
    assert.deepEqual([measured.name, measured.cron, measured.runsAtStart], ['task', '* * * * *', true]);
    assert.equal('runsUnclaimed' in measured, false);
    await measured.run(new AbortController().signal);
    task.fault = new Error('broken');
    await assert.rejects(measured.run(new AbortController().signal), /broken/);
    assert.deepEqual(runs, [
      { job: 'task', durationMs: 250, hasFailed: false },
      { job: 'task', durationMs: 250, hasFailed: true },
    ]);
    await measured.followTurn?.(new AbortController().signal);
    assert.equal(task.followed, 1);
    await assert.rejects(measured.run(AbortSignal.abort()), /broken/);
    assert.equal(runs.length, 2, 'a run that was ended from outside says nothing of the job');
  });
});
