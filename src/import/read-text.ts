import { createReadStream } from 'node:fs';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { AppError } from '../errors.ts';

const CHUNK_BYTES = 256 * 1024;

/**
 * The text of a file (`-`: standard input) in pieces, unpacked where it is gzip by its first bytes. Read as it is
 * consumed.
 *
 * @throws AppError `IMPORT_UNREADABLE` where it cannot be opened, is a zip archive, or is cut in the middle of gzip.
 */
export async function* readText(path: string): AsyncGenerator<string, void> {
  const source: Readable = path === '-' ? process.stdin : createReadStream(path, { highWaterMark: CHUNK_BYTES });
  const decoder = new TextDecoder();
  try {
    for await (const bytes of await unpack(source)) yield decoder.decode(bytes as Buffer, { stream: true });
    yield decoder.decode();
  } catch (error) {
    if (error instanceof AppError || !(error instanceof Error) || !('code' in error)) throw error;
    throw new AppError('IMPORT_UNREADABLE', `${path === '-' ? 'standard input' : path} cannot be read`, {
      cause: error,
    });
  } finally {
    source.destroy();
  }
}

async function unpack(source: Readable): Promise<AsyncIterable<unknown>> {
  const chunks = source.iterator({ destroyOnReturn: false });
  let head = Buffer.alloc(0);
  while (head.length < 4) {
    const next = (await chunks.next()) as IteratorResult<Buffer>;
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  if (head.subarray(0, 4).equals(Buffer.from('PK\x03\x04')))
    throw new AppError(
      'IMPORT_UNREADABLE',
      'this is a zip archive: unpack it first, as in: unzip -p FILE | … --file -',
    );
  async function* whole() {
    yield head;
    yield* chunks as AsyncIterable<Buffer>;
  }
  if (head[0] !== 0x1f || head[1] !== 0x8b) return whole();
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  // Whoever reads gunzip gets the error.
  pipeline(Readable.from(whole()), gunzip, () => undefined);
  return gunzip;
}
