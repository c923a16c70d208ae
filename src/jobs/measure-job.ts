import type { Job } from './job.ts';

/** A run that ended. */
export interface JobRun {
  readonly job: string;
  readonly durationMs: number;
  readonly hasFailed: boolean;
}

/** The same job, with `observe` told of each of its runs. A run that was ended from outside is not counted. */
export function measureJob(job: Job, observe: (run: JobRun) => void, now: () => number = () => performance.now()): Job {
  return {
    name: job.name,
    cron: job.cron,
    ...(job.runsAtStart === undefined ? {} : { runsAtStart: job.runsAtStart }),
    ...(job.runsUnclaimed === undefined ? {} : { runsUnclaimed: job.runsUnclaimed }),
    ...(job.followTurn === undefined ? {} : { followTurn: job.followTurn.bind(job) }),
    async run(signal) {
      const begunAt = now();
      let hasFailed = true;
      try {
        await job.run(signal);
        hasFailed = false;
      } finally {
        if (!signal.aborted) observe({ job: job.name, durationMs: now() - begunAt, hasFailed });
      }
    },
  };
}
