/** Something that is done on a schedule, never twice at once, and by one of several processes on one database. */
export interface Job {
  readonly name: string;
  /** When, as a cron expression in UTC. */
  readonly cron: string;
  /** Whether it also runs when the scheduler starts, in each process. */
  readonly runsAtStart?: boolean;
  /** Whether a turn is run also where the database cannot say that it is ours: better twice than not at all. */
  readonly runsUnclaimed?: boolean;
  /** One run. What it throws is logged and does not end the schedule; when `signal` aborts it should end soon. */
  run(signal: AbortSignal): Promise<void>;
  /** Run in place of `run` where a turn is another process's, for what this process shows of the job. */
  followTurn?(signal: AbortSignal): Promise<void>;
}
