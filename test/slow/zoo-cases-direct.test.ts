import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { execute } from '../support/postgres.ts';
import { DAY_MS, ZooStage, type ZooStageOptions } from '../support/zoo/zoo-stage.ts';

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
