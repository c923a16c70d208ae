import { createTask, validateDetailed, type ScheduledTask } from 'node-cron';
import { AppError } from '../errors.ts';
import type { Service, ServiceContext } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import type { Job } from './job.ts';

export interface SchedulerDeps {
  readonly jobs: readonly Job[];
  readonly logger: Logger;
}

/**
 * Runs jobs on their schedules, in UTC, never two runs of one job at once: a turn that comes while a run is still going
 * is left out. It owns the runs: node-cron forgets one that is going when its task is destroyed, `stop` waits for it.
 */
export class Scheduler implements Service {
  readonly name = 'scheduler';
  readonly #jobs: ReadonlyMap<string, Job>;
  readonly #logger: Logger;
  readonly #runs = new Map<string, Promise<void>>();
  #tasks: ScheduledTask[] = [];
  #stopping: AbortController | null = null;
  #signal: AbortSignal | null = null;

  constructor({ jobs, logger }: SchedulerDeps) {
    this.#jobs = new Map(jobs.map((job) => [job.name, job]));
    this.#logger = logger;
  }

  state(): 'running' | 'stopped' {
    return this.#signal === null || this.#signal.aborted ? 'stopped' : 'running';
  }

  /** @throws Error where a job's cron expression is none; then no job is scheduled. */
  async start({ signal }: ServiceContext): Promise<void> {
    if (this.#stopping !== null) return;
    this.#stopping = new AbortController();
    this.#signal = AbortSignal.any([signal, this.#stopping.signal]);
    for (const job of this.#jobs.values()) {
      this.#tasks.push(
        createTask(job.cron, () => this.#runTurn(job), {
          name: job.name,
          timezone: 'UTC',
          logger: createQuietLogger(this.#logger),
        }),
      );
    }
    for (const task of this.#tasks) await task.start();
    for (const job of this.#jobs.values()) if (job.runsAtStart === true) void this.#runTurn(job);
  }

  /**
   * Runs a job now, or waits for the run that is going. A failure of the job is logged, as on its schedule.
   *
   * @throws AppError where there is no such job, or the scheduler does not run.
   */
  async runNow(name: string): Promise<void> {
    const job = this.#jobs.get(name);
    if (!job)
      throw new AppError('JOB_UNKNOWN', `there is no job "${name}": there are ${[...this.#jobs.keys()].join(', ')}`);
    if (this.state() === 'stopped')
      throw new AppError('SCHEDULER_STOPPED', 'the scheduler does not run: start it first');
    await (this.#runs.get(name) ?? this.#run(job));
  }

  async stop(): Promise<void> {
    this.#stopping?.abort(new AppError('SCHEDULER_STOPPED', 'the scheduler stops'));
    for (const task of this.#tasks.splice(0)) await task.destroy();
    await Promise.all(this.#runs.values());
    this.#stopping = null;
    this.#signal = null;
  }

  async #runTurn(job: Job): Promise<void> {
    if (this.state() === 'stopped') return;
    if (this.#runs.has(job.name)) {
      this.#logger.debug({ job: job.name }, 'a turn was left out because the run before it is still going');
      return;
    }
    await this.#run(job);
  }

  /** Never rejects. */
  #run(job: Job): Promise<void> {
    const signal = this.#signal;
    if (!signal) return Promise.resolve();
    const run = runLogged(job, signal, this.#logger).finally(() => this.#runs.delete(job.name));
    this.#runs.set(job.name, run);
    return run;
  }
}

async function runLogged(job: Job, signal: AbortSignal, logger: Logger): Promise<void> {
  try {
    await job.run(signal);
  } catch (error) {
    if (signal.aborted) logger.debug({ job: job.name, err: error }, 'a job was ended because the scheduler stops');
    else logger.error({ job: job.name, err: error }, 'a job failed; it runs again at its next turn');
  }
}

/** What is wrong with a cron expression (five fields, or six with seconds first), in words; null where nothing is. */
export function findCronFault(expression: string): string | null {
  if (expression.trim() === '') return 'it is empty';
  const { valid, errors } = validateDetailed(expression);
  if (valid) return null;
  const faults = errors.map(({ field, message }) =>
    field === 'expression' ? message : `${FIELD_WORDS.get(field) ?? field}: ${message}`,
  );
  return faults.length === 0 ? 'it is not a cron expression' : faults.join('; ');
}

const FIELD_WORDS: ReadonlyMap<string, string> = new Map([
  ['dayOfMonth', 'day of month'],
  ['dayOfWeek', 'day of week'],
]);

/** node-cron warns of turns that it missed while the process was busy: true, and of no use to whoever reads our log. */
function createQuietLogger(logger: Logger) {
  const tell = (detail: string | Error): void =>
    logger.debug({ detail: String(detail) }, 'the cron library says something');
  return { info: tell, warn: tell, error: tell, debug: tell };
}
