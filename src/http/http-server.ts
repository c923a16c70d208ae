import type { Socket } from 'node:net';
import { AppError, messageOf } from '../errors.ts';
import type { Service, ServiceContext } from '../lifecycle.ts';
import { createHttpApp, type HttpAppDeps } from './create-http-app.ts';
import { RequestError } from './protocol/errors.ts';
import type { HttpApp } from './protocol/http-app.ts';
import type { HttpLimits } from './protocol/limits.ts';

export interface HttpServerDeps extends Omit<HttpAppDeps, 'adminToken' | 'limits' | 'signal'> {
  readonly http: HttpLimits & { readonly host: string; readonly port: number; readonly adminToken: string | null };
  /** How long `stop` lets requests in flight finish. */
  readonly stopTimeoutMs?: number;
}

const STOP_TIMEOUT_MS = 5000;

/**
 * The HTTP listener. It is started first and stopped last: while the rest is not running, health tells so and the data
 * routes answer 503.
 */
export class HttpServer implements Service {
  readonly name = 'http';
  readonly #deps: HttpServerDeps;
  readonly #app: HttpApp;
  /** Ends upgrades in flight. */
  readonly #upgrades = new AbortController();
  /** Open connections, with how many requests each has in flight. */
  readonly #connections = new Map<Socket, number>();
  #isStopping = false;
  #stopped: Promise<void> | null = null;

  constructor(deps: HttpServerDeps) {
    this.#deps = deps;
    const { adminToken } = deps.http;
    this.#app = createHttpApp({ ...deps, adminToken, limits: deps.http, signal: this.#upgrades.signal });
    this.#app.addHook('onSend', (_request, reply, payload, done) => {
      // A client that reuses its connection must learn that this answer is the last one.
      if (this.#isStopping) void reply.header('connection', 'close');
      done(null, payload);
    });
    this.#trackConnections();
  }

  /** Where it listens, such as `http://127.0.0.1:8000`, with the port that was given for PORT=0; null before. */
  get url(): string | null {
    const address = this.#app.server.address();
    if (address === null || typeof address === 'string') return null;
    const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
    return `http://${host}:${address.port}`;
  }

  /**
   * Resolves when it listens. When the signal aborts, an upgrade in flight ends after its revision, and health goes on
   * answering until `stop`.
   *
   * @throws AppError LISTEN_FAILED that names HOST and PORT and says what to do.
   */
  async start({ signal }: Pick<ServiceContext, 'signal'>): Promise<void> {
    const { http, logger } = this.#deps;
    // The listener is stopped last, the database before it: an upgrade must end sooner than that.
    signal.addEventListener('abort', () => this.#endUpgrades(), { once: true });
    try {
      await this.#app.listen({ host: http.host, port: http.port });
    } catch (error) {
      throw new AppError('LISTEN_FAILED', describeListenError(error, http.host, http.port), { cause: error });
    }
    // Such as EMFILE on accept: without a listener it would end the process.
    this.#app.server.on('error', (error) => logger.error({ err: error }, 'the HTTP listener failed'));
    logger.info({ url: this.url }, 'HTTP is listening');
  }

  /**
   * Stops accepting, closes idle connections at once and the others after their request, at the latest after 5 s.
   */
  async stop(): Promise<void> {
    this.#stopped ??= this.#close();
    await this.#stopped;
  }

  async #close(): Promise<void> {
    const { logger, stopTimeoutMs = STOP_TIMEOUT_MS } = this.#deps;
    this.#isStopping = true;
    this.#endUpgrades();
    for (const [socket, inFlight] of this.#connections) if (inFlight === 0) socket.destroy();
    const force = setTimeout(() => {
      logger.warn({ connections: this.#connections.size }, 'requests in flight were cut off because the service stops');
      for (const socket of this.#connections.keys()) socket.destroy();
    }, stopTimeoutMs);
    try {
      await this.#app.close();
    } finally {
      clearTimeout(force);
    }
  }

  #endUpgrades(): void {
    this.#upgrades.abort(new RequestError('NOT_RUNNING', 'The service is stopping; ask again when it is back.'));
  }

  /** Node's own list of idle connections leaves out those that have not sent a request yet. */
  #trackConnections(): void {
    const connections = this.#connections;
    this.#app.server.on('connection', (socket) => {
      if (this.#isStopping) {
        // It came just before listening ended.
        socket.destroy();
        return;
      }
      connections.set(socket, 0);
      socket.once('close', () => connections.delete(socket));
    });
    this.#app.server.on('request', ({ socket }, response) => {
      connections.set(socket, (connections.get(socket) ?? 0) + 1);
      response.once('close', () => {
        const left = (connections.get(socket) ?? 1) - 1;
        if (connections.has(socket)) connections.set(socket, left);
        if (left === 0 && this.#isStopping) socket.destroySoon();
      });
    });
  }
}

function describeListenError(error: unknown, host: string, port: number): string {
  const at = `cannot listen on HOST=${host} PORT=${port}`;
  const code = error instanceof Error && 'code' in error ? error.code : null;
  switch (code) {
    case 'EADDRINUSE':
      return `${at}: another process has this port. Stop it, or set PORT to a free one (0 picks one)`;
    case 'EACCES':
      return `${at}: this user may not open that port. Set PORT to 1024 or above`;
    case 'EADDRNOTAVAIL':
      return `${at}: this machine does not have that address. Set HOST to 127.0.0.1, or to 0.0.0.0 for all addresses`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `${at}: that host name has no address. Set HOST to 127.0.0.1, or to 0.0.0.0 for all addresses`;
    default:
      return `${at}: ${messageOf(error)}`;
  }
}
