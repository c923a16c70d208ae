/** Begins each place of the template that must be written by hand; as SQL it is a syntax error. */
const FILL_IN = '<<FILL IN';

/** What betrays a template that nobody wrote, the older kind with its table `example` too. */
const TEMPLATE_TEXT = /<<\s*fill in|: say here why\.|create table if not exists example \(/i;

/**
 * The source of a revision that does nothing yet: it is refused until each place that it marks was written.
 *
 * @param name as in the file's name, without the number: `add_candle_ledger`.
 */
export function renderRevision(name: string): string {
  return `import { sql, type Kysely } from 'kysely';

/**
 * ${name.replaceAll('_', ' ')}: ${FILL_IN} why>>
 *
 * Runs in one transaction. Guard each statement (if not exists, or a look at the catalog), so that a database that has
 * its result already passes unchanged. For a statement that cannot run in a transaction (create index concurrently)
 * add: export const transaction = false; and make each step safe to repeat.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql\`
    ${FILL_IN} the change, such as: alter table … add column if not exists …>>\`.execute(db);
}
`;
}

/** The lines, counted from 1, of a revision's source in which the template's text still stands. */
export function listUnfilledLines(source: string): number[] {
  return source.split('\n').flatMap((line, index) => (TEMPLATE_TEXT.test(line) ? [index + 1] : []));
}
