import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';
import type { Clock } from '../../src/clock.ts';
import { SYSTEM_CLOCK } from '../../src/clock.ts';
import { BinanceCandleStream } from '../../src/exchanges/binance/binance-candle-stream.ts';
import type { StreamLimits } from '../../src/exchanges/binance/stream-limits.ts';
import type { CandleStreamListener, RejectedRow, StreamedCandle } from '../../src/exchanges/exchange.ts';
import { parseTimeframe } from '../../src/market/timeframe.ts';
import { createKeptLog, type LogLine } from './kept-log.ts';

/** One client of the stage: what it asked for, and the means to misbehave towards it. */
export interface StagedClient {
  readonly socket: WebSocket;
  readonly url: string;
  readonly requests: { readonly method: string; readonly params: string[]; readonly atMs: number }[];
  readonly streams: Set<string>;
  isClosed: boolean;
}

/** A WebSocket server that does as it is told, and answers SUBSCRIBE as Binance does. */
export class StreamStage implements AsyncDisposable {
  readonly clients: StagedClient[] = [];
  /** Attempts to connect (ms). */
  readonly attempts: number[] = [];
  /** The raw HTTP answer to an attempt; null: switch protocols. */
  refuse: (attempt: number) => string | null = () => null;
  /** Whether requests are answered. */
  isAnswering = true;
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true });

  private constructor() {
    this.#server = createServer();
    this.#server.on('upgrade', (request, duplex, head) => {
      this.attempts.push(Date.now());
      const refusal = this.refuse(this.attempts.length);
      duplex.on('error', () => duplex.destroy());
      if (refusal !== null) duplex.end(refusal);
      else this.#sockets.handleUpgrade(request, duplex, head, (socket) => this.#join(socket, request));
    });
  }

  static async open(): Promise<StreamStage> {
    const stage = new StreamStage();
    await new Promise<void>((done) => stage.#server.listen(0, '127.0.0.1', done));
    return stage;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}/stream`;
  }

  get last(): StagedClient {
    return this.clients.at(-1)!;
  }

  /** Sends a text to every client that is open. */
  push(text: string): void {
    for (const { socket, isClosed } of this.clients) if (!isClosed) socket.send(text);
  }

  #join(socket: WebSocket, request: IncomingMessage): void {
    const client: StagedClient = { socket, url: request.url ?? '', requests: [], streams: new Set(), isClosed: false };
    this.clients.push(client);
    socket.on('error', () => undefined);
    socket.on('close', () => (client.isClosed = true));
    socket.on('message', (bytes: Buffer) => {
      const { method, params, id } = JSON.parse(bytes.toString()) as { method: string; params: string[]; id: number };
      client.requests.push({ method, params, atMs: Date.now() });
      if (!this.isAnswering) return;
      for (const name of params) {
        if (method === 'SUBSCRIBE') client.streams.add(name);
        else client.streams.delete(name);
      }
      socket.send(JSON.stringify({ result: null, id }));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { socket } of this.clients) socket.terminate();
    await new Promise((done) => this.#server.close(done));
  }
}

/** What a stream told its listener. */
export class KeptStream implements AsyncDisposable {
  readonly stream: BinanceCandleStream;
  readonly candles: StreamedCandle[] = [];
  readonly rejected: (RejectedRow & { symbol: string; timeframe: string })[] = [];
  /** `BTC/USDT 1m`, one list for each call. */
  readonly gaps: string[][] = [];
  /** How often the stream said that it became live. */
  lives = 0;
  readonly log: LogLine[];
  readonly ended: Promise<void>;
  readonly #controller = new AbortController();

  constructor(
    url: string,
    options: {
      clock?: Clock;
      limits?: Partial<StreamLimits>;
      findMarketId?: (symbol: string) => Promise<string | null>;
      exchangeNow?: () => number | null;
      onCandle?: CandleStreamListener['onCandle'];
    } = {},
  ) {
    const { logger, lines } = createKeptLog();
    this.log = lines;
    this.stream = new BinanceCandleStream({
      url,
      clock: options.clock ?? SYSTEM_CLOCK,
      logger,
      findMarketId: options.findMarketId ?? ((symbol) => Promise.resolve(symbol.replace('/', ''))),
      exchangeNow: options.exchangeNow ?? (() => null),
      limits: { messageSpacingMs: 5, backoff: { firstMs: 20, maxMs: 40 }, ...options.limits },
    });
    const listener: CandleStreamListener = {
      onCandle: options.onCandle ?? ((candle) => this.candles.push(candle)),
      onRejected: (symbol, timeframe, row) => this.rejected.push({ ...row, symbol, timeframe }),
      onLive: () => this.lives++,
      onGap: (series) => this.gaps.push(series.map(({ symbol, timeframe }) => `${symbol} ${timeframe}`)),
    };
    this.ended = this.stream.run(listener, this.#controller.signal);
    // Who wants to know awaits `ended`.
    this.ended.catch(() => undefined);
  }

  /** `BTC/USDT 1m`, … */
  subscribe(...series: string[]): void {
    this.stream.subscribe(
      series.map((text) => {
        const [symbol = '', timeframe = ''] = text.split(' ');
        return { symbol, timeframe: parseTimeframe(timeframe) };
      }),
    );
  }

  isLive(text: string): boolean {
    const [symbol = '', timeframe = ''] = text.split(' ');
    return this.stream.isLive(symbol, parseTimeframe(timeframe));
  }

  async stop(): Promise<void> {
    this.#controller.abort(new Error('the test is over'));
    await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#controller.abort(new Error('the test is over'));
    await this.ended.catch(() => undefined);
  }
}
