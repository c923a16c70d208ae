import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { createExchange } from '../../src/exchanges/create-exchange.ts';
import type { Exchange } from '../../src/exchanges/exchange.ts';
import type { Candle } from '../../src/market/candle.ts';
import { parseTimeframe } from '../../src/market/timeframe.ts';
import type { ZooRow, ZooSpan } from '../../simulator/zoo/zoo-market.ts';
import { ZooExchange, type ZooExchangeOptions } from '../../simulator/zoo/zoo-exchange.ts';
import { WIRES, type WireId } from '../../simulator/zoo/wires/all-wires.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** A Wednesday, in the past of any machine: ccxt asks for nothing that the machine's own clock calls the future. */
const NOW = Date.UTC(2025, 2, 5, 7, 30, 12);
const clock = { now: () => NOW, sleep: () => Promise.resolve() };
const logger = pino({ level: 'silent' });
const { signal } = new AbortController();

async function open(id: WireId, options: Partial<ZooExchangeOptions> = {}) {
  const wire = WIRES[id];
  const symbol = `ADA/${wire.quote}`;
  const zoo = new ZooExchange({
    wire,
    seed: 'wires',
    clock,
    markets: [{ symbol, listedMs: NOW - 3 * DAY }],
    ...options,
  });
  const origin = await zoo.listen();
  const exchange = await createExchange({ id, origin, logger, clock, requestTimeoutMs: 5_000 });
  return {
    zoo,
    exchange,
    symbol,
    async [Symbol.asyncDispose]() {
      await exchange.close();
      await zoo[Symbol.asyncDispose]();
    },
  };
}

/** Page by page, as far as each answer speaks. */
async function read(exchange: Exchange, symbol: string, timeframe: string, span: ZooSpan): Promise<Candle[]> {
  const candles: Candle[] = [];
  for (let at = span.since; at < span.until;) {
    const range = { since: at, until: span.until };
    const page = await exchange.fetchCandles({ symbol, timeframe: parseTimeframe(timeframe), range }, signal);
    assert.deepEqual(page.rejected, []);
    assert.ok(page.answered);
    assert.equal(page.answered.since, at);
    candles.push(...page.candles);
    at = page.answered.until;
  }
  return candles;
}

const toCandle = ({ openMs: timestamp, open, high, low, close, volume }: ZooRow) => ({
  timestamp,
  open,
  high,
  low,
  close,
  volume,
});

for (const id of Object.keys(WIRES) as WireId[]) {
  describe(`the wire of ${id}, read by our adapter`, () => {
    it('lists its markets', async () => {
      await using stage = await open(id);
      const instruments = await stage.exchange.fetchInstruments(signal);
      assert.deepEqual(
        instruments.filter(({ symbol }) => symbol === stage.symbol).map(({ active }) => active),
        [true],
      );
    });

    it('gives 400 minutes and 48 hours digit for digit', async () => {
      await using stage = await open(id);
      const { exchange, symbol, zoo } = stage;
      const end = Math.floor(NOW / MINUTE) * MINUTE;
      for (const [timeframe, span] of [
        ['1m', { since: end - 400 * MINUTE, until: end }],
        ['1h', { since: NOW - (NOW % HOUR) - (id === 'bitbank' ? 7 : 48) * HOUR, until: NOW - (NOW % HOUR) }],
      ] as const) {
        const truth = zoo.truth(symbol, timeframe, span);
        assert.deepEqual(await read(exchange, symbol, timeframe, span), [...truth.rows.values()].map(toCandle));
        assert.equal(truth.empty.size, 0);
      }
    });

    it('is told apart from its errors', async () => {
      const incident = { kind: 'error_body', since: 0, until: Infinity, timeframes: ['1m'] } as const;
      await using stage = await open(id, { incidents: [incident] });
      await assert.rejects(read(stage.exchange, stage.symbol, '1m', { since: NOW - HOUR, until: NOW }), {
        name: /^Exchange(Unavailable|Rejected|Data)Error$/,
      });
    });
  });
}

describe('what is odd about the wires', () => {
  it('leaves nothing of 1000 slots out but what has no trade, and says so', async () => {
    await using stage = await open('bitfinex', {
      markets: [{ symbol: 'ADA/USD', listedMs: NOW - 3 * DAY, share: 0.5 }],
    });
    const end = Math.floor(NOW / MINUTE) * MINUTE;
    const span = { since: end - 300 * MINUTE, until: end };
    const { rows, empty } = stage.zoo.truth('ADA/USD', '1m', span);
    assert.equal(rows.size + empty.size, 300);
    assert.ok(empty.size > 100);
    const { candles } = await stage.exchange.fetchCandles(
      { symbol: 'ADA/USD', timeframe: parseTimeframe('1m'), range: span },
      signal,
    );
    assert.deepEqual(candles, [...rows.values()].map(toCandle));
  });

  it('lets Gate refuse what is too long ago, and Kraken keep nothing of it', async () => {
    const old = { since: NOW - 11_000 * MINUTE, until: NOW - 10_500 * MINUTE };
    const markets = (symbol: string) => ({ markets: [{ symbol, listedMs: NOW - 10 * DAY }] });
    const ask = async (stage: Awaited<ReturnType<typeof open>>) => {
      await Promise.allSettled([read(stage.exchange, stage.symbol, '1m', old)]);
      return stage.zoo.requests.map(({ rows }) => rows);
    };
    await using gate = await open('gate', markets('ADA/USDT'));
    assert.deepEqual(await ask(gate), [null]);
    await using kraken = await open('kraken', markets('ADA/USD'));
    assert.deepEqual(await ask(kraken), [720]);
    assert.equal(kraken.zoo.truth('ADA/USD', '1m', old).available.length, 0);
    assert.equal(kraken.zoo.truth('ADA/USD', '1m', old).rows.size, 500);
  });

  it('counts each request as the exchange understood it', async () => {
    await using stage = await open('bybit');
    const end = Math.floor(NOW / MINUTE) * MINUTE;
    await read(stage.exchange, 'ADA/USDT', '1m', { since: end - 10 * MINUTE, until: end });
    assert.deepEqual(stage.zoo.requests, [
      {
        path: '/v5/market/kline',
        at: NOW,
        symbol: 'ADA/USDT',
        timeframe: '1m',
        since: end - 10 * MINUTE,
        until: end - 1,
        limit: 1000,
        rows: 10,
      },
    ]);
  });

  it('answers weeks from Thursday, and ccxt asks Bybit for them from a Thursday on', async () => {
    const week = 7 * DAY;
    const monday = Date.UTC(2025, 1, 3);
    const listed = { listedMs: NOW - 60 * DAY, finest: '1h' };
    await using kucoin = await open('kucoin', { markets: [{ symbol: 'ADA/USDT', ...listed }] });
    const thursdays = [...kucoin.zoo.truth('ADA/USDT', '1w', { since: monday, until: NOW }).rows.keys()];
    assert.deepEqual(
      thursdays.map((at) => new Date(at).getUTCDay()),
      [4, 4, 4],
    );
    await using bybit = await open('bybit', { markets: [{ symbol: 'ADA/USDT', ...listed }] });
    const range = { since: monday, until: monday + 3 * week };
    await bybit.exchange.fetchCandles({ symbol: 'ADA/USDT', timeframe: parseTimeframe('1w'), range }, signal);
    assert.deepEqual(
      bybit.zoo.requests.map(({ since }) => since),
      [monday + 3 * DAY],
    );
    assert.equal(bybit.zoo.truth('ADA/USDT', '1w', range).rows.has(monday), true);
  });
});
