import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** The environment of a process that sees nothing of ours but what it is given. */
export function bareEnvironment(values: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR } = process.env;
  return { PATH, HOME, TMPDIR, ...values };
}

/**
 * Runs one of our commands as its users do, in a process of its own.
 *
 * @returns what it wrote to standard output.
 * @throws where its exit code is not 0, with what it wrote to standard error.
 */
export async function runScript(path: string, args: readonly string[], url: string): Promise<string> {
  const environment = bareEnvironment({ DATABASE_URL: url, MIGRATION_DATABASE_URL: '', LOG_LEVEL: 'warn' });
  const { stdout } = await promisify(execFile)(process.execPath, [path, ...args], {
    cwd: ROOT,
    env: environment,
    maxBuffer: 16 * 1024 * 1024,
  });
  return stdout;
}
