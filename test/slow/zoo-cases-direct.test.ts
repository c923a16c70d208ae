import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { createExchange } from '../../src/exchanges/create-exchange.ts';
import { listKept } from '../../simulator/zoo/serve-page.ts';
import { PLAIN } from '../../simulator/zoo/zoo-dialect.ts';
import { ZooMarket } from '../../simulator/zoo/zoo-market.ts';
import { startAnsweringServer } from '../support/answering-server.ts';
import { answerAsBinance } from '../support/binance-answers.ts';
import { createMigratedDatabase } from '../support/database.ts';
import { execute } from '../support/postgres.ts';
import { runScript } from '../support/service-process.ts';
import { KeptStream, until } from '../support/stream-stage.ts';
import { startRefusingStream } from '../support/zoo/refusing-stream.ts';
import { HOUR_MS, MINUTE_MS, ZooStage, type ZooStageOptions } from '../support/zoo/zoo-stage.ts';

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

/** Imports a text and tells how that ended, and how many rows are stored. */
async function importText(text: string, timeframe: string) {
  await using database = await createMigratedDatabase();
  const folder = await mkdtemp(join(tmpdir(), 'candlekeep-zoo-'));
  try {
    const file = join(folder, 'candles');
    await writeFile(file, text);
    const series = ['--exchange', 'kraken', '--symbol', 'ADA/USD', '--timeframe', timeframe];
    const { code, output } = await runScript('import', ['--file', file, ...series], { DATABASE_URL: database.url });
    return { code, output, stored: await countRows(database.url) };
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe('4: files of another timeframe', () => {
  const market = new ZooMarket('files', { symbol: 'ADA/USD', listedMs: Date.UTC(2025, 0, 1) });
  const rows = (timeframe: string) => listKept(market, timeframe, PLAIN, Date.UTC(2025, 0, 4));

  it("refuses an archive's hours as minutes by their closing times", async () => {
    const lines = rows('1h').map(({ openMs, endMs, open, high, low, close, volume }) =>
      [openMs, open, high, low, close, volume, endMs - 1, volume, 1, volume, volume, 0].join(','),
    );
    const { code, stored } = await importText(lines.join('\n'), '1m');
    assert.deepEqual({ code, stored }, { code: 1, stored: 0 });
  });

  it('refuses minutes as hours by their spacing', async () => {
    const list = rows('1m').map(({ openMs, open, high, low, close, volume }) => [
      openMs,
      open,
      high,
      low,
      close,
      volume,
    ]);
    const { code, stored } = await importText(`[${list.map((row) => JSON.stringify(row)).join(',\n')}]`, '1h');
    assert.deepEqual({ code, stored }, { code: 1, stored: 0 });
  });
});

describe('10: partial rows come back as whole ones', () => {
  for (const format of ['csv', 'ndjson'])
    it(`stores no partial candle of our own ${format} export`, async () => {
      // The window begins in the middle of an hour: the first built candle lacks its beginning.
      const startMs = Date.now();
      const windowMs = (startMs % HOUR_MS) + 6 * HOUR_MS - 30 * MINUTE_MS;
      await using stage = await openNow({ startMs, windowMs });
      await stage.start();
      await waitFor(() => stage.apps[0]?.ingest.series()[0]?.state === 'complete', 'completeness');
      const { text } = await ask(stage, `/v1/ohlcv?${QUERY}&timeframe=1h&format=${format}`);
      const lines = text.trimEnd().split('\n');
      const partial = lines.filter((line) => /"partial":true|,true$/.test(line));
      assert.ok(partial.length >= 1, `a partial candle among\n${text}`);
      const whole = lines.filter((line) => !partial.includes(line) && !line.startsWith('timestamp'));
      const { stored } = await importText(text, '1h');
      assert.equal(stored, whole.length);
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
