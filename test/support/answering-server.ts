import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Request {
  readonly path: string;
  readonly query: URLSearchParams;
}

/** What to answer: a value (sent as JSON), or one of the ways in which exchanges misbehave. */
export type Answer =
  | { readonly json: unknown; readonly status?: number; readonly headers?: Readonly<Record<string, string>> }
  | {
      readonly text: string;
      readonly type?: string;
      readonly status?: number;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** Accepts the request and says nothing; or sends headers and half a body, and stalls; or breaks the connection. */
  | { readonly stall: 'headers' | 'body' | 'cut' };

export interface AnsweringServer extends AsyncDisposable {
  readonly origin: string;
  /** All requests so far, oldest first. */
  readonly requests: Request[];
}

/** A server on loopback that answers as `answer` says. */
export async function startAnsweringServer(answer: (request: Request) => Answer): Promise<AnsweringServer> {
  const requests: Request[] = [];
  const server = createServer((incoming, response) => {
    const request = readRequest(incoming);
    requests.push(request);
    send(response, answer(request));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function readRequest({ url = '/' }: IncomingMessage): Request {
  const { pathname, searchParams } = new URL(url, 'http://localhost');
  return { path: pathname, query: searchParams };
}

function send(response: ServerResponse, answer: Answer): void {
  if ('stall' in answer) {
    if (answer.stall === 'headers') return;
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
    response.write('[[1706630400000,');
    if (answer.stall === 'cut') setImmediate(() => response.destroy());
    return;
  }
  const [text, type] =
    'json' in answer
      ? [JSON.stringify(answer.json), 'application/json']
      : [answer.text, answer.type ?? 'application/json'];
  response.writeHead(answer.status ?? 200, { 'content-type': type, ...answer.headers });
  response.end(text);
}
