import { execute } from './postgres.ts';

/** What a refused write rejects with. */
export const REFUSED = { code: 'P0001', message: 'the table refuses' } as const;

export interface Refusal {
  readonly table: string;
  /** Default: each row as it is written. `at_commit`: only when the transaction would end. */
  readonly when?: 'at_commit';
}

/** Runs `use` while the database lets nobody write the table. */
export async function whileRefusing<T>(url: string, { table, when }: Refusal, use: () => Promise<T>): Promise<T> {
  const events = `insert or update or delete on ${table}`;
  const trigger =
    when === 'at_commit'
      ? `create constraint trigger refuse after ${events} deferrable initially deferred`
      : `create trigger refuse before ${events}`;
  await execute(
    url,
    `create function refuse() returns trigger language plpgsql as
     $$ begin raise exception '${REFUSED.message}'; end $$;
     ${trigger} for each row execute function refuse()`,
  );
  try {
    return await use();
  } finally {
    await execute(url, `drop function refuse cascade`);
  }
}

/** Runs `use` while the database refuses candles of one opening time (SQLSTATE 23514). */
export async function whileRefusingCandle<T>(url: string, timestamp: number, use: () => Promise<T>): Promise<T> {
  const moment = new Date(timestamp).toISOString();
  await execute(url, `alter table ohlcv_data add constraint refused check (timestamp <> '${moment}')`);
  try {
    return await use();
  } finally {
    await execute(url, 'alter table ohlcv_data drop constraint refused');
  }
}
