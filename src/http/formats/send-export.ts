import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../../logger.ts';
import { COMPLETENESS_HEADERS } from '../protocol/answer-headers.ts';
import { FORMATS, type ExportFormat } from './formats.ts';
import { varyByAccept } from './vary-by-accept.ts';
import type { ExportLayout, LinePage } from './write-lines.ts';

export interface Export extends ExportLayout {
  readonly format: ExportFormat;
  /** Lines of the format's shape, without a header. */
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
  const { format, columns, numbers, pages, fileName, logger } = asked;
  varyByAccept(reply);
  void reply
    .type(FORMATS[format].contentType)
    .header('content-disposition', `attachment; filename="${fileName.replaceAll(/[^\w.-]+/g, '-')}.${format}"`);
  if (request.method === 'HEAD') {
    await pages.return();
    return reply.send(Readable.from([]));
  }
  const first = await pages.next();
  const layout = { columns, numbers, metadata: readCompleteness(reply) };
  const body = Readable.from(FORMATS[format].write(resume(first, pages), layout), {
    objectMode: false,
    highWaterMark: 256 * 1024,
  });
  body.once('error', (error) => {
    if (!reply.raw.destroyed) logger.warn({ request_id: request.id, err: error }, 'an export was cut off');
  });
  return reply.send(body);
}

/** What the headers say of it, for a file that is kept without them. */
function readCompleteness(reply: FastifyReply): Record<string, string> {
  const told = COMPLETENESS_HEADERS.map((name) => [name, reply.getHeader(name)] as const);
  return Object.fromEntries(
    told.flatMap(([name, value]) => (typeof value === 'string' ? [[name.replace(/^x-/, 'candlekeep.'), value]] : [])),
  );
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
