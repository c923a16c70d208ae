import { execFile, execFileSync } from 'node:child_process';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { to } from 'pg-copy-streams';

export interface ExportLimit {
  /** What it is, for the report. */
  readonly name: string;
  /** Reads what `select` answers as CSV with a header, on one connection, and keeps nothing of it. */
  run(url: string, select: string): Promise<void>;
}

/** `psql \copy (select …) to '/dev/null'` where there is a psql; otherwise the same COPY, read here. */
export function findExportLimit(): ExportLimit {
  try {
    execFileSync('psql', ['--version'], { stdio: 'ignore' });
    return { name: 'psql \\copy', run: runPsql };
  } catch {
    return { name: 'raw COPY (no psql here)', run: runRawCopy };
  }
}

async function runPsql(url: string, select: string): Promise<void> {
  const command = `\\copy (${select}) to '/dev/null' with (format csv, header)`;
  await promisify(execFile)('psql', [url, '--no-psqlrc', '--quiet', '--set=ON_ERROR_STOP=1', '--command', command]);
}

async function runRawCopy(url: string, select: string): Promise<void> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
    await pipeline(client.query(to(`copy (${select}) to stdout with (format csv, header)`)), nowhere);
  } finally {
    await client.end();
  }
}
