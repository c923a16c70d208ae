import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { ExchangeDataError } from '../../src/errors.ts';
import { createExchange } from '../../src/exchanges/create-exchange.ts';
import { parseTimeframe } from '../../src/market/timeframe.ts';
import { WIRES, type WireId } from '../../simulator/zoo/wires/all-wires.ts';
import type { DialectName } from '../../simulator/zoo/zoo-dialect.ts';
import { ZooExchange, type ZooIncident } from '../../simulator/zoo/zoo-exchange.ts';
import { execute } from '../support/postgres.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS, ZOO_START_MS, ZooStage } from '../support/zoo/zoo-stage.ts';

const HOURS_FOR_MINUTES = 'hours_for_minutes';
const clock = { now: () => ZOO_START_MS, sleep: () => Promise.resolve() };
const logger = pino({ level: 'silent' });

interface Wrong {
  readonly wire: WireId;
  readonly dialects: readonly DialectName[];
  readonly timeframe?: string;
  readonly hours?: number;
  /** The share of minutes that traded. */
  readonly share?: number;
  readonly incidents?: readonly ZooIncident[];
}

/** Asks an exchange of these dialects once for candles of the last hours. */
async function ask({ wire, dialects, timeframe = '1m', hours = 16, share = 1, incidents = [] }: Wrong) {
  const symbol = `ADA/${WIRES[wire].quote}`;
  const markets = [{ symbol, listedMs: ZOO_START_MS - 5 * DAY_MS, share }];
  await using zoo = new ZooExchange({ wire: WIRES[wire], seed: 'frames', clock, markets, dialects, incidents });
  const exchange = await createExchange({ id: wire, origin: await zoo.listen(), logger, clock });
  try {
    const until = ZOO_START_MS - (ZOO_START_MS % HOUR_MS);
    const request = { symbol, timeframe: parseTimeframe(timeframe), range: { since: until - hours * HOUR_MS, until } };
    const page = await exchange.fetchCandles(request, AbortSignal.timeout(20_000));
    return { rows: page.candles.length, requests: zoo.requests.length };
  } finally {
    await exchange.close();
  }
}

describe('an answer of another timeframe', { concurrency: 4 }, () => {
  const byClosing =
    /another timeframe: \d+ of its \d+ rows have another length by their closing times: (1h instead of 1m|1m instead of 1h)/;
  const bySpacing = /another timeframe: the spacing of its rows is as short as 1m/;
  const byComparison = /another timeframe: its 16 rows lie on the grid of 1h and are equal to the 1h candles/;
  const cases: [Wrong, RegExp][] = [
    [{ wire: 'binance', dialects: [HOURS_FOR_MINUTES] }, byClosing],
    [{ wire: 'binance', dialects: ['minutes_for_hours'], timeframe: '1h' }, byClosing],
    [{ wire: 'hyperliquid', dialects: [HOURS_FOR_MINUTES] }, byClosing],
    [{ wire: 'hyperliquid', dialects: ['minutes_for_hours'], timeframe: '1h' }, byClosing],
    [{ wire: 'hyperliquid', dialects: ['no_closing_time', HOURS_FOR_MINUTES] }, byComparison],
    [{ wire: 'bybit', dialects: [HOURS_FOR_MINUTES] }, byComparison],
    [{ wire: 'okx', dialects: [HOURS_FOR_MINUTES], hours: 5 }, /its 5 rows lie on the grid of 1h/],
    [{ wire: 'bybit', dialects: ['minutes_for_hours'], timeframe: '1h' }, bySpacing],
    [
      { wire: 'bybit', dialects: ['minutes_for_hours', 'empty_omitted'], timeframe: '1h', hours: 90, share: 0.02 },
      bySpacing,
    ],
  ];
  for (const [wrong, words] of cases)
    it(`is refused whole: ${wrong.wire}, ${wrong.dialects.join(', ')}${wrong.share === undefined ? '' : ', quiet'}`, async () => {
      await assert.rejects(ask(wrong), (error) => {
        assert.ok(error instanceof ExchangeDataError, String(error));
        assert.match(error.message, words);
        return true;
      });
    });

  it('is refused for no quiet market, and costs it nothing', async () => {
    for (const wire of ['bybit', 'kraken', 'bitfinex'] as const) {
      const { rows, requests } = await ask({ wire, dialects: ['empty_omitted'], hours: 9, share: 0.02 });
      assert.ok(rows > 0);
      assert.equal(requests, 1);
    }
  });

  it('is believed where the longer candles cannot be had: nothing contradicts it', async () => {
    const incident = { kind: 'unavailable', since: 0, until: Infinity, timeframes: ['1h'] } as const;
    const { rows } = await ask({ wire: 'bybit', dialects: [HOURS_FOR_MINUTES], incidents: [incident] });
    assert.equal(rows, 16);
  });
});

describe('a service that is told another timeframe', { concurrency: 3 }, () => {
  for (const [wire, dialect, timeframes] of [
    ['binance', HOURS_FOR_MINUTES, '1m'],
    ['bybit', HOURS_FOR_MINUTES, '1m'],
    ['binance', 'minutes_for_hours', '1h'],
    ['bybit', 'minutes_for_hours', '1h'],
  ] as const)
    it(`stores nothing, calls nothing empty and says why: ${wire}, ${dialect}`, async () => {
      await using stage = await ZooStage.open({ wire, dialects: [dialect], timeframes, windowMs: DAY_MS, speed: 20 });
      const app = await stage.start();
      const end = stage.clock.now() + 5 * MINUTE_MS;
      while (stage.clock.now() < end && stage.zoo.requests.length < 8) await stage.pass(2_000);
      const { extra, wronglyEmpty } = await stage.compare(timeframes);
      assert.deepEqual([extra.length, wronglyEmpty.length], [0, 0]);
      const [series] = app.ingest.series();
      assert.notEqual(series?.state, 'complete');
      assert.match(series?.last_error ?? '', /with another timeframe: .* 1h/);
      assert.deepEqual(await execute(stage.database.url, 'select count(*)::int as n from ohlcv_data'), [{ n: 0 }]);
      assert.deepEqual(stage.crashes, []);
    });

  for (const [minutes, dialects] of [
    [150, ['page_by_day']],
    [90, []],
    [150, ['page_by_day', 'newest_first', 'page_limit_newest']],
  ] as const)
    it(`calls nothing empty by a few hours either: the last ${minutes} minutes, ${dialects.join(', ')}`, async () => {
      // Half past two: the day's page has three rows, too few to be told from those of a quiet market by their spacing.
      const startMs = Math.floor(ZOO_START_MS / DAY_MS) * DAY_MS + 150 * MINUTE_MS;
      const windowMs = minutes * MINUTE_MS;
      const options = {
        wire: 'okx',
        dialects: [HOURS_FOR_MINUTES, ...dialects],
        startMs,
        windowMs,
        speed: 20,
      } as const;
      await using stage = await ZooStage.open(options);
      await stage.start();
      const end = stage.clock.now() + 5 * MINUTE_MS;
      while (stage.clock.now() < end && stage.zoo.requests.length < 12) await stage.pass(2_000);
      const { extra, wronglyEmpty } = await stage.compare('1m');
      assert.deepEqual([extra.length, wronglyEmpty.length], [0, 0]);
      assert.deepEqual(stage.crashes, []);
    });

  it('takes a candle of all zeros for none', async () => {
    const at = Math.floor(ZOO_START_MS / MINUTE_MS) * MINUTE_MS - 20 * MINUTE_MS;
    const market = { holes: [{ since: at, until: at + MINUTE_MS }] };
    const options = { wire: 'bybit', dialects: ['empty_as_zeros'], market, windowMs: 2 * HOUR_MS, speed: 10 } as const;
    await using stage = await ZooStage.open(options);
    await stage.start();
    const read = async (text: string) => (await execute(stage.database.url, text))[0];
    const end = stage.clock.now() + 5 * MINUTE_MS;
    while (stage.clock.now() < end && !(await read('select reason from quarantine'))) await stage.pass(2_000);
    assert.deepEqual(await read('select distinct reason from quarantine'), { reason: 'all prices are zero' });
    assert.deepEqual(await read('select min(low) > 0 as sound from ohlcv_data'), { sound: true });
  });
});
