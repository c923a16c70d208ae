import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { ExchangeDataError, ExchangeRejectedError, ExchangeUnavailableError } from '../../src/errors.ts';
import { sleep } from '../../src/retry.ts';
import { createExchange } from '../../src/exchanges/create-exchange.ts';
import type { Exchange } from '../../src/exchanges/exchange.ts';
import { parseTimeframe } from '../../src/market/timeframe.ts';
import { startAnsweringServer, type Answer, type AnsweringServer } from '../support/answering-server.ts';
import { answerAsBinance, EXCHANGE_INFO } from '../support/binance-answers.ts';

const HOUR = 3_600_000;
const T0 = 1706630400000;
const { signal } = new AbortController();
const logger = pino({ level: 'silent' });
const TIMEOUT_MS = 400;
const fetchCandles = (exchange: Exchange, by: AbortSignal = signal) =>
  exchange.fetchCandles(
    { symbol: 'BTC/USDT', timeframe: parseTimeframe('1h'), range: { since: T0, until: T0 + 3 * HOUR } },
    by,
  );

interface RunningBinance extends AsyncDisposable {
  readonly exchange: Exchange;
  readonly server: AnsweringServer;
  /** Our clock and the exchange's. */
  readonly now: { ms: number };
}

/** Binance whose markets and clock are fine and whose candles are answered as given. */
async function startBinance(answer: () => Answer): Promise<RunningBinance> {
  const now = { ms: Date.now() };
  const server = await startAnsweringServer(answerAsBinance(answer, () => now.ms));
  const options = {
    id: 'binance',
    origin: server.origin,
    logger,
    requestTimeoutMs: TIMEOUT_MS,
    clock: { now: () => now.ms, sleep },
  };
  const exchange = await createExchange(options);
  // The markets take longer than the short time limit of these tests on a busy machine when the code is cold.
  await exchange.fetchInstruments(signal).catch(() => exchange.fetchInstruments(signal));
  return { exchange, server, now, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

describe('an exchange that misbehaves', () => {
  type Kind = typeof ExchangeUnavailableError | typeof ExchangeRejectedError | typeof ExchangeDataError;
  const html = '<html><body>Service</body></html>';
  const table: [string, Answer, Kind, RegExp][] = [
    ['HTML with status 200', { text: html, type: 'text/html' }, ExchangeDataError, /status 200 and HTML/],
    ['HTML that says it is JSON', { text: html }, ExchangeDataError, /HTML instead of JSON/],
    ['null', { text: 'null' }, ExchangeDataError, /neither a JSON object nor a list/],
    ['no body', { text: '' }, ExchangeDataError, /no body/],
    ['cut JSON', { text: '[[1706630400000,"1"],[17066' }, ExchangeDataError, /cut or broken/],
    ['an object instead of rows', { json: { code: 0 } }, ExchangeDataError, /list of rows/],
    ['a body that ends too early', { stall: 'cut' }, ExchangeUnavailableError, /the connection failed/],
    ['no answer', { stall: 'headers' }, ExchangeUnavailableError, /no complete answer within 400 ms/],
    ['a stalled body', { stall: 'body' }, ExchangeUnavailableError, /no complete answer within 400 ms/],
    ['500', { json: { code: -1000, msg: 'unknown error' }, status: 500 }, ExchangeUnavailableError, /answered 500/],
    ['403', { text: html, type: 'text/html', status: 403 }, ExchangeRejectedError, /answered 403/],
    ['451', { json: { code: 0, msg: 'restricted location' }, status: 451 }, ExchangeRejectedError, /in this region/],
    ['404 in HTML', { text: html, type: 'text/html', status: 404 }, ExchangeRejectedError, /status 404/],
    [
      'a redirect',
      { text: '', status: 302, headers: { location: 'http://127.0.0.2:1/' } },
      ExchangeDataError,
      /redirect to http:\/\/127\.0\.0\.2/,
    ],
    [
      'an unknown symbol',
      { json: { code: -1121, msg: 'Invalid symbol.' }, status: 400 },
      ExchangeRejectedError,
      /does not know this market/,
    ],
    [
      'too much weight in the body',
      { json: { code: -1003, msg: 'x' }, status: 400 },
      ExchangeUnavailableError,
      /too many requests/,
    ],
  ];
  for (const [name, answer, kind, message] of table) {
    it(`says so: ${name}`, async () => {
      await using binance = await startBinance(() => answer);
      const { exchange, server } = binance;
      const startedAt = performance.now();
      await assert.rejects(fetchCandles(exchange), (error) => {
        assert.ok(error instanceof kind, String(error));
        assert.match(error.message, message);
        assert.match(error.message, /binance/);
        assert.match(error.message, /the 1h candles of BTC\/USDT/);
        return true;
      });
      // ccxt has a timer of its own, five seconds behind ours.
      assert.ok(performance.now() - startedAt < TIMEOUT_MS + 3_000, 'ends in its time');
      assert.equal(server.requests.filter(({ path }) => path === '/api/v3/klines').length, 1, 'no retry of its own');
    });
  }

  it('cannot be reached', async () => {
    const { exchange, server } = await startBinance(() => ({ json: [] }));
    await server[Symbol.asyncDispose]();
    await assert.rejects(
      fetchCandles(exchange),
      (error) => error instanceof ExchangeUnavailableError && error.cause !== undefined,
    );
  });
});

describe('an exchange that asks us to wait', () => {
  const table: [string, Answer, number, string][] = [
    [
      '429 with Retry-After',
      { json: { code: -1003, msg: 'x' }, status: 429, headers: { 'retry-after': '7' } },
      7_000,
      'throttled',
    ],
    ['429 without', { json: { code: -1003, msg: 'x' }, status: 429 }, 10_000, 'throttled'],
    [
      '418 with Retry-After',
      { json: { code: -1003, msg: 'x' }, status: 418, headers: { 'retry-after': '300' } },
      300_000,
      'banned',
    ],
    ['418 without', { text: 'banned', type: 'text/plain', status: 418 }, 120_000, 'banned'],
  ];
  for (const [name, refusal, waitMs, reason] of table) {
    it(`gets no request before its time: ${name}`, async () => {
      let answer = refusal;
      await using binance = await startBinance(() => answer);
      const { exchange, server, now } = binance;
      const isHeld = (expectedMs: number) => (error: unknown) =>
        error instanceof ExchangeUnavailableError && error.retryAfterMs === expectedMs && error.reason === reason;
      await assert.rejects(fetchCandles(exchange), isHeld(waitMs));
      const sent = server.requests.length;
      now.ms += 1_000;
      await assert.rejects(fetchCandles(exchange), isHeld(waitMs - 1_000));
      await assert.rejects(exchange.fetchInstruments(signal), isHeld(waitMs - 1_000));
      await assert.rejects(exchange.fetchTime(signal), isHeld(waitMs - 1_000));
      assert.equal(server.requests.length, sent);
      now.ms += waitMs - 1_000;
      answer = { json: [] };
      assert.deepEqual((await fetchCandles(exchange)).candles, []);
    });
  }

  for (const status of [403, 451]) {
    it(`that refuses us as a whole is left alone for a quarter of an hour, then longer: ${status}`, async () => {
      let answer: Answer = { json: { code: 0, msg: 'restricted' }, status };
      await using binance = await startBinance(() => answer);
      const { exchange, server, now } = binance;
      const isRefused = (error: unknown) => error instanceof ExchangeRejectedError && error.reason === 'access';
      for (const minutes of [15, 30]) {
        assert.equal(exchange.block(), null);
        await assert.rejects(fetchCandles(exchange), isRefused);
        const sent = server.requests.length;
        const block = exchange.block();
        assert.deepEqual([block?.reason, block?.until], ['refused', now.ms + minutes * 60_000]);
        assert.match(block?.message ?? '', new RegExp(`answered ${status}.*use another network or EXCHANGE_URLS`));
        assert.equal(exchange.readyAt('listing', true), block?.until);
        now.ms += minutes * 60_000 - 1;
        await assert.rejects(fetchCandles(exchange), isRefused);
        await assert.rejects(exchange.fetchInstruments(signal), isRefused);
        assert.equal(server.requests.length, sent);
        now.ms += 1;
      }
      answer = { json: [] };
      await fetchCandles(exchange);
      assert.equal(exchange.block(), null);
    });
  }

  it('shows a ban, and its end, while it lasts', async () => {
    let answer: Answer = { json: {}, status: 418, headers: { 'retry-after': '300' } };
    await using binance = await startBinance(() => answer);
    const { exchange, now } = binance;
    await assert.rejects(fetchCandles(exchange), ExchangeUnavailableError);
    answer = { json: [] };
    assert.deepEqual([exchange.block()?.reason, exchange.block()?.until], ['banned', now.ms + 300_000]);
    assert.equal(exchange.readyAt('candles', true), now.ms + 300_000);
    now.ms += 300_000;
    assert.equal(exchange.block(), null);
    await fetchCandles(exchange);
  });

  it('reads the end of a ban from its text', async () => {
    const until = Date.now() + 600_000;
    await using binance = await startBinance(() => ({
      json: { code: -1003, msg: `Way too many requests; IP banned until ${until}. Please use the websocket.` },
      status: 418,
    }));
    const { exchange, now } = binance;
    await assert.rejects(
      fetchCandles(exchange),
      (error) => error instanceof ExchangeUnavailableError && error.retryAfterMs === until + 1_000 - now.ms,
    );
  });

  it('holds back what was already waiting in the queue', async () => {
    await using binance = await startBinance(() => ({
      json: {},
      status: 429,
      headers: { 'retry-after': '60' },
    }));
    const { exchange, server } = binance;
    const outcomes = await Promise.allSettled(Array.from({ length: 500 }, () => fetchCandles(exchange)));
    assert.ok(outcomes.every(({ status }) => status === 'rejected'));
    const sent = server.requests.filter(({ path }) => path === '/api/v3/klines').length;
    assert.ok(sent < 260, `${sent} requests left`);
  });
});

describe('the allowances of an exchange', () => {
  it('are shown as it counts them: others spend them too', async () => {
    const now = { ms: Date.UTC(2026, 10, 22, 12, 0, 30) };
    let used = 17;
    const candles = () => ({ json: [], headers: { 'x-mbx-used-weight-1m': String(used) } });
    await using server = await startAnsweringServer(answerAsBinance(candles, () => now.ms));
    const clock = { now: () => now.ms, sleep };
    const exchange = await createExchange({ id: 'binance', origin: server.origin, logger, clock });
    await fetchCandles(exchange);
    const spot = () => exchange.budgets().find(({ name }) => name === 'spot');
    // The markets cost 20, the time twice 1, the candles 2.
    assert.deepEqual(spot(), { name: 'spot', limit: 6_000, windowMs: 60_000, used: 24 });
    used = 5_000;
    await fetchCandles(exchange);
    assert.equal(spot()?.used, 5_000);
    assert.equal(exchange.readyAt('candles', false), Date.UTC(2026, 10, 22, 12, 1, 1));
    assert.equal(exchange.readyAt('candles', true), now.ms);
    assert.equal(exchange.readyAt('mark_price', false), now.ms, 'futures are counted apart');
  });
});

describe('the markets of an exchange', () => {
  it('are asked for again after a failure, which ccxt would keep for ever', async () => {
    let attempts = 0;
    await using server = await startAnsweringServer((request): Answer => {
      if (request.path === '/api/v3/exchangeInfo' && attempts++ === 0)
        return { json: { code: -1000, msg: 'x' }, status: 500 };
      return answerAsBinance(() => ({ json: [] }))(request);
    });
    const exchange = await createExchange({ id: 'binance', origin: server.origin, logger });
    await assert.rejects(fetchCandles(exchange), ExchangeUnavailableError);
    assert.equal((await fetchCandles(exchange)).candles.length, 0);
    assert.equal((await exchange.fetchInstruments(signal)).length, 2);
    assert.equal(attempts, 3);
  });

  it('are loaded once for all who wait, and one who gives up takes nothing from the others', async () => {
    await using server = await startAnsweringServer(answerAsBinance(() => ({ json: [] })));
    const exchange = await createExchange({ id: 'binance', origin: server.origin, logger });
    const controller = new AbortController();
    const impatient = fetchCandles(exchange, controller.signal);
    const others = [fetchCandles(exchange), fetchCandles(exchange)];
    controller.abort(new Error('enough'));
    await assert.rejects(impatient, /enough/);
    await Promise.all(others);
    assert.equal(server.requests.filter(({ path }) => path === '/api/v3/exchangeInfo').length, 1);
  });

  it('are not believed to be none', async () => {
    let isEmpty = true;
    await using server = await startAnsweringServer((request) =>
      isEmpty && request.path.endsWith('exchangeInfo')
        ? { json: { ...EXCHANGE_INFO, symbols: [] } }
        : answerAsBinance(() => ({ json: [] }))(request),
    );
    const exchange = await createExchange({ id: 'binance', origin: server.origin, logger });
    await assert.rejects(exchange.fetchInstruments(signal), ExchangeDataError);
    isEmpty = false;
    await fetchCandles(exchange);
  });
});

describe('a caller who stops', () => {
  it('gets its reason at once, and the request ends too', async () => {
    await using binance = await startBinance(() => ({ stall: 'headers' }));
    const { exchange } = binance;
    const controller = new AbortController();
    const reason = new Error('stopping');
    const startedAt = performance.now();
    setTimeout(() => controller.abort(reason), 50);
    await assert.rejects(fetchCandles(exchange, controller.signal), (error) => error === reason);
    assert.ok(performance.now() - startedAt < TIMEOUT_MS - 100);
    await assert.rejects(fetchCandles(exchange, controller.signal), (error) => error === reason);
  });

  it('ends everything by close', async () => {
    await using binance = await startBinance(() => ({ stall: 'body' }));
    const { exchange } = binance;
    const waiting = fetchCandles(exchange);
    setTimeout(() => void exchange.close(), 50);
    await assert.rejects(waiting, /was closed by this service/);
    await assert.rejects(fetchCandles(exchange), /was closed by this service/);
    await exchange.close();
  });

  it('leaves nothing behind that keeps the process alive', async () => {
    await using server = await startAnsweringServer(answerAsBinance(() => ({ stall: 'body' })));
    const source = `
      import { pino } from 'pino';
      import { createExchange } from './src/exchanges/create-exchange.ts';
      const options = { id: 'binance', origin: '${server.origin}', logger: pino({ level: 'silent' }), requestTimeoutMs: 60_000 };
      const exchange = await createExchange(options);
      const range = { since: ${T0}, until: ${T0 + HOUR} };
      await exchange.fetchInstruments(new AbortController().signal);
      const signal = AbortSignal.timeout(300);
      setTimeout(() => undefined, 400);
      await exchange.fetchCandles({ symbol: 'BTC/USDT', timeframe: '1h', range }, signal).catch((error) => console.log(error.name));
      await exchange.close();`;
    const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', source], {
      cwd: fileURLToPath(new URL('../../', import.meta.url)),
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: 20_000,
    });
    const [output] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    assert.deepEqual([output.trim(), child.exitCode], ['TimeoutError', 0]);
  });
});
