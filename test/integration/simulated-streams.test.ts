import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { WebSocket, type RawData } from 'ws';
import { createFastClock } from '../../simulator/fast-clock.ts';
import type { KlinePush } from '../../simulator/kline-push.ts';
import { limitsForSpeed } from '../../simulator/stream-server.ts';
import { SimulatedExchange, type SimulatedExchangeDeps } from '../../simulator/simulated-exchange.ts';
import { waitUntil } from '../support/patience.ts';

const START = Date.UTC(2026, 8, 1, 10, 20, 55);
const MINUTE = 60_000;

const open: SimulatedExchange[] = [];
const sockets: WebSocket[] = [];
after(async () => {
  for (const socket of sockets) socket.terminate();
  await Promise.all(open.map((exchange) => exchange.close()));
});

type Message = { stream?: string; data?: KlinePush; result?: unknown; id?: unknown; error?: { code: number } };

async function start(
  deps: Partial<SimulatedExchangeDeps> = {},
  speed = 60,
): Promise<{ exchange: SimulatedExchange; origin: string }> {
  const clock = createFastClock({ speed, startMs: START });
  const exchange = new SimulatedExchange({ seed: 'test', clock, ...deps });
  open.push(exchange);
  return { exchange, ...(await exchange.listen()) };
}

/** A client that keeps what came. */
class Client {
  readonly socket: WebSocket;
  readonly messages: Message[] = [];
  pings = 0;
  closed: { code: number; atMs: number } | null = null;
  readonly ended: Promise<void>;

  constructor(address: string, options: { autoPong?: boolean } = {}) {
    this.socket = new WebSocket(address.replace('http', 'ws'), options);
    sockets.push(this.socket);
    this.socket.on('message', (data: RawData) =>
      this.messages.push(JSON.parse((data as Buffer).toString()) as Message),
    );
    this.socket.on('ping', () => this.pings++);
    this.socket.on('error', () => undefined);
    this.ended = new Promise((resolve) =>
      this.socket.once('close', (code) => {
        this.closed = { code, atMs: Date.now() };
        resolve();
      }),
    );
  }

  send(message: object): void {
    this.socket.send(JSON.stringify(message));
  }

  async until<T>(find: () => T | undefined | false, what: string) {
    return await waitUntil(find, () => `${what}; came: ${JSON.stringify(this.messages.slice(-5))}`);
  }

  async connected(): Promise<this> {
    await this.until(() => this.socket.readyState === WebSocket.OPEN, 'the connection');
    return this;
  }

  closedCandles(stream: string): KlinePush[] {
    return this.messages
      .filter((message) => message.stream === stream && message.data?.k.x === true)
      .map(({ data }) => data!);
  }
}

const GENEROUS = { messages: 1_000 };

describe('the streams of the simulated exchange', () => {
  it('push candles in progress, and each closed one as REST tells it', async () => {
    const { origin } = await start();
    const client = await new Client(`${origin}/stream?streams=btcusdt@kline_1m/ethusdt@kline_3m`).connected();
    const closed = await client.until(() => {
      const found = client.closedCandles('btcusdt@kline_1m');
      return found.length >= 4 && client.closedCandles('ethusdt@kline_3m').length > 0 && found;
    }, 'four closed candles');
    const first = closed[0]!.k.t;
    assert.deepEqual(
      closed.map(({ k }) => k.t),
      closed.map((_, index) => first + index * MINUTE),
    );
    const address = `${origin}/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime=${first}&limit=${closed.length}`;
    assert.deepEqual(
      closed.map(({ k }) => [k.t, k.o, k.h, k.l, k.c, k.v, k.T, k.q, k.n, k.V, k.Q, '0']),
      await (await fetch(address)).json(),
    );
    const inProgress = client.messages.filter(({ data }) => data?.k.x === false);
    assert.ok(inProgress.length > 20, `${inProgress.length} pushes of candles in progress`);
  });

  it('subscribe, list and unsubscribe by message, and answer what they cannot read', async () => {
    const { origin, exchange } = await start({ stream: GENEROUS });
    const client = await new Client(`${origin}/stream`).connected();
    const answer = (id: unknown) =>
      client.until(() => client.messages.find((m) => m.id === id), `the answer ${id as string}`);
    client.send({ method: 'SUBSCRIBE', params: ['solusdt@kline_1m', 'nonesuch@kline_1m'], id: 1 });
    assert.deepEqual(await answer(1), { result: null, id: 1 });
    client.send({ method: 'LIST_SUBSCRIPTIONS', id: 2 });
    assert.deepEqual(await answer(2), { result: ['solusdt@kline_1m', 'nonesuch@kline_1m'], id: 2 });
    await client.until(() => client.closedCandles('solusdt@kline_1m').length > 0, 'a closed candle');
    client.send({ method: 'UNSUBSCRIBE', params: ['solusdt@kline_1m'], id: 3 });
    assert.deepEqual(await answer(3), { result: null, id: 3 });
    assert.deepEqual(exchange.streams.listStreams(), ['nonesuch@kline_1m']);
    const sent = exchange.streams.pushCount;
    client.send({ method: 'SHOUT', id: 4 });
    assert.equal((await answer(4)).error?.code, 2);
    client.send({ method: 'SUBSCRIBE', params: 'x', id: 5 });
    assert.equal((await answer(5)).error?.code, 2);
    client.socket.send('{cut');
    assert.equal((await answer(null)).error?.code, 3);
    assert.equal(exchange.streams.pushCount, sent, 'nothing comes for what was left');
  });

  it('speak bare under /ws, and know no other path', async () => {
    const { origin } = await start();
    const bare = await new Client(`${origin}/ws/btcusdt@kline_1m`).connected();
    const push = await bare.until(() => bare.messages[0] as unknown as KlinePush | undefined, 'a push');
    assert.deepEqual([push.e, push.s], ['kline', 'BTCUSDT']);
    const lost = new Client(`${origin}/streams`);
    await lost.ended;
    assert.equal(lost.closed?.code, 1006);
  });

  it('disconnect who sends more than five messages a second', async () => {
    const { origin } = await start({}, 1);
    const client = await new Client(`${origin}/stream`).connected();
    for (let id = 1; id <= 5; id++) client.send({ method: 'LIST_SUBSCRIPTIONS', id });
    await client.until(() => client.messages.length === 5, 'five answers');
    client.send({ method: 'LIST_SUBSCRIPTIONS', id: 6 });
    await client.ended;
    assert.deepEqual([client.closed?.code, client.messages.length], [1008, 5]);
  });

  it('count messages by the second of the machine where their clock is fast', async () => {
    const { origin } = await start({ stream: limitsForSpeed(60) });
    const client = await new Client(`${origin}/stream`).connected();
    for (let id = 1; id <= 300; id++) client.send({ method: 'LIST_SUBSCRIPTIONS', id });
    await client.until(() => client.messages.length === 300, '300 answers');
    client.send({ method: 'LIST_SUBSCRIPTIONS', id: 301 });
    await client.ended;
    assert.equal(client.closed?.code, 1008);
  });

  it('carry 1024 streams a connection, and 300 new connections in five minutes', async () => {
    const { origin } = await start({ stream: { connects: 2 } }, 1);
    const names = Array.from({ length: 1_024 }, (_, index) => `m${index}@kline_1m`);
    const client = await new Client(`${origin}/stream`).connected();
    client.send({ method: 'SUBSCRIBE', params: names, id: 1 });
    await client.until(() => client.messages.length === 1, 'the answer');
    client.send({ method: 'SUBSCRIBE', params: ['one@kline_1m'], id: 2 });
    await client.ended;
    assert.deepEqual([client.closed?.code, client.messages.length], [1008, 1]);
    await new Client(`${origin}/stream`).connected();
    const third = new Client(`${origin}/stream`);
    await third.ended;
    assert.equal(third.socket.readyState, WebSocket.CLOSED);
    assert.equal(third.closed?.code, 1006);
  });

  it('ping, drop who does not answer, and end every connection after a day', async () => {
    const stream = { pingMs: 2_000, pongTimeoutMs: 6_000, lifetimeMs: 40_000 };
    const { origin } = await start({ stream });
    const [live, dead] = [new Client(`${origin}/stream`), new Client(`${origin}/stream`, { autoPong: false })];
    await Promise.all([live.ended, dead.ended]);
    assert.equal(dead.closed?.code, 1006);
    assert.equal(live.closed?.code, 1008);
    assert.ok(live.pings > 3 && dead.closed.atMs < live.closed.atMs);
  });

  it('misbehave as they are told', async () => {
    const { origin, exchange } = await start({
      streamFaults: {
        fateOf: (n) => [{ isRefused: true }, { dropAfterMs: 5_000 }, { silentAfterMs: 5_000 }][n] ?? {},
        replace: (push) =>
          push.k.x
            ? [
                { push, delayMs: 0 },
                { push: { ...push, E: 1 }, delayMs: 3_000 },
              ]
            : [],
      },
    });
    const refused = new Client(`${origin}/stream`);
    await refused.ended;
    const dropped = await new Client(`${origin}/stream`).connected();
    await dropped.ended;
    assert.equal(dropped.closed?.code, 1006);
    const silent = await new Client(`${origin}/stream?streams=btcusdt@kline_1m`).connected();
    const client = await new Client(`${origin}/stream?streams=btcusdt@kline_1m`).connected();
    const closed = await client.until(() => {
      const found = client.closedCandles('btcusdt@kline_1m');
      return found.length >= 4 && found;
    }, 'each candle twice');
    assert.deepEqual([closed[0]?.k, closed[1]?.E], [closed[1]?.k, 1]);
    assert.ok(client.messages.every(({ data }) => data?.k.x === true));
    assert.ok(silent.messages.length <= 2 && silent.closed === null);
    assert.equal(exchange.streams.connectCount, 4);
  });

  it('end with the exchange, and begin anew with it', async () => {
    const { origin, exchange } = await start();
    const client = await new Client(`${origin}/stream?streams=btcusdt@kline_1m`).connected();
    await exchange.close();
    await client.ended;
    const again = await exchange.listen();
    const next = await new Client(`${again.origin}/stream?streams=btcusdt@kline_1m`).connected();
    await next.until(() => next.closedCandles('btcusdt@kline_1m').length > 0, 'a closed candle');
  });
});
