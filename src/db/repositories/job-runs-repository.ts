import { sql, type Kysely } from 'kysely';
import { DAY_MS } from '../../market/moments.ts';
import type { Database } from '../schema.ts';

/** Turns are remembered for so long. */
const KEPT_MS = 30 * DAY_MS;

/** job_runs: which turns of which scheduled jobs have been taken, so that each runs once over all replicas. */
export class JobRunsRepository {
  readonly #kysely: Kysely<Database>;

  constructor({ kysely }: { readonly kysely: Kysely<Database> }) {
    this.#kysely = kysely;
  }

  /**
   * Takes a turn of a job, named by the moment for which it was scheduled. Turns older than 30 days are forgotten.
   * Whoever lost the answer may ask again: a turn that has not ended stays its own.
   *
   * @returns false where another replica has it, or it has ended.
   */
  async claim(job: string, turn: Date, replicaId: string): Promise<boolean> {
    const { rows } = await sql`
      insert into job_runs as taken (job, turn, replica_id) values (${job}, ${turn}, ${replicaId})
      on conflict (job, turn) do update set replica_id = excluded.replica_id
      where taken.replica_id = excluded.replica_id and taken.finished_at is null returning true`.execute(this.#kysely);
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

  /** The last turn of a job that is over, in whichever replica; null where there is none. */
  async findLast(job: string): Promise<{ turn: Date; finishedAt: Date; error: string | null } | null> {
    const { rows } = await sql<{ turn: Date; finished_at: Date; error: string | null }>`
      select turn, finished_at, error from job_runs
      where job = ${job} and finished_at is not null order by turn desc limit 1`.execute(this.#kysely);
    const [row] = rows;
    return row === undefined ? null : { turn: row.turn, finishedAt: row.finished_at, error: row.error };
  }
}
