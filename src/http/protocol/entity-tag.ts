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
  const known = findKnownTag(request, tag);
  void reply.headers({ etag: known ?? tag, 'cache-control': `public, max-age=${MAX_AGE_S}, must-revalidate` });
  return known !== null;
}

/**
 * The tag as the client has it, weak where its answer was compressed; null where it has another one, or none. They are
 * compared weakly (RFC 9110, 13.1.2).
 */
export function findKnownTag(request: FastifyRequest, tag: string): string | null {
  const entries = (request.headers['if-none-match'] ?? '').split(',').map((entry) => entry.trim());
  if (entries.includes('*')) return tag;
  return entries.find((entry) => entry.replace(/^W\//, '') === tag) ?? null;
}
