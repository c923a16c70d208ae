import { sql, type Kysely } from 'kysely';
import type { Database } from '../schema.ts';

/** Turns are remembered for so long. */
const KEPT_MS = 30 * 86_400_000;

/** job_runs: which turns of which scheduled jobs have been taken, so that each runs once over all replicas. */
export class JobRunsRepository {
  readonly #kysely: Kysely<Database>;

  constructor({ kysely }: { readonly kysely: Kysely<Database> }) {
    this.#kysely = kysely;
  }

  /**
   * Takes a turn of a job, named by the moment for which it was scheduled. Turns older than 30 days are forgotten.
   *
   * @returns false where somebody has it already.
   */
  async claim(job: string, turn: Date, replicaId: string): Promise<boolean> {
    const { rows } = await sql`
      insert into job_runs (job, turn, replica_id) values (${job}, ${turn}, ${replicaId})
      on conflict (job, turn) do nothing returning true`.execute(this.#kysely);
    if (rows.length === 0) return false;
    await sql`
      delete from job_runs where job = ${job} and turn < ${new Date(turn.getTime() - KEPT_MS)}`.execute(this.#kysely);
    return true;
  }

  /** Notes that the turn is over; `error` says why it failed, null where it did not. */
  async finish(job: string, turn: Date, error: string | null): Promise<void> {
    await sql`
      update job_runs set finished_at = clock_timestamp(), error = ${error} where job = ${job} and turn = ${turn}`.execute(
      this.#kysely,
    );
  }
}
