import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import type { Clock } from '../src/clock.ts';
import { DAY_MS } from '../src/market/moments.ts';
import { findKlineTopic, type KlinePush } from './kline-push.ts';
import type { KlineSource } from './klines.ts';
import { StreamChannel, type PushTimes } from './stream-channel.ts';
import { ClientSocket, type ConnectionLimits } from './client-socket.ts';
import type { StreamFaults } from './stream-faults.ts';

/** How the WebSocket side behaves; by the exchange's clock. */
export interface StreamOptions extends PushTimes, ConnectionLimits {
  /** Most connections that may be opened within `connectWindowMs`. */
  readonly connects: number;
  readonly connectWindowMs: number;
}

/** Binance's limits. https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams#general-wss-information */
export const BINANCE_STREAM: StreamOptions = {
  intervalMs: 2_000,
  closeDelayMs: 20,
  streams: 1_024,
  messages: 5,
  messageWindowMs: 1_000,
  pingMs: 20_000,
  pongTimeoutMs: 60_000,
  lifetimeMs: DAY_MS,
  connects: 300,
  connectWindowMs: 300_000,
};

/**
 * What must be wider where the exchange's clock runs `speed` times as fast as the machine's: what a network and a busy
 * process delay by milliseconds would otherwise count as seconds.
 */
export function limitsForSpeed(speed: number): Partial<StreamOptions> {
  const { messages, messageWindowMs, pongTimeoutMs } = BINANCE_STREAM;
  return {
    messages: messages * speed,
    messageWindowMs: messageWindowMs * speed,
    pongTimeoutMs: pongTimeoutMs * Math.max(1, speed / 10),
  };
}

/** Between two rounds at most; closed candles are sent when they are due, whatever the round. */
const ROUND_MS = 250;

export interface StreamServerDeps {
  /** Its `now` is the exchange's clock. */
  readonly clock: Clock;
  /** The candles of a market that trades now, or null. */
  readonly findKlines: (id: string) => KlineSource | null;
  readonly options: StreamOptions;
  readonly faults: StreamFaults;
  /** Told when a round failed for a reason of our own. */
  readonly onError: (error: unknown) => void;
}

/** Binance's market streams (`/stream` and `/ws`) for klines: pushes what the clock makes due to who is subscribed. */
export class StreamServer {
  readonly #deps: StreamServerDeps;
  readonly #sockets = new WebSocketServer({ noServer: true });
  readonly #connections = new Map<WebSocket, ClientSocket>();
  readonly #channels = new Map<string, StreamChannel>();
  #connectTimes: number[] = [];
  #connectCount = 0;
  #pushCount = 0;
  #rounds: AbortController | null = null;

  constructor(deps: StreamServerDeps) {
    this.#deps = deps;
  }

  /** Connections that were opened, or tried to, since the start. */
  get connectCount(): number {
    return this.#connectCount;
  }

  /** Messages about candles that were sent, each counted once for every client. */
  get pushCount(): number {
    return this.#pushCount;
  }

  get openConnections(): number {
    return this.#connections.size;
  }

  /** What every client together is subscribed to. */
  listStreams(): string[] {
    return [...new Set([...this.#connections.values()].flatMap(({ streams }) => [...streams]))];
  }

  /** Cuts every connection without a closing frame, as an outage would. */
  dropAll(): void {
    for (const socket of this.#connections.keys()) socket.terminate();
  }

  /** Answers a request for an upgrade. */
  accept(request: IncomingMessage, duplex: Duplex, head: Buffer): void {
    // A client that goes away in the middle of the handshake is no event.
    duplex.on('error', () => duplex.destroy());
    const target = parseTarget(request.url ?? '/');
    const fate = this.#deps.faults.fateOf(this.#connectCount++);
    if (target === null) refuse(duplex, '404 Not Found');
    else if (!this.#mayConnect()) refuse(duplex, '429 Too Many Requests');
    else if (fate.isRefused === true) refuse(duplex, '503 Service Unavailable');
    else {
      this.#sockets.handleUpgrade(request, duplex, head, (socket) => {
        const { clock, options } = this.#deps;
        const connection = new ClientSocket({
          ...target,
          socket,
          fate,
          limits: options,
          now: () => clock.now(),
          onChange: () => this.#openChannels(),
        });
        this.#connections.set(socket, connection);
        socket.on('close', () => this.#connections.delete(socket));
        this.#openChannels();
        if (this.#rounds === null) void this.#run((this.#rounds = new AbortController()));
      });
    }
  }

  /** Ends every connection. The server may be used again. */
  close(): void {
    this.#rounds?.abort();
    this.#rounds = null;
    this.dropAll();
    this.#connections.clear();
    this.#channels.clear();
  }

  #mayConnect(): boolean {
    const { clock, options } = this.#deps;
    const sinceMs = clock.now() - options.connectWindowMs;
    this.#connectTimes = this.#connectTimes.filter((timeMs) => timeMs > sinceMs);
    if (this.#connectTimes.length >= options.connects) return false;
    this.#connectTimes.push(clock.now());
    return true;
  }

  #openChannels(): void {
    const wanted = new Set(this.listStreams());
    for (const name of this.#channels.keys()) if (!wanted.has(name)) this.#channels.delete(name);
    for (const name of wanted) {
      const topic = findKlineTopic(name);
      if (topic === null || this.#channels.has(name)) continue;
      this.#channels.set(name, new StreamChannel(topic, this.#deps.options, this.#deps.clock.now()));
    }
  }

  /** Rounds go on for as long as there is a client. */
  async #run(rounds: AbortController): Promise<void> {
    const { clock, onError } = this.#deps;
    while (!rounds.signal.aborted && this.#connections.size > 0) {
      try {
        this.#round(rounds);
      } catch (error) {
        onError(error);
      }
      let wakeMs = clock.now() + ROUND_MS;
      for (const channel of this.#channels.values()) wakeMs = Math.min(wakeMs, channel.closeDueMs);
      await clock.sleep(Math.max(1, wakeMs - clock.now()), rounds.signal).catch(() => undefined);
    }
    if (this.#rounds === rounds) this.#rounds = null;
  }

  #round(rounds: AbortController): void {
    const nowMs = this.#deps.clock.now();
    for (const connection of this.#connections.values()) connection.tend();
    for (const [name, channel] of this.#channels) {
      const klines = this.#deps.findKlines(channel.topic.id) ?? NOTHING_TRADED;
      for (const due of channel.takeDue(klines, nowMs)) {
        for (const { push, delayMs } of this.#deps.faults.replace(due)) {
          if (delayMs > 0) void this.#sendLater(name, push, delayMs, rounds);
          else this.#send(name, push);
        }
      }
    }
  }

  async #sendLater(name: string, push: KlinePush, delayMs: number, rounds: AbortController): Promise<void> {
    const { signal } = rounds;
    await this.#deps.clock.sleep(delayMs, signal).then(
      () => this.#send(name, push),
      () => undefined,
    );
  }

  #send(name: string, push: KlinePush): void {
    const json = JSON.stringify(push);
    for (const connection of this.#connections.values()) {
      if (!connection.streams.has(name)) continue;
      connection.push(name, json);
      this.#pushCount++;
    }
  }
}

const NOTHING_TRADED: KlineSource = { listKlines: () => [] };

/** What `/stream?streams=a/b`, `/ws` and `/ws/a/b` mean; null for other paths. */
function parseTarget(address: string): { isCombined: boolean; streams: string[] } | null {
  const url = URL.parse(address, 'http://localhost');
  const split = (names: string) => names.split('/').filter((name) => name !== '');
  if (url?.pathname === '/stream') return { isCombined: true, streams: split(url.searchParams.get('streams') ?? '') };
  if (url?.pathname === '/ws' || url?.pathname.startsWith('/ws/') === true)
    return { isCombined: false, streams: split(url.pathname.slice('/ws'.length)) };
  return null;
}

function refuse(duplex: Duplex, status: string): void {
  duplex.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}
