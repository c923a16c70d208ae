import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../src/clock.ts';
import type { Logger } from '../src/logger.ts';
import { applyFault, writeAnswer, type Answer, type Intercept, type InterceptedRequest } from './fault.ts';
import { RequestGate } from './request-gate.ts';
import { RequestParameters } from './request-parameters.ts';
import type { Route } from './routes.ts';
import { NOT_FOUND, WireError } from './wire-error.ts';

/** A request that was answered, or not, as the fault wanted it. */
export interface LoggedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  /** The status of the answer, or the one that a stalled or cut answer was to have. */
  readonly status: number;
  readonly atMs: number;
}

const REQUESTS_KEPT = 1_000;

/** The REST side: counts, limits, breaks and answers requests. */
export class RestServer {
  readonly #clock: Clock;
  readonly #routes: ReadonlyMap<string, Route>;
  readonly #gate: RequestGate;
  readonly #intercept: Intercept;
  readonly #logger: Logger | null;
  readonly #requests: LoggedRequest[] = [];
  #requestCount = 0;

  /** The clock's `now` is the exchange's. */
  constructor(deps: { clock: Clock; routes: ReadonlyMap<string, Route>; intercept: Intercept; logger: Logger | null }) {
    this.#clock = deps.clock;
    this.#routes = deps.routes;
    this.#gate = new RequestGate({ now: () => deps.clock.now() });
    this.#intercept = deps.intercept;
    this.#logger = deps.logger;
  }

  get requestCount(): number {
    return this.#requestCount;
  }

  /** The last requests, oldest first, a thousand at most. */
  get requests(): readonly LoggedRequest[] {
    return this.#requests;
  }

  get bans(): number {
    return this.#gate.bans;
  }

  /** Answers a request, as far as the fault lets it. Never throws. */
  handle(request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    const method = request.method ?? 'GET';
    const url = URL.parse(request.url ?? '/', 'http://localhost');
    const path = url?.pathname ?? '';
    const query = url?.searchParams ?? new URLSearchParams();
    const asked = { method, path, query, address: request.socket.remoteAddress ?? 'unknown' };
    let answer: Answer;
    try {
      const fault = this.#intercept(asked);
      answer = applyFault(this.#answer(asked), fault);
      writeAnswer(response, answer, fault, this.#clock);
    } catch (error) {
      this.#logger?.error({ err: error, path }, 'simulated exchange failed to answer');
      answer = {
        status: 500,
        headers: {},
        body: { code: -1000, msg: 'An unknown error occurred while processing the request.' },
      };
      if (response.headersSent) response.destroy();
      else writeAnswer(response, answer, undefined, this.#clock);
    }
    this.#requestCount++;
    this.#requests.push({ method, path, query: query.toString(), status: answer.status, atMs: this.#clock.now() });
    if (this.#requests.length > REQUESTS_KEPT) this.#requests.shift();
  }

  #answer({ method, path, query, address }: InterceptedRequest): Answer {
    const parameters = new RequestParameters(query);
    const route = this.#routes.get(path);
    if (!route) return { ...NOT_FOUND, headers: {} };
    if (method !== 'GET') {
      return {
        status: 405,
        headers: { allow: 'GET' },
        body: { code: -1000, msg: `Request method '${method}' is not supported.` },
      };
    }
    let headers: Record<string, string> = {};
    try {
      const refusal = this.#gate.refuse(route.budget, route.weight(parameters), address);
      const counted = route.budget === 'spot' ? 'spot' : 'futures';
      headers = { 'x-mbx-used-weight-1m': String(this.#gate.used(counted)) };
      if (refusal !== null) throw refusal;
      return { status: 200, headers, body: route.answer(parameters, this.#clock.now()) };
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      return { status: error.status, headers: { ...headers, ...error.headers }, body: error.body };
    }
  }
}
