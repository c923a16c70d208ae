import type { ServerResponse } from 'node:http';

/** What a fault decision may look at. */
export interface InterceptedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
}

/**
 * What to do instead of answering as usual.
 *
 * - `status`: this answer; a `body` that is no string is sent as JSON
 * - `stall`: nothing at all, or the headers and half of the usual body, and then silence; the socket stays open
 * - `cutAfterBytes`: that many bytes of the usual body, then the socket is destroyed
 * - `rewrite`: the usual answer, unless it is a refusal, with its JSON changed
 */
export type Fault =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body: unknown }
  | { readonly stall: 'headers' | 'body' }
  | { readonly cutAfterBytes: number }
  | { readonly rewrite: (json: unknown) => unknown };

/** Asked before each answer; undefined means as usual. */
export type Intercept = (request: InterceptedRequest) => Fault | undefined;

/** An answer before it is written. A `body` that is no string is JSON. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** The answer as the fault changes it; faults of the transport leave it as it is (see `writeAnswer`). */
export function applyFault(answer: Answer, fault: Fault | undefined): Answer {
  if (fault === undefined) return answer;
  if ('status' in fault)
    return { status: fault.status, headers: { ...answer.headers, ...fault.headers }, body: fault.body };
  if ('rewrite' in fault && answer.status === 200) return { ...answer, body: fault.rewrite(answer.body) };
  return answer;
}

/** Writes the answer, as far as the fault lets it get. */
export function writeAnswer(response: ServerResponse, answer: Answer, fault: Fault | undefined): void {
  const isText = typeof answer.body === 'string';
  const bytes = Buffer.from(isText ? answer.body : JSON.stringify(answer.body ?? null));
  if (fault !== undefined && 'stall' in fault && fault.stall === 'headers') return;
  response.writeHead(answer.status, {
    'content-type': isText ? 'text/html' : 'application/json;charset=UTF-8',
    'content-length': String(bytes.length),
    ...answer.headers,
  });
  if (fault !== undefined && 'stall' in fault) {
    response.write(bytes.subarray(0, Math.floor(bytes.length / 2)));
  } else if (fault !== undefined && 'cutAfterBytes' in fault) {
    response.write(bytes.subarray(0, fault.cutAfterBytes), () => response.destroy());
  } else {
    response.end(bytes);
  }
}
