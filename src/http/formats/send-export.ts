import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../../logger.ts';
import type { Numbers } from './rows.ts';
import { CONTENT_TYPES, type ExportFormat } from './choose-format.ts';
import type { ExportColumn } from './parquet-encoder.ts';
import { writeParquet } from './parquet.ts';
import { varyByAccept } from './vary-by-accept.ts';

/** Whole lines of text, and how many. */
export interface LinePage {
  readonly lines: Buffer;
  readonly count: number;
}

export interface Export {
  readonly format: ExportFormat;
  readonly columns: readonly ExportColumn[];
  readonly numbers: Numbers;
  /** Lines of JSON for `ndjson`, else of CSV without a header. */
  readonly pages: AsyncGenerator<LinePage, void>;
  /** Of the file that a browser stores, without its extension. */
  readonly fileName: string;
  readonly logger: Logger;
}

/**
 * Answers with all rows, as fast as the client reads and no faster; it starts once the first page is there, so that
 * what fails before is answered as a problem. What fails later cuts the connection off: a client must not take a part
 * for the whole.
 */
export async function sendExport(request: FastifyRequest, reply: FastifyReply, asked: Export): Promise<FastifyReply> {
  const { format, pages, fileName, logger } = asked;
  varyByAccept(reply);
  void reply
    .type(CONTENT_TYPES[format])
    .header('content-disposition', `attachment; filename="${fileName.replaceAll(/[^\w.-]+/g, '-')}.${format}"`);
  if (request.method === 'HEAD') {
    await pages.return();
    return reply.send(Readable.from([]));
  }
  const first = await pages.next();
  const body = Readable.from(writeBody(resume(first, pages), asked), { objectMode: false, highWaterMark: 256 * 1024 });
  body.once('error', (error) => {
    if (!reply.raw.destroyed) logger.warn({ request_id: request.id, err: error }, 'an export was cut off');
  });
  return reply.send(body);
}

async function* resume<T>(first: IteratorResult<T, void>, rest: AsyncGenerator<T, void>): AsyncGenerator<T, void> {
  try {
    if (first.done !== true) {
      yield first.value;
      yield* rest;
    }
  } finally {
    await rest.return();
  }
}

async function* writeBody(pages: AsyncGenerator<LinePage, void>, asked: Export): AsyncGenerator<Uint8Array, void> {
  const { format, columns, numbers } = asked;
  if (format === 'parquet') {
    yield* writeParquet(pages, { columns, numbers });
    return;
  }
  if (format === 'csv') yield Buffer.from(`timestamp,${columns.map(({ name }) => name).join(',')}\n`);
  for await (const { lines } of pages) yield lines;
}
