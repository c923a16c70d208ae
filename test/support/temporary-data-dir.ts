import { chmod, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export interface TemporaryDataDir extends AsyncDisposable {
  readonly path: string;
}

/** A folder for an embedded database, removed with it by `await using` when nothing runs on it any more. */
export async function createTemporaryDataDir(): Promise<TemporaryDataDir> {
  const path = await mkdtemp(join(tmpdir(), 'candlekeep-e2e-data-'));
  // As root the server's own user must pass.
  await chmod(path, 0o755);
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      // As root the cluster may lie elsewhere, and the folder holds a link to it.
      const cluster = await realpath(join(path, 'postgres')).catch(() => null);
      if (cluster !== null && dirname(cluster) !== path) await rm(dirname(cluster), { recursive: true, force: true });
      await rm(path, { recursive: true, force: true });
    },
  };
}
