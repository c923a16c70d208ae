import { parentPort, workerData } from 'node:worker_threads';
import { ParquetEncoder, type ParquetLayout } from './parquet-encoder.ts';

/** Answers each message, lines of CSV, with the piece of the file that they make, and null with its end. */
const encoder = new ParquetEncoder(workerData as ParquetLayout);
parentPort?.on('message', (lines: Uint8Array | null) => {
  void answer(lines);
});

async function answer(lines: Uint8Array | null): Promise<void> {
  const piece =
    lines === null
      ? await encoder.finish()
      : await encoder.encode(Buffer.from(lines.buffer, lines.byteOffset, lines.byteLength));
  parentPort?.postMessage(piece);
}
