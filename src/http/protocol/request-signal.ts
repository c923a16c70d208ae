import type { FastifyReply } from 'fastify';
import { RequestError } from './errors.ts';

/** Opens what one request reads from: what it still asks of the database is cancelled when its client hangs up. */
export type OpenReaders<R> = (reply: FastifyReply) => R;

/**
 * Aborts when the client hangs up before it has its whole answer: then nobody needs what the database is still working
 * on.
 */
export function createRequestSignal({ raw }: FastifyReply): AbortSignal {
  const left = new AbortController();
  raw.once('close', () => {
    if (!raw.writableFinished)
      left.abort(new RequestError('REQUEST_TIMEOUT', 'The client hung up before the answer was complete.'));
  });
  return left.signal;
}
