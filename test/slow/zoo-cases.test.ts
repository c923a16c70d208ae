import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { lengthOf } from '../../simulator/zoo/zoo-grid.ts';
import { describeDifference, type ZooDifference } from '../support/zoo/compare-with-truth.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS, ZOO_START_MS, ZooStage, type ZooStageOptions } from '../support/zoo/zoo-stage.ts';
import { execute } from '../support/postgres.ts';

const END = Math.floor(ZOO_START_MS / MINUTE_MS) * MINUTE_MS;
const minuteAt = (minutesAgo: number) => ({
  since: END - minutesAgo * MINUTE_MS,
  until: END - (minutesAgo - 1) * MINUTE_MS,
});

interface CaseEnd {
  readonly stage: ZooStage;
  readonly difference: ZooDifference;
}

/**
 * Runs one service for `forMs` of the exchange's time, ten times as fast as the machine's unless said; `isEnough` ends it
 * sooner. Then looks at everything once.
 */
async function collect(
  options: ZooStageOptions & { readonly forMs: number; readonly isEnough?: (found: ZooDifference) => boolean },
  check: (end: CaseEnd) => Promise<void> | void,
): Promise<void> {
  const { forMs, isEnough = () => false, timeframes = '1m' } = options;
  await using stage = await ZooStage.open({ speed: 10, ...options });
  await stage.start();
  const endMs = stage.clock.now() + forMs;
  const look = () => stage.compare(timeframes.split(',')[0]);
  let difference = await look();
  while (stage.clock.now() < endMs && !isEnough(difference)) {
    await stage.pass(Math.min(20_000, endMs - stage.clock.now()));
    difference = await look();
  }
  assert.deepEqual(stage.crashes, []);
  await check({ stage, difference });
}

const isTrue = (difference: ZooDifference) =>
  assert.deepEqual(describeDifference(difference), [], 'rows, ledger and requests agree with the truth');
const isComplete = (difference: ZooDifference): boolean =>
  difference.missing.length + difference.unsettled.length === 0 && difference.stored > 0;
/** What is called empty and is not, in a few words. */
const listWrong = (difference: ZooDifference): string[] =>
  describeDifference(difference).filter((words) => words.includes('confirmed empty'));

/** What a service says of its first series. */
const seriesOf = (stage: ZooStage) => stage.apps[0]?.ingest.series()[0];

describe('1: quiet minutes and endless requests', { concurrency: 2 }, () => {
  it('asks for two quiet minutes of Bitfinex a few times and settles them', async () => {
    const holes = [minuteAt(400), minuteAt(250)];
    await collect({ wire: 'bitfinex', speed: 1, market: { holes }, forMs: 55_000 }, ({ difference }) =>
      isTrue(difference),
    );
  });

  it('asks for each seventh minute that is absent a few times and settles them, the oldest too', async () => {
    const holes = Array.from({ length: 205 }, (_, index) => minuteAt(index * 7 + 7));
    await collect({ wire: 'bitfinex', speed: 1, market: { holes }, forMs: 55_000 }, ({ difference }) =>
      isTrue(difference),
    );
  });
});

describe('2: exchanges that keep only their newest candles', { concurrency: 3 }, () => {
  for (const [wire, windowMs, share] of [
    ['gemini', 2 * DAY_MS, 1],
    ['hyperliquid', 5 * DAY_MS, 1],
    ['kraken', DAY_MS, 1],
    ['kraken', DAY_MS, 0.5],
  ] as const)
    it(`calls nothing empty that ${wire} deleted, ${share * 100} % of the minutes traded`, async () => {
      const options = { wire, windowMs, market: { share }, timeframes: '1m,1h', forMs: 8 * MINUTE_MS };
      await collect(options, ({ difference }) => assert.deepEqual(listWrong(difference), []));
    });
});

describe('3: a short page that the exchange cut', () => {
  it('stores sixty days of hours that bitbank gives day by day', async () => {
    const options = {
      wire: 'bitbank',
      timeframes: '1h',
      windowMs: 60 * DAY_MS,
      market: { finest: '1h' },
      // Sixty days, a request each, which ccxt spaces by real seconds.
      forMs: 120 * MINUTE_MS,
      isEnough: (found: ZooDifference) => isComplete(found) || found.wronglyEmpty.length > 0,
    } as const;
    await collect(options, ({ difference }) => isTrue(difference));
  });
});

describe('5: the row at since is missing', () => {
  it('stores the first week, though ccxt asks Bybit for weeks from a Thursday on', async () => {
    const options = {
      wire: 'bybit',
      timeframes: '1w',
      windowMs: 20 * 7 * DAY_MS,
      market: { finest: '1h', listedMs: ZOO_START_MS - 60 * 7 * DAY_MS },
      forMs: 3 * MINUTE_MS,
    } as const;
    await collect(options, ({ difference }) => isTrue(difference));
  });
});

describe('6: other grids', { todo: 'grids are not learned yet', concurrency: 4 }, () => {
  for (const [wire, timeframe, count] of [
    ['kraken', '1w', 20],
    ['kucoin', '1w', 20],
    ['hyperliquid', '1w', 20],
    ['htx', '1d', 30],
  ] as const)
    it(`stores ${count} candles of ${timeframe} of ${wire}`, async () => {
      const windowMs = count * lengthOf(timeframe);
      const options = {
        wire,
        timeframes: timeframe,
        windowMs,
        market: { finest: '1h', listedMs: ZOO_START_MS - 3 * windowMs },
        forMs: 5 * MINUTE_MS,
        isEnough: isComplete,
      } as const;
      await collect(options, ({ stage, difference }) => {
        isTrue(difference);
        assert.equal(seriesOf(stage)?.state, 'complete');
        assert.equal(seriesOf(stage)?.rejected, 0);
      });
    });
});

describe('7: real history off the grid', { todo: 'candles off the grid are not taken yet' }, () => {
  it("stores Binance's hours of February 2018, each at its own time", async () => {
    // From 1518168494789 to 1518319694789 hour by hour; as many hours later, for no exchange's clock shows 2018.
    const laterMs = Math.floor((ZOO_START_MS - 3 * DAY_MS - 1518168494789) / HOUR_MS) * HOUR_MS;
    const first = 1518168494789 + laterMs;
    const since = Math.floor(first / HOUR_MS) * HOUR_MS;
    const offGrid = { timeframe: '1h', since, until: 1518319694789 + laterMs + 1, shiftMs: first - since };
    const options = {
      wire: 'binance',
      timeframes: '1h',
      windowMs: 5 * DAY_MS,
      market: { finest: '1h' },
      manner: { offGrid },
      forMs: 10 * MINUTE_MS,
      isEnough: isComplete,
    } as const;
    await collect(options, async ({ stage, difference }) => {
      isTrue(difference);
      const [row] = await execute(
        stage.database.url,
        'select count(*)::int as n from ohlcv_data where extract(minute from timestamp) > 0',
      );
      assert.equal(row?.['n'], 43);
      assert.equal(seriesOf(stage)?.state, 'complete');
    });
  });
});

describe('8: a side question holds up the main one', { concurrency: 2 }, () => {
  it('fetches the minutes of a mirror that refuses longer timeframes', async () => {
    const manner = { refusedTimeframes: ['1h', '1d', '1w'] };
    const options = {
      wire: 'binance',
      manner,
      windowMs: 5 * DAY_MS,
      forMs: 5 * MINUTE_MS,
      isEnough: isComplete,
    } as const;
    await collect(options, ({ difference }) => isTrue(difference));
  });

  it('fetches the minutes while a look-up for longer candles fails', async () => {
    const incident = { kind: 'error_body', since: 0, until: Infinity, timeframes: ['1h'] } as const;
    const options = { wire: 'binance', incidents: [incident], windowMs: 5 * DAY_MS, forMs: 5 * MINUTE_MS } as const;
    await collect({ ...options, isEnough: isComplete }, ({ difference }) => isTrue(difference));
  });
});

describe('12: unfair turns', { concurrency: 3 }, () => {
  for (const seed of ['a', 'b', 'c'])
    it(`asks Kraken for each of three days once within 150 s, seed ${seed}`, async () => {
      const options = { wire: 'kraken', seed, windowMs: 3 * DAY_MS, speed: 2, forMs: 150_000 } as const;
      await collect(options, async ({ stage }) => {
        const rows = await execute(
          stage.database.url,
          `select since, until from coverage where metric = 'ohlcv' and timeframe = '1m' and state = 'missing'
             and last_asked_at is null and until < to_timestamp(${(ZOO_START_MS - HOUR_MS) / 1000})`,
        );
        assert.deepEqual(rows, [], 'nobody asked for it');
      });
    });
});
