import { execFile, execFileSync } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { from } from 'pg-copy-streams';

const COPY =
  'ohlcv_data (exchange, symbol, timeframe, timestamp, open, high, low, close, volume) from %s with (format csv, header)';

export interface CopyLimit {
  /** What it is, for the report. */
  readonly name: string;
  /** Loads a CSV of our export into ohlcv_data as fast as PostgreSQL takes it, on one connection. */
  run(url: string, csvPath: string): Promise<void>;
}

/** `psql \copy` where there is a psql; otherwise a raw COPY of the same bytes. */
export function findCopyLimit(): CopyLimit {
  try {
    execFileSync('psql', ['--version'], { stdio: 'ignore' });
    return { name: 'psql \\copy', run: runPsql };
  } catch {
    return { name: 'raw COPY of the file (no psql here)', run: runRawCopy };
  }
}

async function runPsql(url: string, csvPath: string): Promise<void> {
  const command = `\\copy ${COPY.replace('%s', `'${csvPath.replaceAll("'", "''")}'`)}`;
  await promisify(execFile)('psql', [url, '--no-psqlrc', '--quiet', '--set=ON_ERROR_STOP=1', '--command', command]);
}

async function runRawCopy(url: string, csvPath: string): Promise<void> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const stream = client.query(from(`copy ${COPY.replace('%s', 'stdin')}`));
    await pipeline(createReadStream(csvPath, { highWaterMark: 256 * 1024 }), stream);
  } finally {
    await client.end();
  }
}
