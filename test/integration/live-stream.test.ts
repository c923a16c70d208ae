import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createKysely, createPool } from '../../src/db/client.ts';
import { lockCoverage } from '../../src/db/repositories/coverage-rows.ts';
import { createRepositories, type Repositories } from '../../src/db/repositories/index.ts';
import type { LiveEvent } from '../../src/http/live/live-event.ts';
import { LiveWatch } from '../../src/http/live/live-watch.ts';
import type { Candle } from '../../src/market/candle.ts';
import { candleEntry } from '../../src/market/commit-entry.ts';
import { candleKey, type CoverageRange } from '../../src/market/coverage.ts';
import { parseDecimal } from '../../src/market/decimal.ts';
import type { Series } from '../../src/market/instrument.ts';
import { waitUntilBlocked } from '../support/blocked-session.ts';
import { candlesFrom, seriesOf } from '../support/candles.ts';
import { createMigratedDatabase } from '../support/database.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { createRecordingLogger } from '../unit/http/in-memory.ts';

const MINUTE = 60_000;
const START = Date.UTC(2026, 0, 1);
const BTC = seriesOf('binance', 'BTC/USDT', '1m');
const ETH = seriesOf('okx', 'ETH/USDT', '1h');
const { logger } = createRecordingLogger();
const CANDLES = candlesFrom(START, MINUTE, 1000);

interface Told {
  readonly type: string;
  readonly [field: string]: unknown;
}

describe('what is stored, followed over PostgreSQL', () => {
  let database: TestDatabase;
  let kysely: ReturnType<typeof createKysely>;
  let repositories: Repositories;

  before(async () => {
    database = await createMigratedDatabase();
    kysely = createKysely(() => createPool({ url: database.url, applicationName: 'test', maxConnections: 3, logger }));
    repositories = createRepositories(kysely);
    await store(BTC, CANDLES.slice(0, 300));
    await store(ETH, candlesFrom(START, 60 * MINUTE, 2));
  });
  after(async () => {
    await kysely.destroy();
    await database[Symbol.asyncDispose]();
  });

  /** As another replica does: rows and ledger in one transaction. */
  async function store(series: Series, candles: readonly Candle[]): Promise<void> {
    await repositories.commit([candleEntry(series, candles)]);
  }

  const missing = (from: number, to: number): CoverageRange => ({
    since: START + from * MINUTE,
    until: START + to * MINUTE,
    state: 'missing',
    asks: 0,
    firstAskedAt: null,
    lastAskedAt: null,
    reason: null,
  });

  it('sums the ledger up by series, with the database’s time', async () => {
    await repositories.coverage.record({ ...BTC, metric: 'ohlcv' }, [missing(300, 304), missing(310, 311)]);
    await repositories.coverage.record({ ...BTC, timeframe: '1h', metric: 'funding_rate' }, [missing(0, 60)]);
    const look = await repositories.liveFeed.look();
    assert.ok(Math.abs(look.at - Date.now()) < 60_000);
    assert.equal(look.revision, '0');
    assert.deepEqual(
      look.series.toSorted((a, b) => a.series.exchange.localeCompare(b.series.exchange)),
      [
        {
          series: BTC,
          tail: START + 300 * MINUTE,
          have: 300,
          missing: 5,
          lost: 0,
          gaps: { since: START + 300 * MINUTE, until: START + 311 * MINUTE },
        },
        { series: ETH, tail: START + 120 * MINUTE, have: 2, missing: 0, lost: 0, gaps: null },
      ],
    );
  });

  it('lists the newest candles that were stored since a moment, within bounds', async () => {
    const { liveFeed } = repositories;
    const listed = await liveFeed.listStoredSince({ series: [BTC, ETH], since: 0, perSeries: 3, limit: 10 });
    assert.deepEqual(
      listed.filter(({ series }) => series.exchange === 'binance').map(({ candle }) => candle),
      CANDLES.slice(297, 300),
    );
    assert.deepEqual(
      listed.map(({ candle }) => candle.timestamp),
      listed.map(({ candle }) => candle.timestamp).toSorted((a, b) => a - b),
    );
    assert.equal(listed.length, 5);
    assert.equal((await liveFeed.listStoredSince({ series: [BTC, ETH], since: 0, perSeries: 3, limit: 2 })).length, 2);
    const { at } = await liveFeed.look();
    assert.deepEqual(await liveFeed.listStoredSince({ series: [BTC], since: at, perSeries: 3, limit: 10 }), []);
    assert.deepEqual(await liveFeed.listStoredSince({ series: [], since: 0, perSeries: 3, limit: 10 }), []);
  });

  it('finds what another replica stores, repairs and rewrites, each once', async () => {
    const events: LiveEvent[] = [];
    const watch = new LiveWatch({ feed: repositories.liveFeed, publish: (event) => events.push(event) });
    const look = async () => {
      await watch.look();
      return events
        .splice(0)
        .map((event): Told => ({ ...(JSON.parse(event.render('string')) as object), type: event.type }));
    };
    // Rows that are younger than the first look's reach are told again: let them grow older.
    await new Promise((resolve) => setTimeout(resolve, 2_100));
    assert.deepEqual(await look(), []);

    await store(BTC, CANDLES.slice(304, 310));
    await store(ETH, candlesFrom(START + 120 * MINUTE, 60 * MINUTE, 1));
    const told = await look();
    assert.deepEqual(
      told.filter(({ symbol, type }) => symbol === 'BTC/USDT' && type === 'candle').map(({ volume }) => volume),
      CANDLES.slice(304, 310).map(({ volume }) => volume),
    );
    assert.equal(told.length, 7);

    await store(BTC, CANDLES.slice(300, 304));
    const repaired = await look();
    assert.deepEqual(
      repaired.map(({ type, timestamp, missing: left }) => timestamp ?? `${type} ${String(left)}`),
      [...CANDLES.slice(300, 304).map(({ timestamp }) => new Date(timestamp).toISOString()), 'gap 1'],
    );

    await store(BTC, [{ ...CANDLES[305]!, volume: parseDecimal('99.75') }]);
    const [revision, ...more] = await look();
    assert.deepEqual(more, []);
    assert.equal(revision?.type, 'revision');
    assert.deepEqual(
      [revision['old'], revision['new']].map((values) => (values as Candle).volume),
      ['305.500', '99.75'],
    );

    await store(BTC, CANDLES.slice(311, 311 + 300));
    const many = await look();
    assert.equal(many.filter(({ type }) => type === 'candle').length, 100);
    assert.deepEqual(
      many.filter(({ type }) => type === 'history').map(({ candles }) => candles),
      [200],
    );
    assert.deepEqual(await look(), []);
  });

  it('sees a transaction that began before a look and committed after it', async () => {
    const events: LiveEvent[] = [];
    const watch = new LiveWatch({ feed: repositories.liveFeed, publish: (event) => events.push(event) });
    await new Promise((resolve) => setTimeout(resolve, 2_100));
    await watch.look();
    const storing = await kysely.transaction().execute(async (transaction) => {
      // The rows are written, and their word for the ledger waits.
      await lockCoverage(transaction, [candleKey(BTC)]);
      const committed = store(BTC, CANDLES.slice(620, 621));
      await waitUntilBlocked(database.url);
      await watch.look();
      return { committed };
    });
    await storing.committed;
    assert.deepEqual(events, []);
    await watch.look();
    assert.deepEqual(
      events.map(({ type }) => type),
      ['candle'],
    );
  });
});
