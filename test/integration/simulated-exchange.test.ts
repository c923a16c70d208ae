import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { after, describe, it } from 'node:test';
import type { binance } from 'ccxt';
import type { Fault, InterceptedRequest } from '../../simulator/fault.ts';
import { loadRecordedCandles } from '../../simulator/recorded-candles.ts';
import { SimulatedExchange, type SimulatedExchangeDeps } from '../../simulator/simulated-exchange.ts';

const ROOT = new URL('../../', import.meta.url);
const RECORDED = new URL('../shared/data/', ROOT);
const skip = existsSync(RECORDED) ? false : 'the recorded data in ../shared/data is absent';
const NOW = Date.UTC(2026, 8, 1, 10, 20, 30);
const HOUR = 3_600_000;

const open: SimulatedExchange[] = [];
after(async () => {
  await Promise.all(open.map((exchange) => exchange.close()));
});

async function start(
  deps: Partial<SimulatedExchangeDeps> = {},
): Promise<{ exchange: SimulatedExchange; origin: string }> {
  const exchange = new SimulatedExchange({ seed: 'test', now: () => NOW, ...deps });
  open.push(exchange);
  return { exchange, ...(await exchange.listen()) };
}

async function createClient(origin: string): Promise<binance> {
  const module = (await import(new URL('src/binance.js', import.meta.resolve('ccxt')).href)) as {
    default: typeof binance;
  };
  const client = new module.default({
    number: String,
    enableRateLimit: false,
    options: { fetchMarkets: { types: ['spot', 'linear'] }, defaultType: 'spot' },
  });
  const api = client.urls['api'] as Record<string, unknown>;
  for (const [name, url] of Object.entries(api)) {
    if (typeof url === 'string') api[name] = origin + new URL(url).pathname;
  }
  return client;
}

describe('simulated exchange and the real ccxt client', () => {
  it('lists markets', async () => {
    const { origin } = await start();
    const client = await createClient(origin);
    const markets = await client.loadMarkets();
    assert.deepEqual(
      ['BTC/USDT', 'BTC/USDT:USDT', 'PEPE/USDT', 'PEPE/USDT:USDT', 'XMR/USDT'].map((symbol) => markets[symbol]?.active),
      [true, true, true, undefined, false],
    );
    assert.equal(markets['PEPE/USDT']?.precision.price, '0.00000001');
    assert.equal(markets['BTC/USDT:USDT']?.linear, true);
    assert.equal(await client.fetchTime(), NOW);
  });

  it('answers every call that futures and spot data take', async () => {
    const { origin } = await start();
    const client = await createClient(origin);
    const spot = (await client.publicGetKlines({ symbol: 'BTCUSDT', interval: '1h', limit: 3 })) as unknown[][];
    assert.deepEqual([spot.length, spot.at(-1)?.length], [3, 12]);
    const unified = await client.fetchOHLCV('BTC/USDT', '1h', NOW - 5 * HOUR, 2);
    assert.deepEqual(
      unified[0]?.slice(1, 6),
      String(
        (
          (await client.publicGetKlines({
            symbol: 'BTCUSDT',
            interval: '1h',
            startTime: NOW - 5 * HOUR,
            limit: 1,
          })) as unknown[][]
        )[0]?.slice(1, 6),
      ).split(','),
    );

    const symbol = 'BTCUSDT';
    const range = { startTime: NOW - 24 * HOUR, endTime: NOW, limit: 499 };
    const counts = await Promise.all([
      client.fapiPublicGetKlines({ symbol, interval: '1h', ...range }),
      client.fapiPublicGetMarkPriceKlines({ symbol, interval: '1h', ...range }),
      client.fapiPublicGetFundingRate({ symbol, ...range }),
      client.fapiDataGetOpenInterestHist({ symbol, period: '1h', ...range }),
      client.fapiDataGetTopLongShortPositionRatio({ symbol, period: '1h', ...range }),
      client.fapiDataGetTakerlongshortRatio({ symbol, period: '1h', ...range }),
    ]);
    // The taker volumes of the hour in progress are not known yet.
    assert.deepEqual(
      counts.map((rows) => (rows as unknown[]).length),
      [24, 24, 3, 24, 24, 23],
    );
    const premium = (await client.fapiPublicGetPremiumIndex({ symbol })) as unknown as Record<string, string>;
    assert.match(premium['markPrice'] ?? '', /^\d+\.\d{8}$/);
    const history = await client.fetchOpenInterestHistory('BTC/USDT:USDT', '1h', NOW - 10 * HOUR, 5);
    assert.equal(history.length, 5);
    const rates = await client.fetchFundingRateHistory('BTC/USDT:USDT', NOW - 48 * HOUR, 10);
    assert.equal(rates.length, 6);
  });

  it('is refused as Binance would refuse', async () => {
    const { origin } = await start();
    const client = await createClient(origin);
    const named = (name: string) => (error: unknown) => error instanceof Error && error.constructor.name === name;
    await assert.rejects(client.publicGetKlines({ symbol: 'NONEUSDT', interval: '1h' }), named('BadSymbol'));
    await assert.rejects(client.publicGetKlines({ symbol: 'BTCUSDT', interval: '7m' }), named('BadRequest'));
    await assert.rejects(
      client.fapiDataGetOpenInterestHist({ symbol: 'BTCUSDT', period: '1h', startTime: NOW - 31 * 24 * HOUR }),
      named('BadRequest'),
    );
  });
});

describe('simulated exchange over HTTP', () => {
  it('counts weight, in the header and against the limit', async () => {
    const { origin } = await start();
    const used = async (path: string) => {
      const response = await fetch(origin + path);
      await response.arrayBuffer();
      return [response.status, response.headers.get('x-mbx-used-weight-1m'), response.headers.get('retry-after')];
    };
    const klines = 'klines?symbol=BTCUSDT&interval=1h&limit=1000';
    assert.deepEqual(await used(`/api/v3/${klines}`), [200, '2', null]);
    assert.deepEqual(await used('/api/v3/exchangeInfo'), [200, '22', null]);
    assert.deepEqual(await used(`/fapi/v1/${klines}`), [200, '5', null]);
    let last: unknown[] = [];
    for (let request = 0; request < 300; request++) last = await used('/api/v3/exchangeInfo');
    assert.deepEqual(last, [429, '6022', '30']);
    assert.deepEqual(await used('/fapi/v1/time'), [200, '6', null]);
  });

  it('bans who goes on after a 429, says until when, and dates its answers by its own clock', async () => {
    const { origin, exchange } = await start();
    const ask = async (path: string) => {
      const response = await fetch(origin + path);
      return { status: response.status, headers: response.headers, body: await response.text() };
    };
    for (let request = 0; request < 312; request++) await ask('/api/v3/exchangeInfo');
    const answer = await ask('/fapi/v1/time');
    assert.deepEqual([answer.status, answer.headers.get('retry-after'), exchange.bans], [418, '120', 1]);
    assert.match(
      answer.body,
      new RegExp(`"code":-1003,"msg":"Way too many requests; IP.* banned until ${NOW + 120_000}`),
    );
    assert.equal(Date.parse(answer.headers.get('date') ?? ''), NOW);
  });

  it('does not know other paths and methods', async () => {
    const { origin, exchange } = await start();
    assert.equal((await fetch(`${origin}/api/v3/nothing`)).status, 404);
    assert.equal((await fetch(`${origin}/api/v3/time`, { method: 'POST', body: 'x' })).status, 405);
    assert.equal(exchange.requestCount, 2);
    assert.deepEqual(
      exchange.requests.map(({ path, status }) => [path, status]),
      [
        ['/api/v3/nothing', 404],
        ['/api/v3/time', 405],
      ],
    );
  });

  it('gives two instances of one seed the same bytes, and remembers a bounded number of requests', async () => {
    const [one, two] = [await start(), await start()];
    const path = '/api/v3/klines?symbol=DOGEUSDT&interval=15m&limit=1000';
    const [a, b] = await Promise.all([fetch(one.origin + path), fetch(two.origin + path)]);
    assert.equal(await a.text(), await b.text());
    for (let request = 0; request < 1_010; request++) await (await fetch(`${one.origin}/api/v3/ping`)).text();
    assert.deepEqual([one.exchange.requestCount, one.exchange.requests.length], [1_011, 1_000]);
  });

  it('breaks answers as it is told, and survives that', async () => {
    let fault: Fault | undefined;
    const seen: InterceptedRequest[] = [];
    const { origin, exchange } = await start({
      intercept: (request) => {
        seen.push(request);
        return fault;
      },
    });
    const ask = () => fetch(`${origin}/api/v3/klines?symbol=BTCUSDT&interval=1h`, { signal: AbortSignal.timeout(400) });
    fault = { status: 200, headers: { 'content-type': 'text/html' }, body: '<html></html>' };
    assert.equal(await (await ask()).text(), '<html></html>');
    fault = { status: 429, headers: { 'retry-after': '7' }, body: { code: -1003 } };
    const throttled = await ask();
    assert.deepEqual([throttled.status, throttled.headers.get('retry-after')], [429, '7']);
    assert.deepEqual(await throttled.json(), { code: -1003 });
    fault = { rewrite: (json) => (json as unknown[]).slice(0, 1) };
    assert.equal(((await (await ask()).json()) as unknown[]).length, 1);
    fault = { stall: 'headers' };
    await assert.rejects(ask(), { name: 'TimeoutError' });
    fault = { stall: 'body' };
    const stalled = await ask();
    assert.equal(stalled.status, 200);
    await assert.rejects(stalled.text(), { name: 'TimeoutError' });
    fault = { cutAfterBytes: 100 };
    const cut = await ask();
    await assert.rejects(cut.text(), TypeError);
    fault = {
      rewrite: () => {
        throw new Error('planted');
      },
    };
    assert.equal((await ask()).status, 500);
    fault = { cutTextAfter: 100 };
    await assert.rejects((await ask()).json(), SyntaxError);
    fault = { slowMs: 200 };
    const before = performance.now();
    assert.equal(((await (await ask()).json()) as unknown[]).length, 500);
    assert.ok(performance.now() - before >= 150, 'the body came slowly');
    fault = { rewrite: (json) => json, headers: { date: new Date(0).toUTCString() } };
    assert.equal((await ask()).headers.get('date'), 'Thu, 01 Jan 1970 00:00:00 GMT');
    fault = undefined;
    assert.equal(((await (await ask()).json()) as unknown[]).length, 500);
    assert.equal(exchange.requestCount, 11);
    assert.deepEqual([seen[0]?.method, seen[0]?.path, seen[0]?.query.get('interval')], ['GET', '/api/v3/klines', '1h']);
  });

  it('closes stalled connections, closes twice, and says when the port is taken', async () => {
    const { origin, exchange } = await start({ intercept: () => ({ stall: 'headers' }) });
    const pending = assert.rejects(fetch(origin));
    while (exchange.requestCount === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await assert.rejects(exchange.listen(), /listening already/);
    await exchange.close();
    await exchange.close();
    await pending;
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    const { port } = holder.address() as { port: number };
    await assert.rejects(exchange.listen({ port }), { code: 'EADDRINUSE' });
    holder.close();
    assert.match((await exchange.listen()).origin, /^http:\/\/127\.0\.0\.1:\d+$/);
    await exchange.close();
  });
});

describe('recorded candles through the wire', { skip }, () => {
  it('serves Binance XRP/ETH with its gaps, digit by digit', async () => {
    const path = new URL('freqtrade/XRP_ETH-1m.json', RECORDED);
    const candles = await loadRecordedCandles(path.pathname);
    assert.equal(candles.length, 2_469);
    const { origin } = await start({ recorded: [{ symbol: 'XRP/ETH', timeframe: '1m', candles }] });
    const client = await createClient(origin);
    assert.equal((await client.loadMarkets())['XRP/ETH']?.active, true);
    const served: string[] = [];
    let [startTime, gaps, before] = [0, 0, 0];
    for (;;) {
      const rows = (await client.publicGetKlines({
        symbol: 'XRPETH',
        interval: '1m',
        startTime,
        limit: 1000,
      })) as unknown[][];
      for (const row of rows) {
        served.push(`[${row.slice(0, 6).join(',')}]`);
        if (before > 0 && Number(row[0]) > before + 60_000) gaps++;
        before = Number(row[0]);
      }
      if (rows.length < 1_000) break;
      startTime = before + 60_000;
    }
    assert.equal(gaps, 676);
    const written = (await readFile(path, 'utf8')).replaceAll(/\s/g, '');
    assert.equal(`[${served.join(',')}]`, written);
    assert.equal(((await client.publicGetKlines({ symbol: 'XRPETH', interval: '1h' })) as unknown[]).length, 59);
    await assert.rejects(client.fapiPublicGetKlines({ symbol: 'XRPETH', interval: '1m' }));
  });

  it('serves Bitget VVS/USDT with prices like 0.00002452 as exact strings', async () => {
    const path = new URL('cryptofeed/bitget_VVSUSDT_1m.json', RECORDED);
    const candles = await loadRecordedCandles(path.pathname);
    const { origin } = await start({ recorded: [{ symbol: 'VVS/USDT', timeframe: '1m', candles }], symbols: [] });
    const rows = (await (
      await fetch(`${origin}/api/v3/klines?symbol=VVSUSDT&interval=1m&limit=1000`)
    ).json()) as unknown[][];
    const original = JSON.parse(await readFile(path, 'utf8')) as string[][];
    assert.deepEqual(
      rows.map(([openMs, ...values]) => [String(openMs), ...values.slice(0, 5)]),
      original,
    );
  });

  it('names the file that it cannot read', async () => {
    await assert.rejects(loadRecordedCandles('/nowhere/candles.json'), /nowhere\/candles\.json.*ENOENT/);
  });
});

describe('the simulated-exchange command', () => {
  const command = (args: string[]) =>
    spawn(process.execPath, ['scripts/simulated-exchange.ts', ...args], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const run = async (args: string[]) => {
    const child = command(args);
    const [out, err] = [child.stdout, child.stderr].map((stream) => stream.setEncoding('utf8').toArray());
    const code = await new Promise((resolve) => child.once('close', resolve));
    return { code, out: ((await out) ?? []).join(''), err: ((await err) ?? []).join('') };
  };

  it('prints its origin, answers, and ends in order on SIGTERM', async () => {
    const child = command(['--port', '0']);
    const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve([code, signal])));
    let printed = '';
    for await (const chunk of child.stdout.setEncoding('utf8')) {
      printed += String(chunk);
      const origin = /on (http:\S+),/.exec(printed)?.[1];
      if (origin === undefined || !printed.includes('perpetuals')) continue;
      assert.equal((await fetch(`${origin}/api/v3/ping`)).status, 200);
      child.kill('SIGTERM');
    }
    assert.deepEqual(await ended, [0, null]);
    assert.match(printed, /BTCUSDT/);
  });

  it('helps, and says what is wrong with its arguments', async () => {
    const help = await run(['--help']);
    assert.deepEqual([help.code, /--recorded/.test(help.out)], [0, true]);
    for (const [args, reason] of [
      [['--port', 'x'], /--port x: write a number/],
      [['--recorded', 'file'], /write FILE=SYMBOL:TIMEFRAME/],
      [['--recorded', '/nowhere.json=A/B:1m'], /nowhere\.json/],
      [['--nonsense'], /nonsense/],
    ] as const) {
      const { code, err } = await run([...args]);
      assert.equal(code, 1);
      assert.match(err, reason);
    }
  });
});
