import { hash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** How long an answer that should not change may be used without asking: an exchange may rewrite history. */
const MAX_AGE_S = 60;

/** A strong entity tag over texts that together tell one answer from every other one. */
export function createEntityTag(...parts: readonly string[]): string {
  return `"${hash('sha1', parts.join('\n'), 'base64url')}"`;
}

/**
 * Gives the answer its tag, and lets caches keep it for a minute and revalidate it then.
 *
 * @returns whether the client has it already: then answer 304 without a body.
 */
export function isFresh(request: FastifyRequest, reply: FastifyReply, tag: string): boolean {
  void reply.headers({ etag: tag, 'cache-control': `public, max-age=${MAX_AGE_S}, must-revalidate` });
  const known = request.headers['if-none-match'];
  if (known === undefined) return false;
  return known.split(',').some((entry) => entry.trim() === tag || entry.trim() === '*');
}
