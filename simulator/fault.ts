import type { ServerResponse } from 'node:http';
import type { Clock } from '../src/clock.ts';

/** What a fault decision may look at. */
export interface InterceptedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** The client's address. */
  readonly address: string;
}

/**
 * What to do instead of answering as usual.
 *
 * - `status`: this answer; a `body` that is no string is sent as JSON
 * - `stall`: nothing at all, or the headers and half of the usual body, and then silence; the socket stays open
 * - `cutAfterBytes`: that many bytes of the usual body, then the socket is destroyed
 * - `cutTextAfter`: an answer that is complete by its headers, its text cut after that many bytes
 * - `slowMs`: the usual answer, its body in pieces over that long (by the exchange's clock)
 * - `rewrite`: the usual answer, unless it is a refusal, with its JSON changed
 * - `headers`: the usual answer with other headers, such as a wrong Date
 */
export type Fault =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body: unknown }
  | { readonly stall: 'headers' | 'body' }
  | { readonly cutAfterBytes: number }
  | { readonly cutTextAfter: number }
  | { readonly slowMs: number }
  | { readonly rewrite: (json: unknown) => unknown; readonly headers?: Readonly<Record<string, string>> };

/** Asked before each answer; undefined means as usual. */
export type Intercept = (request: InterceptedRequest) => Fault | undefined;

/** An answer before it is written. A `body` that is no string is JSON. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

const SLOW_PIECES = 8;

/** The answer as the fault changes it; faults of the transport leave it as it is (see `writeAnswer`). */
export function applyFault(answer: Answer, fault: Fault | undefined): Answer {
  if (fault === undefined) return answer;
  if ('status' in fault)
    return { status: fault.status, headers: { ...answer.headers, ...fault.headers }, body: fault.body };
  if ('rewrite' in fault && answer.status === 200)
    return { ...answer, headers: { ...answer.headers, ...fault.headers }, body: fault.rewrite(answer.body) };
  return answer;
}

/** Writes the answer, as far as the fault lets it get. The Date header is the exchange's clock. */
export function writeAnswer(response: ServerResponse, answer: Answer, fault: Fault | undefined, clock: Clock): void {
  const isText = typeof answer.body === 'string';
  const whole = Buffer.from(isText ? answer.body : JSON.stringify(answer.body ?? null));
  if (fault !== undefined && 'stall' in fault && fault.stall === 'headers') return;
  const bytes = fault !== undefined && 'cutTextAfter' in fault ? whole.subarray(0, fault.cutTextAfter) : whole;
  response.writeHead(answer.status, {
    'content-type': isText ? 'text/html' : 'application/json;charset=UTF-8',
    'content-length': String(bytes.length),
    date: new Date(clock.now()).toUTCString(),
    ...answer.headers,
  });
  if (fault !== undefined && 'stall' in fault) {
    response.write(bytes.subarray(0, Math.floor(bytes.length / 2)));
  } else if (fault !== undefined && 'cutAfterBytes' in fault) {
    response.write(bytes.subarray(0, fault.cutAfterBytes), () => response.destroy());
  } else if (fault !== undefined && 'slowMs' in fault) {
    void writeSlowly(response, bytes, fault.slowMs, clock);
  } else {
    response.end(bytes);
  }
}

async function writeSlowly(response: ServerResponse, bytes: Buffer, lengthMs: number, clock: Clock): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const size = Math.ceil(bytes.length / SLOW_PIECES);
  for (let at = 0; at < bytes.length; at += size) {
    response.write(bytes.subarray(at, at + size));
    await clock.sleep(lengthMs / SLOW_PIECES, gone.signal).catch(() => undefined);
    if (gone.signal.aborted) return;
  }
  response.end();
}
