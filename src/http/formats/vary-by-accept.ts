import type { FastifyReply } from 'fastify';

/**
 * Tells caches that the answer depends on Accept and on Accept-Encoding (the compressor tells the latter only of what it
 * compresses, and not of a 304 or the answer to HEAD), besides what it is already said to depend on (such as Origin).
 */
export function varyByAccept(reply: FastifyReply): void {
  const fields = [reply.getHeader('vary') ?? []]
    .flat()
    .flatMap((value) => String(value).split(','))
    .map((field) => field.trim());
  if (fields.includes('*')) return;
  const known = new Set(fields.map((field) => field.toLowerCase()));
  const added = ['accept', 'accept-encoding'].filter((field) => !known.has(field));
  void reply.header('vary', [...fields, ...added].join(', '));
}
