import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { endWithProblem } from './broken-request.ts';
import { RequestError } from './errors.ts';
import type { HttpApp } from './http-app.ts';
import { createProblem } from './problems.ts';

/**
 * Gives what Node answers by itself, with an empty body or by hanging up, a problem document: an `Expect` that we do not
 * know, a request without `Host` (the server must be made with `requireHostHeader: false`), and CONNECT.
 *
 * Left to Node on purpose: `Expect: 100-continue` is answered 100 and then as any request, and `Upgrade` is passed over,
 * as a server may that speaks nothing else (RFC 9110, 7.8).
 */
export function answerUnusualRequests(app: HttpApp): void {
  const unexpected = new WeakSet<IncomingMessage>();
  app.server.on('checkExpectation', (request, response) => {
    unexpected.add(request);
    // Whether the body still comes is the client's choice: what follows on this connection could be either.
    response.shouldKeepAlive = false;
    app.server.emit('request', request, response);
  });
  app.server.on('connect', refuseConnect);
  // After all onRequest hooks, so that the answer has their headers.
  app.addHook('preParsing', (request, _reply, _payload, done) => {
    const { raw } = request;
    if (unexpected.has(raw))
      throw new RequestError(
        'EXPECTATION_FAILED',
        'The header "expect" may say "100-continue" only: leave out anything else.',
      );
    // RFC 9112, 3.2.
    if (raw.headers.host === undefined && raw.httpVersion === '1.1')
      throw new RequestError('REQUEST_INVALID', 'A request of HTTP/1.1 must have the header "host".', {
        headers: { connection: 'close' },
      });
    done();
  });
}

function refuseConnect({ url = '' }: IncomingMessage, socket: Duplex): void {
  // Node has let go of this socket: nobody else hears of its errors.
  socket.on('error', () => socket.destroy());
  const detail = 'This service is no proxy: it answers GET, HEAD and POST.';
  endWithProblem(socket, createProblem('METHOD_NOT_ALLOWED', detail, url), { allow: 'GET, HEAD, POST' });
}
