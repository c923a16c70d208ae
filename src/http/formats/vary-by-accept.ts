import type { FastifyReply } from 'fastify';

/** Tells caches that the answer depends on Accept, besides what it is already said to depend on (such as Origin). */
export function varyByAccept(reply: FastifyReply): void {
  const fields = [reply.getHeader('vary') ?? []]
    .flat()
    .flatMap((value) => String(value).split(','))
    .map((field) => field.trim());
  if (!fields.some((field) => field === '*' || field.toLowerCase() === 'accept'))
    void reply.header('vary', [...fields, 'accept'].join(', '));
}
