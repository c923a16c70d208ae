import { createTask, validateDetailed, type ScheduledTask } from 'node-cron';
import { AppError, messageOf } from '../errors.ts';
import type { Service, ServiceContext } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import { retry } from '../retry.ts';
import type { Job } from './job.ts';

/** What the scheduler needs of the repository of runs, so that each turn is run by one process only. */
export interface JobRunLog {
  /** Whether the turn is ours now: the first who asks gets it. */
  claim(job: string, turn: Date, replicaId: string): Promise<boolean>;
  finish(job: string, turn: Date, error: string | null): Promise<unknown>;
}

export interface SchedulerDeps {
  readonly jobs: readonly Job[];
  readonly logger: Logger;
  /** Where other processes may have the same jobs; without it every turn is ours. */
  readonly shared?: { readonly runs: JobRunLog; readonly replicaId: string };
  /** How long a turn waits for a database that is away. Default 20 s. */
  readonly claimPatienceMs?: number;
}

/** A process that was held up (or put to sleep) for less than this still runs its turn. */
const LATE_TURN_MS = 30_000;
const CLAIM_PATIENCE_MS = 20_000;

/**
 * Runs jobs on their schedules, in UTC, never two runs of one job at once: a turn that comes while a run is still going
 * is left out. It owns the runs: node-cron forgets one that is going when its task is destroyed, `stop` waits for it.
 *
 * Where several processes share a database, a turn is claimed there under the moment that the schedule names, so that
 * clocks that differ claim the same turn. A turn whose process is killed in the middle is not run again: the next one is.
 */
export class Scheduler implements Service {
  readonly name = 'scheduler';
  readonly #jobs: ReadonlyMap<string, Job>;
  readonly #logger: Logger;
  readonly #shared: SchedulerDeps['shared'];
  readonly #claimPatienceMs: number;
  readonly #runs = new Map<string, Promise<void>>();
  #tasks: ScheduledTask[] = [];
  #stopping: AbortController | null = null;
  #signal: AbortSignal | null = null;

  constructor({ jobs, logger, shared, claimPatienceMs = CLAIM_PATIENCE_MS }: SchedulerDeps) {
    this.#jobs = new Map(jobs.map((job) => [job.name, job]));
    this.#logger = logger;
    this.#shared = shared;
    this.#claimPatienceMs = claimPatienceMs;
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
        createTask(job.cron, ({ date }) => this.#runTurn(job, date), {
          name: job.name,
          timezone: 'UTC',
          missedExecutionTolerance: LATE_TURN_MS,
          logger: createQuietLogger(this.#logger),
        }),
      );
    }
    for (const task of this.#tasks) await task.start();
    for (const job of this.#jobs.values()) if (job.runsAtStart === true) void this.#runTurn(job, null);
  }

  /**
   * Runs a job now and here, or waits for the run that is going. A failure of the job is logged, as on its schedule.
   *
   * @throws AppError where there is no such job, or the scheduler does not run.
   */
  async runNow(name: string): Promise<void> {
    const job = this.#jobs.get(name);
    if (!job)
      throw new AppError('JOB_UNKNOWN', `there is no job "${name}": there are ${[...this.#jobs.keys()].join(', ')}`);
    if (this.state() === 'stopped')
      throw new AppError('SCHEDULER_STOPPED', 'the scheduler does not run: start it first');
    await (this.#runs.get(name) ?? this.#run(job, null));
  }

  async stop(): Promise<void> {
    this.#stopping?.abort(new AppError('SCHEDULER_STOPPED', 'the scheduler stops'));
    for (const task of this.#tasks.splice(0)) await task.destroy();
    await Promise.all(this.#runs.values());
    this.#stopping = null;
    this.#signal = null;
  }

  /** `turn`: the moment that the schedule named; null: a run of this process alone. */
  async #runTurn(job: Job, turn: Date | null): Promise<void> {
    if (this.state() === 'stopped') return;
    if (this.#runs.has(job.name)) {
      this.#logger.debug({ job: job.name }, 'a turn was left out because the run before it is still going');
      return;
    }
    await this.#run(job, turn);
  }

  /** Never rejects. */
  #run(job: Job, turn: Date | null): Promise<void> {
    const signal = this.#signal;
    if (!signal) return Promise.resolve();
    const shared = this.#shared;
    const work = turn === null || !shared ? () => job.run(signal) : () => this.#runShared(job, turn, shared, signal);
    const run = runLogged(job, work, signal, this.#logger).finally(() => this.#runs.delete(job.name));
    this.#runs.set(job.name, run);
    return run;
  }

  async #runShared(
    job: Job,
    turn: Date,
    { runs, replicaId }: NonNullable<SchedulerDeps['shared']>,
    signal: AbortSignal,
  ): Promise<void> {
    const fields = { job: job.name, turn: turn.toISOString() };
    let isOurs = false;
    try {
      isOurs = await retry(async () => await runs.claim(job.name, turn, replicaId), {
        firstMs: 500,
        maxMs: 5_000,
        deadline: Date.now() + this.#claimPatienceMs,
        signal,
        // A short restart of the database must not cost the report of the day.
        isRetryable: () => true,
      });
    } catch (error) {
      signal.throwIfAborted();
      if (job.runsUnclaimed !== true) throw error;
      this.#logger.warn(
        { ...fields, reason: messageOf(error) },
        'the database does not say whose turn a job is; it is run here, and perhaps elsewhere too',
      );
      await job.run(signal);
      return;
    }
    if (!isOurs) {
      this.#logger.debug(fields, 'a turn is run by another process');
      await job.followTurn?.(signal);
      return;
    }
    let fault: string | null = null;
    try {
      await job.run(signal);
    } catch (error) {
      fault = messageOf(error);
      throw error;
    } finally {
      await runs
        .finish(job.name, turn, fault)
        .catch((error: unknown) => this.#logger.warn({ ...fields, err: error }, 'the end of a run was not noted'));
    }
  }
}

async function runLogged(job: Job, work: () => Promise<void>, signal: AbortSignal, logger: Logger): Promise<void> {
  try {
    await work();
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
