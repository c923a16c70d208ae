import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { waitUntil } from '../support/patience.ts';
import { execute } from '../support/postgres.ts';
import { DAY_MS, MINUTE_MS, ZooStage, type ZooStageOptions } from '../support/zoo/zoo-stage.ts';

const QUERY = 'exchange=binance&symbol=ADA/USDT&timeframe=1m';
const AWAY = { kind: 'unavailable', since: 0, until: Infinity, timeframes: ['1m', '1h', '1d', '1w'] } as const;

/** By the machine's own time: answers over HTTP end with it. */
const open = (options: Partial<ZooStageOptions> = {}) =>
  ZooStage.open({ wire: 'binance', startMs: Date.now(), ...options });

async function ask(stage: ZooStage, query: string, service = 0) {
  const response = await fetch(`${stage.apps[service]?.http.url ?? ''}/v1/ohlcv?${query}`);
  const text = await response.text();
  assert.equal(response.status, 200, text);
  const [since = '', until = ''] = (response.headers.get('x-answered') ?? '').split('/');
  return { complete: response.headers.get('x-complete'), since: Date.parse(since), until: Date.parse(until), text };
}

const countRows = async ({ database }: ZooStage) =>
  Number((await execute(database.url, 'select count(*)::int as n from ohlcv_data'))[0]?.['n']);
const isComplete = (stage: ZooStage) => stage.apps[0]?.ingest.series()[0]?.state === 'complete';

describe('what a service that collects calls complete', () => {
  it('is nothing before the first answer of the exchange', async () => {
    await using stage = await open({ incidents: [AWAY] });
    await stage.start();
    await waitUntil(() => stage.zoo.requests.length > 0, 'a request');
    for (const format of ['json', 'csv', 'arrays']) {
      const { complete, since } = await ask(stage, `${QUERY}&format=${format}`);
      assert.equal(complete, 'false');
      assert.equal(since, Math.ceil(stage.sinceMs / MINUTE_MS) * MINUTE_MS, 'it speaks from where it is wanted');
    }
  });

  it('is not the export of a backfill under way, also where another replica answers', async () => {
    await using stage = await open({ windowMs: 90 * DAY_MS });
    await stage.start();
    await waitUntil(async () => (await countRows(stage)) > 0, 'a first page');
    const { complete, text, since } = await ask(stage, `${QUERY}&format=csv`);
    const told = text.trimEnd().split('\n').length - 1;
    assert.ok(told < 129_000, `the backfill was faster than the question: ${told}`);
    assert.equal(complete, 'false', `with ${told} of 129,600 candles`);
    assert.ok(Math.abs(since - stage.sinceMs) <= 2 * MINUTE_MS, new Date(since).toISOString());
    // It wants something else.
    await stage.start({ MARKETS: 'binance:BTC/USDT' });
    assert.equal((await ask(stage, `${QUERY}&format=csv`, 1)).complete, 'false');
    const full = await ask(stage, `${QUERY}&limit=10`);
    const { data } = JSON.parse(full.text) as { data: { timestamp: string }[] };
    assert.equal(data.length, 10);
    assert.equal(full.since, Date.parse(data[0]!.timestamp), 'a full page speaks from its first row');
    // Up to the minute that ended just now, which may be on its way.
    const end = Date.parse(data.at(-1)!.timestamp) + MINUTE_MS;
    assert.ok(full.until >= end, `${full.until - end} ms after its last row`);
    assert.equal(full.complete, String(full.until === end), 'and calls itself complete where that is its last row');
  });

  it('is all of it in the end, and no more once rows were dropped', async () => {
    await using stage = await open();
    await stage.start();
    await waitUntil(() => isComplete(stage), 'completeness');
    // The minute that ended just now may be on its way.
    await waitUntil(async () => (await ask(stage, `${QUERY}&format=csv`)).complete === 'true', 'a complete answer');
    const noon = new Date(Date.now() - DAY_MS / 2).toISOString();
    await execute(stage.database.url, `delete from ohlcv_data where timestamp < '${noon}'`);
    for (const asked of ['format=csv', 'format=arrays&limit=5000', `since=${noon}&format=json`]) {
      const { complete } = await ask(stage, `${QUERY}&${asked}`);
      assert.equal(complete, asked.startsWith('since') ? 'true' : 'false', asked);
    }
    const { text } = await ask(stage, `${QUERY}&limit=5000`);
    const [gap] = (JSON.parse(text) as { gaps: { state: string; until: string; reason: string }[] }).gaps;
    assert.equal(gap?.state, 'absent');
    assert.match(gap.reason, /a policy hides them, or somebody removed them/);
  });
});
