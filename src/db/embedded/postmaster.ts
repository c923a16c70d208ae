import { spawn, type ChildProcess } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import { AppError } from '../../errors.ts';
import { sleep } from '../../retry.ts';
import type { Logger } from '../../logger.ts';
import type { Binaries } from './binaries.ts';
import { spawnOptions, type ServerUser } from './child-process.ts';
import { readPidFile } from './pid-file.ts';
import { openServerLog, problemsSince, type ServerLog } from './server-log.ts';

const POLL_MS = 25;
/** Recovery after a crash replays at most max_wal_size or so; this is far beyond what it takes on a slow disk. */
const START_TIMEOUT_MS = 600_000;
const FAST_SHUTDOWN_MS = 7_500;
const IMMEDIATE_SHUTDOWN_MS = 1_500;
const ORPHANS_TIMEOUT_MS = 15_000;

/** The server as a whole, as opposed to what may be tuned: only this machine can reach it, and it logs to us. */
const FIXED_SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  logging_collector: 'off',
  log_destination: 'stderr',
  lc_messages: 'C',
};

export interface PostmasterOptions {
  readonly cluster: string;
  readonly binaries: Binaries;
  readonly user: ServerUser | null;
  /** Null: a free one. */
  readonly port: number | null;
  readonly logPath: string;
  /** Further server settings, over those of its postgresql.conf. */
  readonly settings: Readonly<Record<string, string>>;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** A running server whose process is our child. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
  /** Resolves when the server has ended, with how and with the problems in its log. */
  readonly ended: Promise<{ how: string; problems: string[] }>;
  /** Fast shutdown (as `pg_ctl stop -m fast`), after 7.5 s an immediate one. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Starts the server and waits until it accepts connections.
 *
 * A port that was lost to another program and processes of a killed server that are still ending are waited out.
 *
 * @throws AppError EMBEDDED_POSTGRES_FAILED or DATA_DIR_FULL with the lines of the server's log that explain it.
 */
export async function startPostmaster(options: PostmasterOptions, findPort = freePort): Promise<Postmaster> {
  const deadline = Date.now() + ORPHANS_TIMEOUT_MS;
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await findPort());
    const log = await openServerLog(options.logPath);
    const postmaster = launch(options, port, log);
    await log.file.close();
    try {
      const problems = await untilReady(postmaster, options);
      if (problems === null) return postmaster;
      const text = problems.join('\n');
      // The server's messages (English by lc_messages) are all there is before it accepts connections.
      if (text.includes('Address already in use') && options.port === null && attempt < 5) continue;
      if (text.includes('pre-existing shared memory block') && Date.now() < deadline) {
        await sleep(250, options.signal);
        continue;
      }
      throw startFailed(options, port, text);
    } catch (error) {
      await postmaster.stop();
      throw error;
    }
  }
}

function launch(options: PostmasterOptions, port: number, log: ServerLog): Postmaster {
  const settings = Object.entries({ ...options.settings, ...FIXED_SETTINGS, port: String(port) });
  const args = ['-D', options.cluster, ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  const child = spawn(options.binaries.postgres, args, {
    ...spawnOptions(options.user),
    stdio: ['ignore', log.file.fd, log.file.fd],
  });
  // The service decides how long it lives; the server alone must not keep it.
  child.unref();
  const ended = endOf(child).then(async (how) => ({ how, problems: await problemsSince(log).catch(() => []) }));
  // However this process exits, the server does not outlive it; a kill -9 is what the next start mends.
  const abandon = () => child.kill('SIGINT');
  process.once('exit', abandon);
  void ended.then(() => process.removeListener('exit', abandon));
  let stopping: Promise<void> | null = null;
  return {
    // Without a pid the program could not be started, and `ended` has the reason.
    pid: child.pid ?? -1,
    port,
    ended,
    stop: () => (stopping ??= shutDown(child, ended)),
  };
}

async function endOf(child: ChildProcess): Promise<string> {
  return await new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ? `ended by ${signal}` : `exit status ${code ?? 'unknown'}`));
  });
}

async function shutDown(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  for (const [signal, withinMs] of [
    ['SIGINT', FAST_SHUTDOWN_MS],
    ['SIGQUIT', IMMEDIATE_SHUTDOWN_MS],
  ] as const) {
    child.kill(signal);
    // The timer also keeps the process up meanwhile: the child itself does not.
    const timeout = new AbortController();
    const late = sleep(withinMs, timeout.signal).then(() => 'late');
    const first = await Promise.race([ended, late]);
    if (first !== 'late') {
      timeout.abort();
      await late.catch(() => undefined);
      return;
    }
  }
  throw new AppError('EMBEDDED_POSTGRES_FAILED', `the database server (pid ${child.pid ?? 'none'}) does not stop`);
}

/** Null when the server accepts connections; the problems in its log where it ended instead. */
async function untilReady(postmaster: Postmaster, options: PostmasterOptions): Promise<string[] | null> {
  const ended = postmaster.ended.then(({ how, problems }) => [how, ...problems]);
  const startedAt = Date.now();
  for (let polls = 1; Date.now() - startedAt < START_TIMEOUT_MS; polls++) {
    const problems = await Promise.race([ended, sleep(POLL_MS, options.signal)]);
    if (problems) return problems;
    const pidFile = await readPidFile(options.cluster);
    // Its own pid: another program on the port, or a stale file, is not our server.
    if (pidFile?.pid === postmaster.pid && pidFile.ready) return null;
    if (polls % 400 === 0)
      options.logger.info(
        { seconds: Math.round((Date.now() - startedAt) / 1000) },
        'the database server is still starting, as it does after a crash',
      );
  }
  return [`it was not ready after ${START_TIMEOUT_MS / 1000} s`];
}

function startFailed({ cluster, logPath }: PostmasterOptions, port: number, text: string): AppError {
  const remedy = text.includes('No space left on device')
    ? ' The disk is full: make room on it, or set DATA_DIR to another.'
    : text.includes('Address already in use')
      ? ` Port ${port} is taken: choose another.`
      : '';
  return new AppError(
    text.includes('No space left on device') ? 'DATA_DIR_FULL' : 'EMBEDDED_POSTGRES_FAILED',
    `the database server on ${cluster} did not start.${remedy} Its log, ${logPath}, says:\n${text}`,
  );
}

/** A port of the loopback interface that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
