import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { createExchange } from '../../src/exchanges/create-exchange.ts';
import { startAnsweringServer } from '../support/answering-server.ts';
import { answerAsBinance } from '../support/binance-answers.ts';
import { execute } from '../support/postgres.ts';
import { KeptStream, until } from '../support/stream-stage.ts';
import { startRefusingStream } from '../support/zoo/refusing-stream.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS, ZooStage, type ZooStageOptions } from '../support/zoo/zoo-stage.ts';

const logger = pino({ level: 'silent' });
const QUERY = 'exchange=binance&symbol=ADA/USDT';

/** A stage by the machine's own time: answers over HTTP end with it. */
const openNow = (options: Partial<ZooStageOptions>) =>
  ZooStage.open({ wire: 'binance', startMs: Date.now(), ...options });

const ask = async (stage: ZooStage, path: string) => {
  const response = await fetch(`${stage.apps[0]?.http.url ?? ''}${path}`);
  return { headers: response.headers, text: await response.text() };
};

const countRows = async (url: string, where = 'true'): Promise<number> =>
  Number((await execute(url, `select count(*)::int as n from ohlcv_data where ${where}`))[0]?.['n']);

async function waitFor(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = Date.now() + 60_000;
  while (!(await holds())) {
    assert.ok(Date.now() < end, `${what} did not happen within a minute`);
    await delay(20);
  }
}

describe('9: the answer says complete', () => {
  it('says on an empty database that nothing is complete', async () => {
    const incident = { kind: 'unavailable', since: 0, until: Infinity, timeframes: ['1m', '1h', '1d', '1w'] } as const;
    await using stage = await openNow({ incidents: [incident] });
    await stage.start();
    await waitFor(() => stage.zoo.requests.length > 0, 'a request');
    const { complete, data } = JSON.parse((await ask(stage, `/v1/ohlcv?${QUERY}&timeframe=1m`)).text) as {
      complete: boolean;
      data: unknown[];
    };
    assert.deepEqual({ complete, rows: data.length }, { complete: false, rows: 0 });
  });

  it('says during a backfill that the export without since is not complete', async () => {
    await using stage = await openNow({ windowMs: 90 * DAY_MS });
    await stage.start();
    await waitFor(async () => (await countRows(stage.database.url)) > 0, 'a first page');
    const { headers, text } = await ask(stage, `/v1/ohlcv?${QUERY}&timeframe=1m&format=csv`);
    const told = text.trimEnd().split('\n').length - 1;
    assert.ok(told < 129_000, `the backfill was faster than the question: ${told}`);
    assert.equal(headers.get('x-complete'), 'false', `with ${told} of 129,600 candles`);
  });

  it('says that a dropped range is not complete', async () => {
    await using stage = await openNow({});
    await stage.start();
    await waitFor(() => stage.apps[0]?.ingest.series()[0]?.state === 'complete', 'completeness');
    await execute(stage.database.url, `delete from ohlcv_data where timestamp < now() - interval '12 hours'`);
    const { headers } = await ask(stage, `/v1/ohlcv?${QUERY}&timeframe=1m&format=csv`);
    assert.equal(headers.get('x-complete'), 'false');
  });
});

describe('11: what is read of a good answer, besides zeros', () => {
  const HOUR = Date.UTC(2025, 2, 5, 6);
  it('keeps the metric that stands beside an empty one', async () => {
    const row = { symbol: 'BTCUSDT', sumOpenInterest: '20403.63700000', sumOpenInterestValue: '', timestamp: HOUR };
    const now = HOUR + 30 * MINUTE_MS;
    await using server = await startAnsweringServer(
      answerAsBinance(
        () => ({ json: [row] }),
        () => now,
      ),
    );
    const clock = { now: () => now, sleep: () => Promise.resolve() };
    const exchange = await createExchange({ id: 'binance', origin: server.origin, logger, clock });
    try {
      const request = {
        symbol: 'BTC/USDT',
        feed: 'open_interest',
        range: { since: HOUR, until: HOUR + HOUR_MS },
      } as const;
      const { snapshots } = await exchange.fetchFutures(request, AbortSignal.timeout(20_000));
      assert.deepEqual(
        snapshots.map(({ open_interest }) => open_interest),
        ['20403.63700000'],
      );
    } finally {
      await exchange.close();
    }
  });

  it('does not call a stream live of which every subscription was refused', async () => {
    await using server = await startRefusingStream();
    await using kept = new KeptStream(server.url);
    kept.subscribe('ADA/USDT 1m');
    await until(() => kept.log.length > 0, 'a refusal');
    await delay(500);
    assert.equal(kept.isLive('ADA/USDT 1m'), false);
    assert.notEqual(kept.stream.state().state, 'live');
  });
});
