import { messageOf, sqlStateOf } from '../../src/errors.ts';

/** The command line cannot be understood: exit code 2. */
export class UsageError extends Error {}

const UNDEFINED_TABLE = '42P01';
const UNDEFINED_COLUMN = '42703';

/**
 * Runs a command and sets the exit code: what `run` resolves to, 2 for a command line that cannot be understood, 1 for
 * everything else that goes wrong. Errors are one text on standard error, never a stack trace.
 */
export async function runCommand(run: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await run();
  } catch (error) {
    const usage = error instanceof UsageError || isParseArgsError(error);
    console.error(usage ? `${messageOf(error)}\n(--help shows how to use this command)` : describe(error));
    process.exitCode = usage ? 2 : 1;
  }
}

function isParseArgsError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS_');
}

function describe(error: unknown): string {
  const state = sqlStateOf(error);
  if (state === UNDEFINED_TABLE || state === UNDEFINED_COLUMN)
    return `the database does not have the tables of this version (${messageOf(error)}): run "npm run db-upgrade" first`;
  return messageOf(error);
}
