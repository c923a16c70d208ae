import { readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { OWN_NAME } from './cluster.ts';
import { unlessMissing } from './data-dir.ts';
import { isServerOf, parsePidFile } from './pid-file.ts';

/**
 * The URL of the embedded server that a running candlekeep has on this DATA_DIR, for a command beside it; null where
 * none is running. It belongs to the other process: connect to it, but do not stop it.
 */
export async function findRunningServer(dataDir: string): Promise<string | null> {
  const cluster = await realpath(join(dataDir, 'postgres')).catch(unlessMissing);
  if (cluster === null) return null;
  const [text, password] = await Promise.all([
    readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(unlessMissing),
    readFile(join(dataDir, 'postgres-password'), 'utf8').catch(unlessMissing),
  ]);
  const file = text === null ? null : parsePidFile(text);
  if (text === null || password === null || !file?.ready || !(await isServerOf(file.pid, cluster))) return null;
  // The fourth line is the port: https://www.postgresql.org/docs/18/storage-file-layout.html
  const port = text.split('\n')[3]?.trim() ?? '';
  return `postgresql://${OWN_NAME}:${password.trim()}@127.0.0.1:${port}/${OWN_NAME}`;
}
