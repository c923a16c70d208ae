import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { createProblem } from './problems.ts';

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
  const body = JSON.stringify(problem);
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}\r\nconnection: close\r\n` +
      `content-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
