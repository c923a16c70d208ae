/** Something that is done on a schedule, never twice at once. */
export interface Job {
  readonly name: string;
  /** When, as a cron expression in UTC. */
  readonly cron: string;
  /** Whether it also runs when the scheduler starts. */
  readonly runsAtStart?: boolean;
  /** One run. What it throws is logged and does not end the schedule; when `signal` aborts it should end soon. */
  run(signal: AbortSignal): Promise<void>;
}
