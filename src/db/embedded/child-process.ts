import { spawn, type ChildProcessWithoutNullStreams, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { messageOf } from '../../errors.ts';

/** The system user whom a program runs as. */
export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

/** What a program that ran to its end left behind. */
export interface Outcome {
  /** True where it exited with 0. */
  readonly ok: boolean;
  /** Standard output and error together, the last 64 KiB. */
  readonly output: string;
}

const OUTPUT_LIMIT = 64 * 1024;

/**
 * How every program of the embedded server is started.
 *
 * - `user`: whose it becomes; null: the user of this process.
 * - A session of its own, so that Ctrl-C in a terminal, which reaches the whole foreground group, does not reach it.
 * - A folder that anyone may enter and an environment with nothing of ours in it: PGDATA, PGOPTIONS or a HOME that the
 *   server's user may not enter would change what it does.
 */
export function spawnOptions(user: ServerUser | null): SpawnOptions {
  return {
    cwd: '/',
    detached: true,
    windowsHide: true,
    env: { PATH: '/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin', LC_ALL: 'C', TZ: 'UTC' },
    ...(user ? { uid: user.uid, gid: user.gid } : {}),
  };
}

/**
 * Runs a program to its end and never throws for what the program does: one that cannot be started, ends with another
 * status than 0 or takes longer than `timeoutMs` (it is then killed) has `ok` false and the reason in `output`.
 *
 * @throws the signal's reason when it aborts, after the program was killed.
 */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: { user: ServerUser | null; timeoutMs: number; input?: string; signal?: AbortSignal },
): Promise<Outcome> {
  options.signal?.throwIfAborted();
  let child: ChildProcessWithoutNullStreams;
  try {
    child = spawn(command, args, { ...spawnOptions(options.user), stdio: 'pipe' });
  } catch (error) {
    // Node throws some of what it otherwise emits, such as EPERM where we may not become the user.
    return { ok: false, output: messageOf(error) };
  }
  let output = '';
  const collect = (chunk: Buffer) => (output = (output + chunk.toString('utf8')).slice(-OUTPUT_LIMIT));
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  // A program that ends without reading its input closes the pipe; its exit status tells the story.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  const kill = () => child.kill('SIGKILL');
  options.signal?.addEventListener('abort', kill);
  const timer = setTimeout(() => {
    output += `\nit took longer than ${options.timeoutMs} ms`;
    kill();
  }, options.timeoutMs);
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    options.signal?.throwIfAborted();
    if (signal) output += `\nit was ended by ${signal}`;
    return { ok: code === 0, output: output.trim() };
  } catch (error) {
    options.signal?.throwIfAborted();
    return { ok: false, output: messageOf(error) };
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', kill);
  }
}
