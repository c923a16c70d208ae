import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { createKysely, createPool } from '../../src/db/client.ts';
import { createRepositories } from '../../src/db/repositories/index.ts';
import { createLogger } from '../../src/logger.ts';
import { candleEntry, type CommitEntry } from '../../src/market/commit-entry.ts';
import { candleKey, haveRange, missingRange } from '../../src/market/coverage.ts';
import { candleOf, candlesFrom, seriesOf } from '../support/candles.ts';
import { feedEntry, withRefused } from '../support/commit-entries.ts';
import { declareTests } from '../support/repository-conformance/skips.ts';
import { describeRefusals, VALID } from '../support/repository-conformance/refusals.ts';
import { describeOnEachServer } from '../support/repository-lanes.ts';

const MINUTE = 60_000;
const HOUR = 3_600_000;
const T0 = Date.UTC(2024, 2, 9);
const ALL = { since: 0, until: Date.UTC(2100, 0, 1) };
const BTC = seriesOf('binance', 'BTC/USDT', '1m');
const ETH = seriesOf('binance', 'ETH/USDT', '1m');
const OKX = seriesOf('okx', 'BTC/USDT', '5m');
const NOTHING = { inserted: 0, updated: 0, unchanged: 0, changes: [] };

const minutes = (since: number, until: number) => ({ since: T0 + since * MINUTE, until: T0 + until * MINUTE });
const have = (since: number, until: number) => haveRange(minutes(since, until));
const missing = (since: number, until: number) => missingRange(minutes(since, until));

describeOnEachServer('commit', ({ repositories, rows: bare, query, clear }) => {
  const commit = (...entries: CommitEntry[]) => repositories().commit(entries);
  const ohlcv = () => repositories().ohlcv;
  const coverage = () => repositories().coverage;

  before(() =>
    query(`
      create table insertions (at serial, is_copy bool not null);
      create function note_insertion() returns trigger language plpgsql as
        $$ begin insert into insertions (is_copy) values (current_query() ilike 'copy %'); return null; end $$;
      create trigger note_insertion before insert on ohlcv_data for each statement execute function note_insertion()`),
  );
  beforeEach(async () => {
    await clear();
    await query('truncate insertions');
  });
  /** How the statements wrote candles since the last look, in their order. */
  async function takeWays(): Promise<('copy' | 'insert')[]> {
    const noted = await query('delete from insertions returning at, is_copy');
    return noted
      .toSorted((a, b) => Number(a['at']) - Number(b['at']))
      .map(({ is_copy }) => (is_copy === true ? 'copy' : 'insert'));
  }

  it('writes several series with one statement', async () => {
    const [a, b, c] = candlesFrom(T0, 5 * MINUTE, 3);
    const entries = [candleEntry(BTC, [a!, b!]), candleEntry(OKX, [c!]), candleEntry(ETH, [a!])];
    assert.deepEqual(await commit(...entries), { ...NOTHING, inserted: 4 });
    assert.deepEqual(await takeWays(), ['insert']);
    assert.deepEqual(await ohlcv().list(BTC, ALL, 9), [a, b]);
    // More than may be copied, yet of two series: a statement for each 5,000.
    const many = candlesFrom(T0 + HOUR, MINUTE, 5001);
    assert.equal((await commit(candleEntry(BTC, many), candleEntry(ETH, [b!]))).inserted, 5002);
    assert.deepEqual(await takeWays(), ['insert', 'insert']);
  });

  it('writes one series page by page, up to 5,000 candles or into a time that holds some', async () => {
    const candles = candlesFrom(T0, MINUTE, 12_000);
    assert.equal((await commit(candleEntry(BTC, candles.slice(0, 5000)))).inserted, 5000);
    assert.deepEqual(await takeWays(), ['insert']);
    assert.deepEqual(await commit(candleEntry(BTC, candles)), { ...NOTHING, inserted: 7000, unchanged: 5000 });
    assert.deepEqual(await takeWays(), ['insert', 'insert', 'insert']);
    assert.deepEqual(await ohlcv().list(BTC, ALL, 20_000), candles);
  });

  it('copies more than 5,000 candles of one series into an empty time, whatever else comes along', async () => {
    const candles = candlesFrom(T0, MINUTE, 5001);
    // What lies beside the time, and in it of another series, is not in the way.
    await bare().candles(BTC, [candleOf(T0 - MINUTE), candleOf(T0 + 5001 * MINUTE)]);
    await bare().candles(ETH, [candleOf(T0 + MINUTE)]);
    await takeWays();
    const outcome = await commit(
      withRefused(candleEntry(BTC, candles), 1),
      candleEntry(ETH, []),
      feedEntry('BTC/USDT', 'mark_price', T0, ['5']),
    );
    assert.deepEqual(outcome, { ...NOTHING, inserted: 5002 });
    assert.deepEqual(await takeWays(), ['copy']);
    assert.deepEqual(await ohlcv().list(BTC, minutes(0, 5001), 9999), candles);
    assert.deepEqual(await coverage().list(candleKey(BTC)), [have(0, 5001)]);
  });

  it('asks nothing of the candles where none comes', async () => {
    await commit(withRefused(candleEntry(ETH, []), 2), candleEntry(BTC, []));
    assert.deepEqual(await takeWays(), []);
    assert.equal(await repositories().quarantine.count({ symbol: 'ETH/USDT' }), 2);
  });

  it('takes rows in any order where the ledger is told of many ranges', async () => {
    const every = candlesFrom(T0, MINUTE, 3000);
    const rows = [...every.filter((_, index) => index % 3 === 0).toReversed(), ...every.filter((_, i) => i % 3 === 1)];
    const changes = Array.from({ length: 1000 }, (_, index) => [
      have(3 * index, 3 * index + 2),
      missing(3 * index + 2, 3 * index + 3),
    ]).flat();
    assert.equal((await commit({ key: candleKey(BTC), rows, changes, quarantine: [] })).inserted, 2000);
    assert.deepEqual(await coverage().list(candleKey(BTC)), changes);
    assert.deepEqual(
      await ohlcv().list(BTC, ALL, 3000),
      every.filter((_, index) => index % 3 < 2),
    );
  });
});

describe('commit, without a database', () => {
  const logger = createLogger({ level: 'silent', pretty: false });
  const url = 'postgresql://nobody@127.0.0.1:1/none';
  const kysely = createKysely(() => createPool({ url, applicationName: 'test', maxConnections: 1, logger }));
  const commit = (entries: readonly CommitEntry[]) => createRepositories(kysely).commit(entries);
  after(() => kysely.destroy());
  describeRefusals(declareTests(), () => commit);

  it('asks for the database with what is good', async () => {
    await assert.rejects(commit(VALID), { code: 'ECONNREFUSED' });
  });
});
