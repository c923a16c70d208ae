import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Job } from '../../../src/jobs/job.ts';
import { findCronFault, Scheduler } from '../../../src/jobs/scheduler.ts';
import { createKeptLog } from '../../support/kept-log.ts';
import { waitUntil } from '../../support/patience.ts';

const EVERY_SECOND = '* * * * * *';
const NEVER = '0 0 1 1 *';

async function startScheduler(t: TestContext, jobs: readonly Job[]) {
  const { logger, lines } = createKeptLog();
  const scheduler = new Scheduler({ jobs, logger });
  t.after(() => scheduler.stop());
  const controller = new AbortController();
  await scheduler.start({ signal: controller.signal, fail: (error) => assert.fail(error as Error) });
  return { scheduler, lines, controller };
}

// Beside each other: they wait for whole seconds of the clock that the cron library goes by.
describe('Scheduler', { concurrency: true }, () => {
  it('runs a job on its schedule, never twice at once, and leaves out the turns between', async (t) => {
    let [runs, atOnce, most] = [0, 0, 0];
    const run = async (): Promise<void> => {
      runs++;
      most = Math.max(most, ++atOnce);
      await delay(1_500);
      atOnce--;
    };
    const begunAt = performance.now();
    const { scheduler } = await startScheduler(t, [{ name: 'slow', cron: EVERY_SECOND, run }]);
    await delay(3_300);
    await waitUntil(() => runs > 0, 'a run');
    // Each run lasts into the second turn after its own, however late it began.
    const mayRun = Math.floor((performance.now() - begunAt) / 2_000) + 1;
    assert.ok(runs <= mayRun, `${runs} runs`);
    assert.equal(most, 1);
    await scheduler.stop();
    assert.equal(atOnce, 0, 'stop waits for the run');
    const before = runs;
    await delay(1_200);
    assert.equal(runs, before, 'nothing runs after stop');
  });

  it('aborts the run that is going when it stops, and waits for it', async (t) => {
    const events: string[] = [];
    const run = async (signal: AbortSignal): Promise<void> => {
      await delay(60_000, undefined, { signal }).catch(() => events.push('aborted'));
      await delay(50);
      events.push('settled');
      signal.throwIfAborted();
    };
    const { scheduler, lines } = await startScheduler(t, [{ name: 'long', cron: NEVER, runsAtStart: true, run }]);
    assert.equal(scheduler.state(), 'running');
    await scheduler.stop();
    events.push('stopped');
    assert.deepEqual(events, ['aborted', 'settled', 'stopped']);
    assert.equal(scheduler.state(), 'stopped');
    await scheduler.stop();
    assert.equal(lines.filter(({ level }) => level >= 40).length, 0);
  });

  it('logs a job that fails and goes on with it and the others', async (t) => {
    let [failed, fine] = [0, 0];
    const jobs: Job[] = [
      {
        name: 'bad',
        cron: EVERY_SECOND,
        run: () => {
          failed++;
          throw new Error('no luck');
        },
      },
      {
        name: 'good',
        cron: EVERY_SECOND,
        run: () => {
          fine++;
          return Promise.resolve();
        },
      },
    ];
    const { lines } = await startScheduler(t, jobs);
    await waitUntil(
      () => failed >= 2 && fine >= 2,
      () => `two runs of each: ${failed} and ${fine}`,
    );
    const line = lines.find(({ msg }) => msg === 'a job failed; it runs again at its next turn');
    assert.equal(line?.['job'], 'bad');
  });

  it('runs a job at once when told, or joins the run that is going', async (t) => {
    let runs = 0;
    const run = async (): Promise<void> => {
      runs++;
      await delay(30);
    };
    const { scheduler } = await startScheduler(t, [{ name: 'report', cron: NEVER, run }]);
    await Promise.all([scheduler.runNow('report'), scheduler.runNow('report')]);
    assert.equal(runs, 1);
    await scheduler.runNow('report');
    assert.equal(runs, 2);
    await assert.rejects(scheduler.runNow('rapport'), /there is no job "rapport": there are report/);
    await scheduler.stop();
    await assert.rejects(scheduler.runNow('report'), /does not run/);
  });

  it('is stopped as soon as the signal aborts, and can be stopped without a start', async (t) => {
    const { scheduler, controller } = await startScheduler(t, []);
    controller.abort();
    assert.equal(scheduler.state(), 'stopped');
    await new Scheduler({ jobs: [], logger: createKeptLog().logger }).stop();
  });
});

describe('findCronFault', () => {
  it('accepts five fields, and six with seconds first', () => {
    for (const expression of ['*/5 * * * *', '0 * * * *', '*/10 * * * * *', '0 0 * * mon'])
      assert.equal(findCronFault(expression), null, expression);
  });

  it('says what is wrong with everything else', () => {
    const faults: [string, RegExp][] = [
      ['', /it is empty/],
      ['every minute', /expected 5 or 6 fields/],
      ['61 * * * *', /minute.*61/],
      ['0 0 31 2 *', /day of month/],
      ['* * * *', /got 4/],
    ];
    for (const [expression, fault] of faults) assert.match(findCronFault(expression) ?? '', fault, expression);
  });
});
