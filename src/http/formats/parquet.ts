import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { ParquetLayout } from './parquet-encoder.ts';

/** Whole lines of CSV without a header: a time in ISO 8601, then the columns. */
interface CsvPage {
  readonly lines: Buffer;
}

/** What is new there is garbage soon: without a limit it grows by a hundred megabytes. */
const YOUNG_MB = 8;

/**
 * A Parquet file (Snappy) in pieces, one for each page, in row groups of 10,000. `timestamp` is TIMESTAMP in
 * milliseconds, UTC; decimals are strings with every digit, because no DECIMAL holds every `numeric`, or doubles where
 * `numbers` is float; what is not known is null. It is made in a thread of its own: encoding a million rows takes some
 * ten seconds, in which health, the live stream and the beats of the leases must not wait.
 */
export async function* writeParquet(
  pages: AsyncIterable<CsvPage>,
  layout: ParquetLayout,
): AsyncGenerator<Uint8Array, void> {
  const thread = new Worker(new URL('parquet-thread.ts', import.meta.url), {
    workerData: layout,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
  });
  const ended = new AbortController();
  thread.on('error', (error) => ended.abort(error));
  thread.on('exit', () => ended.abort(new Error('the thread that writes Parquet has ended')));
  const encode = async (lines: Buffer | null): Promise<Uint8Array> => {
    const answered = once(thread, 'message', { signal: ended.signal }) as Promise<[Uint8Array]>;
    thread.postMessage(lines, lines === null ? [] : ownBuffer(lines));
    try {
      return (await answered)[0];
    } catch {
      throw ended.signal.reason;
    }
  };
  try {
    for await (const { lines } of pages) yield await encode(lines);
    yield await encode(null);
  } finally {
    await thread.terminate();
  }
}

/** What can be handed over without a copy: who yielded the bytes has no use for them any more. */
function ownBuffer({ buffer, byteLength }: Buffer): ArrayBuffer[] {
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : [];
}
