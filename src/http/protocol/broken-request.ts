import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createProblem, type Problem } from './problems.ts';

/** A client that has its answer and does not hang up is cut off after this long. */
const FAREWELL_MS = 2000;

/** Answers what Node's parser refused before there was a request, and hangs up. */
export function answerBrokenRequest(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const problem =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? createProblem('REQUEST_TIMEOUT', 'The whole request must arrive within 30 s, its headers within 15 s.', '')
      : error.code === 'HPE_HEADER_OVERFLOW'
        ? createProblem('HEADERS_TOO_LARGE', 'Keep the request line and headers under 16 kB.', '')
        : createProblem('REQUEST_INVALID', 'This is not an HTTP request.', '');
  endWithProblem(socket, problem);
}

/** Writes a whole answer on a connection that no request of ours answers on, and ends it. */
export function endWithProblem(socket: Duplex, problem: Problem, headers: Readonly<Record<string, string>> = {}): void {
  const body = JSON.stringify(problem);
  const lines = {
    connection: 'close',
    'cache-control': 'no-store',
    'content-type': 'application/problem+json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'x-content-type-options': 'nosniff',
    ...headers,
  };
  const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}\r\n${head.join('')}\r\n${body}`);
  // What still arrives is dropped: unread, it would turn the end of the connection into a reset.
  socket.resume();
  const cut = setTimeout(() => socket.destroy(), FAREWELL_MS).unref();
  socket.once('close', () => clearTimeout(cut));
}
