import { AppError } from '../../errors.ts';
import { runProgram, type ServerUser } from './child-process.ts';
import { isRoot } from './data-dir.ts';

const OWN_NAME = 'candlekeep';
const TIMEOUT_MS = 30_000;

/**
 * Whom the server runs as: null (the user of this process) unless that is root, whom PostgreSQL refuses; then the
 * existing user `postgres`, else `candlekeep`, which is made where it is missing.
 *
 * @throws AppError EMBEDDED_POSTGRES_USER where no user can be made or this process may not become another user.
 */
export async function findServerUser(): Promise<ServerUser | null> {
  if (!isRoot()) return null;
  const user = (await lookUp('postgres')) ?? (await lookUp(OWN_NAME)) ?? (await createUser());
  const probe = await runProgram('/bin/sh', ['-c', 'exit 0'], { user, timeoutMs: TIMEOUT_MS });
  if (probe.ok) return user;
  throw new AppError(
    'EMBEDDED_POSTGRES_USER',
    `PostgreSQL does not run as root, and this process may not become user ${user.uid}: ${probe.output}. ` +
      `Start the service as an ordinary user, or set DATABASE_URL.`,
  );
}

async function lookUp(name: string): Promise<ServerUser | null> {
  const uid = await runProgram('id', ['-u', name], { user: null, timeoutMs: TIMEOUT_MS });
  const gid = await runProgram('id', ['-g', name], { user: null, timeoutMs: TIMEOUT_MS });
  // A name that stands for root itself would only be refused later, and less clearly.
  if (!uid.ok || !gid.ok || !/^[1-9]\d*$/.test(uid.output) || !/^\d+$/.test(gid.output)) return null;
  return { uid: Number(uid.output), gid: Number(gid.output) };
}

async function createUser(): Promise<ServerUser> {
  const attempts: (readonly [string, ...string[]])[] = [
    ['useradd', '--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', OWN_NAME],
    // Alpine and other systems with busybox only.
    ['adduser', '-S', '-D', '-H', '-s', '/sbin/nologin', OWN_NAME],
  ];
  const failures: string[] = [];
  for (const [command, ...args] of attempts) {
    const outcome = await runProgram(command, args, { user: null, timeoutMs: TIMEOUT_MS });
    const user = outcome.ok ? await lookUp(OWN_NAME) : null;
    if (user) return user;
    failures.push(`${command}: ${outcome.output}`);
  }
  throw new AppError(
    'EMBEDDED_POSTGRES_USER',
    `PostgreSQL does not run as root, there is no system user postgres or ${OWN_NAME}, and none could be made ` +
      `(${failures.join('; ')}). Make one (useradd --system ${OWN_NAME}), start the service as an ordinary user, ` +
      `or set DATABASE_URL.`,
  );
}
