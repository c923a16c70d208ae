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
import { PATIENCE_MS } from '../support/patience.ts';

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

describe('Binance in its own words', () => {
  it('does not know a symbol any more', async () => {
    await using binance = await startBinance(() => ({ json: { code: -1121, msg: 'Invalid symbol.' }, status: 400 }));
    const isUnknown = (error: unknown) =>
      error instanceof ExchangeRejectedError &&
      error.reason === 'symbol' &&
      error.message === 'binance refused the 1h candles of BTC/USDT: it does not know this market';
    await assert.rejects(fetchCandles(binance.exchange), isUnknown);
  });
});

describe('an exchange that asks us to wait', () => {
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
      timeout: PATIENCE_MS,
    });
    const [output] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    assert.deepEqual([output.trim(), child.exitCode], ['TimeoutError', 0]);
  });
});
