import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket, type RawData } from 'ws';
import { createFastClock } from '../../simulator/fast-clock.ts';
import type { KlinePush } from '../../simulator/kline-push.ts';
import { DEFAULT_MARKETS } from '../../simulator/symbol-catalogue.ts';
import { FUTURES_FEEDS } from '../../src/market/futures-snapshot.ts';
import { ExchangeStage } from '../support/exchange-stage.ts';
import { waitUntil } from '../support/patience.ts';

const ROOT = new URL('../../', import.meta.url);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 8, 1, 10, 20, 30);

type Row = (string | number)[];

const fastClock = (speed: number) => createFastClock({ speed, startMs: START });

/** The rows of an answer, or null where it is none; whatever breaks is asked for again. */
async function ask(address: string): Promise<Row[] | null> {
  try {
    const response = await fetch(address, { signal: AbortSignal.timeout(1_000) });
    const rows = await response.json();
    return response.status === 200 && Array.isArray(rows) ? (rows as Row[]) : null;
  } catch {
    return null;
  }
}

describe('a chaotic exchange', () => {
  it('says the truth to who asks again, whatever happens meanwhile, and then keeps to it', async () => {
    const seed = `over HTTP ${Date.now()}`;
    await using stage = await ExchangeStage.open({
      symbols: ['BTC/USDT'],
      clock: fastClock(300),
      chaos: { seed, rates: { missing: 0.2, misaligned: 0.2, disputed: 0.2, late: 0.05, revised: 0.1 } },
    });
    const address = (since: number) =>
      `${stage.origin}/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=60&startTime=${since}`;
    const from = START - HOUR;
    const proven = new Map<number, string>();
    const { counts } = stage.chaos!;
    const kinds = ['missing', 'misaligned', 'disputed', 'reordered'] as const;
    const listSettled = () => stage.listTruth('BTC/USDT', '1m', from, stage.now() - 15 * MINUTE);
    const findUnproven = () => listSettled().find(([openMs]) => !proven.has(openMs))?.[0];
    let answers = 0;
    const lookOnce = async (): Promise<void> => {
      // Only what had settled before the request left: younger rows may still change.
      const settledMs = stage.now() - 6 * MINUTE;
      const recentMs = Math.floor(settledMs / MINUTE) * MINUTE - 30 * MINUTE;
      const rows = await ask(address(answers % 2 === 0 ? from : Math.min(recentMs, findUnproven() ?? recentMs)));
      if (rows === null) return;
      answers++;
      const claims = new Map<number, Set<string>>();
      for (const row of rows)
        claims.set(Number(row[0]), (claims.get(Number(row[0])) ?? new Set()).add(JSON.stringify(row)));
      for (const [openMs, said] of claims) {
        const [row] = said;
        const isSound = openMs % MINUTE === 0 && said.size === 1 && !row!.includes('"0.00000000",');
        if (isSound && openMs + MINUTE < settledMs) proven.set(openMs, row!);
      }
    };
    const asksUntil = Date.now() + 8_000;
    await waitUntil(
      async () => {
        await lookOnce();
        return Date.now() >= asksUntil && answers > 50 && kinds.every((kind) => counts[kind] > 0) && !findUnproven();
      },
      () =>
        `seed "${seed}": ${answers} answers, ${JSON.stringify(counts)}, ${String(findUnproven())} was never answered`,
    );
    const truth = listSettled().filter(([openMs]) => proven.has(openMs));
    assert.ok(truth.length > 60, `seed "${seed}": ${truth.length} candles`);
    for (const row of truth) {
      assert.deepEqual((JSON.parse(proven.get(row[0])!) as Row).slice(0, 6), row, `seed "${seed}"`);
    }
    stage.chaos!.stop();
    const rows = await ask(address(from));
    assert.deepEqual(
      rows?.map((row) => row.slice(0, 6)),
      stage.listTruth('BTC/USDT', '1m', from, from + 60 * MINUTE),
    );
  });

  it('breaks streams, and a client that reconnects still gets what closes then', async () => {
    await using stage = await ExchangeStage.open({
      symbols: ['BTC/USDT'],
      clock: fastClock(300),
      chaos: { seed: 'streams', rates: { streamDropped: 1, streamRefused: 0.3, vanished: 0 } },
    });
    const closed = new Map<number, KlinePush>();
    let opened = 0;
    let isOver = false;
    const sockets: WebSocket[] = [];
    const connect = (): void => {
      if (isOver) return;
      const socket = new WebSocket(`${stage.origin.replace('http', 'ws')}/stream?streams=btcusdt@kline_1m`);
      sockets.push(socket);
      socket.on('open', () => opened++);
      socket.on('error', () => undefined);
      socket.on('close', () => setTimeout(connect, 5));
      socket.on('message', (data: RawData) => {
        const { data: push } = JSON.parse((data as Buffer).toString()) as { data: KlinePush };
        if (push.k.x) closed.set(push.k.t, push);
      });
    };
    connect();
    await waitUntil(
      () => opened >= 5 && stage.chaos!.counts.streamDropped >= 4 && stage.chaos!.counts.streamRefused >= 1,
      () => `streams that break: ${opened} opened, ${JSON.stringify(stage.chaos!.counts)}`,
    );
    isOver = true;
    for (const socket of sockets) socket.terminate();
    const truth = new Map(stage.listTruth('BTC/USDT', '1m', START - HOUR).map((row) => [row[0], row]));
    const same = [...closed.values()].filter(({ k }) => truth.get(k.t)?.[4] === k.c && truth.get(k.t)?.[5] === k.v);
    assert.ok(same.length >= closed.size * 0.8 && same.length > 0, `${same.length} of ${closed.size} as they are`);
  });
});

describe('the truth of a stage', () => {
  it('is what the exchange says of futures, feed by feed', async () => {
    await using stage = await ExchangeStage.open({ symbols: ['ADA/USDT', 'PEPE/USDT'], nowMs: START });
    const [since, until] = [START - 20 * DAY, START - 10 * DAY];
    const get = async (path: string, query: string) => {
      const response = await fetch(
        `${stage.origin}${path}?symbol=ADAUSDT&startTime=${since}&endTime=${until - 1}&${query}`,
      );
      return (await response.json()) as Record<string, string>[];
    };
    const truth = (feed: (typeof FUTURES_FEEDS)[number]) => stage.listFuturesTruth('ADA/USDT', feed, since, until);
    const interest = await get('/futures/data/openInterestHist', 'period=1h&limit=500');
    assert.deepEqual(
      truth('open_interest'),
      interest.map((row) => ({
        timestamp: row['timestamp'],
        open_interest: row['sumOpenInterest'],
        open_interest_value: row['sumOpenInterestValue'],
      })),
    );
    const ratios = await get('/futures/data/topLongShortPositionRatio', 'period=1h&limit=500');
    assert.deepEqual(
      truth('top_trader_ratio'),
      ratios.map((row) => ({ timestamp: row['timestamp'], top_trader_ratio: row['longShortRatio'] })),
    );
    const takers = await get('/futures/data/takerlongshortRatio', 'period=1h&limit=500');
    assert.deepEqual(
      truth('taker_buy_sell_ratio'),
      takers.map((row) => ({ timestamp: row['timestamp'], taker_buy_sell_ratio: row['buySellRatio'] })),
    );
    const funding = await get('/fapi/v1/fundingRate', 'limit=1000');
    assert.deepEqual(
      truth('funding_rate'),
      funding.map((row) => ({
        timestamp: Math.round(Number(row['fundingTime']) / HOUR) * HOUR,
        funding_rate: row['fundingRate'],
      })),
    );
    const marks = (await get('/fapi/v1/markPriceKlines', 'interval=1h&limit=499')) as unknown as Row[];
    assert.deepEqual(
      truth('mark_price'),
      marks.map((row) => ({ timestamp: row[0], mark_price: row[1] })),
    );
    assert.deepEqual([interest.length, ratios.length, takers.length, marks.length], [240, 240, 240, 240]);
    // From the 15th on every four hours.
    assert.equal(
      new Set(truth('funding_rate').map(({ timestamp }, n, all) => timestamp - (all[n - 1]?.timestamp ?? 0))).size,
      3,
    );
    assert.throws(() => stage.listFuturesTruth('PEPE/USDT', 'mark_price', since), /no perpetual/);
  });

  it('ends where each feed ends now', async () => {
    await using stage = await ExchangeStage.open({ symbols: ['BTC/USDT'], nowMs: START });
    const newest = FUTURES_FEEDS.map((feed) => {
      const { timestamp } = stage.listFuturesTruth('BTC/USDT', feed, START - DAY).at(-1)!;
      return [feed, new Date(timestamp).toISOString().slice(11, 16)];
    });
    assert.deepEqual(Object.fromEntries(newest), {
      open_interest: '10:00',
      top_trader_ratio: '10:00',
      taker_buy_sell_ratio: '09:00',
      funding_rate: '08:00',
      mark_price: '10:00',
    });
  });

  it('stays when markets come and go', async () => {
    await using stage = await ExchangeStage.open({ symbols: ['BTC/USDT'], nowMs: START });
    const { exchange } = stage;
    const statusOf = async (id: string) => {
      const { symbols } = (await (await fetch(`${stage.origin}/api/v3/exchangeInfo`)).json()) as {
        symbols: { symbol: string; status: string }[];
      };
      return symbols.find(({ symbol }) => symbol === id)?.status;
    };
    exchange.list({ ...DEFAULT_MARKETS[1]!, listedMs: START - 30_000 });
    assert.equal(await statusOf('ETHUSDT'), 'TRADING');
    assert.equal(stage.listTruth('ETH/USDT', '1m', START - HOUR).length, 0, 'its first minute goes on');
    const haltedMs = exchange.delist('BTC/USDT');
    assert.equal(haltedMs, START + 30_000);
    const before = stage.listTruth('BTC/USDT', '1m', START - HOUR);
    exchange.remove('BTC/USDT');
    assert.equal(await statusOf('BTCUSDT'), undefined);
    assert.equal((await fetch(`${stage.origin}/api/v3/klines?symbol=BTCUSDT&interval=1m`)).status, 400);
    assert.deepEqual(stage.listTruth('BTC/USDT', '1m', START - HOUR), before);
    assert.throws(() => exchange.delist('BTC/USDT'), /halted before/);
  });
});

describe('the simulated-exchange command, chaotic and fast', () => {
  it('runs as fast as told, stops its chaos on SIGUSR2 and says what it did', async () => {
    const args = ['--port', '0', '--speed', '100', '--chaos', 'one', '--markets', '3'];
    const child = spawn(process.execPath, ['scripts/simulated-exchange.ts', ...args], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let printed = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
    const said = (pattern: RegExp) =>
      waitUntil(
        () => pattern.exec(printed),
        () => `${pattern.source} is printed: ${printed}`,
      );
    const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve([code, signal])));
    try {
      const [, origin = ''] = await said(/on (http:\S+),/);
      await said(/perpetuals .*M003USDT/);
      child.kill('SIGUSR2');
      await said(/chaos so far: /);
      const time = async () =>
        ((await (await fetch(`${origin}/api/v3/time`)).json()) as { serverTime: number }).serverTime;
      const one = await time();
      await delay(200);
      const passed = (await time()) - one;
      assert.ok(passed >= 19_000 && passed < 200_000, `${passed} ms passed in a fifth of a second`);
    } finally {
      child.kill('SIGTERM');
    }
    assert.deepEqual(await ended, [0, null]);
    assert.match(printed, /ignored a 429: \d+, a ban: \d+/);
  });
});
