import type { Kysely } from 'kysely';
import type { CommitEntry } from '../../market/commit-entry.ts';
import type { Database } from '../schema.ts';
import { lockCoverage, recordRanges } from '../repositories/coverage-rows.ts';
import { extendPlainly } from './extend-coverage.ts';

/**
 * Tells the ledger what the entries say, each key once. Where it is one range that is stored now, as the live stream
 * brings it, one statement serves all keys together.
 */
export async function recordLedger(transaction: Kysely<Database>, entries: readonly CommitEntry[]): Promise<void> {
  const told = entries.filter(({ changes }) => changes.length > 0);
  if (told.length === 0) return;
  await lockCoverage(
    transaction,
    told.map(({ key }) => key),
  );
  const [plain, others] = [true, false].map((is) => told.filter((entry) => isOneHave(entry) === is)) as [
    CommitEntry[],
    CommitEntry[],
  ];
  const left = await extendPlainly(
    transaction,
    plain.flatMap(({ key, changes }) => changes.map((range) => ({ key, range }))),
  );
  for (const { key, range } of left) await recordRanges(transaction, key, [range]);
  for (const { key, changes } of others) await recordRanges(transaction, key, changes);
}

function isOneHave({ changes: [first, ...more] }: CommitEntry): boolean {
  return first?.state === 'have' && more.length === 0;
}
