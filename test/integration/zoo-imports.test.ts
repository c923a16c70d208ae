import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { listKept } from '../../simulator/zoo/serve-page.ts';
import { PLAIN } from '../../simulator/zoo/zoo-dialect.ts';
import { ZooMarket } from '../../simulator/zoo/zoo-market.ts';
import { createMigratedDatabase } from '../support/database.ts';
import { waitUntil } from '../support/patience.ts';
import { execute } from '../support/postgres.ts';
import { runScript } from '../support/service-process.ts';
import { HOUR_MS, MINUTE_MS, ZooStage } from '../support/zoo/zoo-stage.ts';

/** Imports a text and tells how that ended, and how many rows are stored. */
async function importText(text: string, timeframe: string) {
  await using database = await createMigratedDatabase();
  const folder = await mkdtemp(join(tmpdir(), 'candlekeep-zoo-'));
  try {
    const file = join(folder, 'candles');
    await writeFile(file, text);
    const series = ['--exchange', 'kraken', '--symbol', 'ADA/USD', '--timeframe', timeframe];
    const { code, output } = await runScript('import', ['--file', file, ...series], { DATABASE_URL: database.url });
    const [row] = await execute(database.url, 'select count(*)::int as n from ohlcv_data');
    return { code, output, stored: row?.['n'] };
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe('an import of a file of another timeframe', () => {
  const market = new ZooMarket('files', { symbol: 'ADA/USD', listedMs: Date.UTC(2025, 0, 1) });
  const rows = (timeframe: string) => listKept(market, timeframe, PLAIN, Date.UTC(2025, 0, 4));

  it("refuses an archive's hours as minutes by their closing times, and takes them as hours", async () => {
    const lines = rows('1h').map(({ openMs, endMs, open, high, low, close, volume }) =>
      [openMs, open, high, low, close, volume, endMs - 1, volume, 1, volume, volume, 0].join(','),
    );
    const { code, output, stored } = await importText(lines.join('\n'), '1m');
    assert.deepEqual({ code, stored }, { code: 1, stored: 0 });
    assert.match(output, /closing times: 1h instead of 1m. Nothing was stored. Give the timeframe that the file holds/);
    const right = await importText(lines.join('\n'), '1h');
    assert.deepEqual({ code: right.code, stored: right.stored }, { code: 0, stored: lines.length });
  });

  it('refuses minutes as hours by their spacing', async () => {
    const list = rows('1m').map(({ openMs, ...row }) => [openMs, row.open, row.high, row.low, row.close, row.volume]);
    const text = `[${list.map((row) => JSON.stringify(row)).join(',\n')}]`;
    const { code, output, stored } = await importText(text, '1h');
    assert.deepEqual({ code, stored }, { code: 1, stored: 0 });
    assert.match(output, /the spacing of its rows is as short as 1m/);
  });
});

describe('an import of our own export of built candles', () => {
  it('stores none that is partial or still forming, of either format, and says why', async () => {
    // The window begins in the middle of an hour: the first built candle lacks its beginning.
    const startMs = Date.now();
    const windowMs = (startMs % HOUR_MS) + 6 * HOUR_MS - 30 * MINUTE_MS;
    await using stage = await ZooStage.open({ wire: 'binance', startMs, windowMs });
    const app = await stage.start();
    await waitUntil(() => app.ingest.series()[0]?.state === 'complete', 'completeness');
    for (const format of ['csv', 'ndjson']) {
      const path = `/v1/ohlcv?exchange=binance&symbol=ADA/USDT&timeframe=1h&format=${format}`;
      const text = await (await fetch(`${app.http.url}${path}`)).text();
      const lines = text.trimEnd().split('\n');
      const partial = lines.filter((line) => /"partial":true|,true$/.test(line));
      assert.ok(partial.length >= 1, `a partial candle among\n${text}`);
      const whole = lines.filter((line) => !partial.includes(line) && !line.startsWith('timestamp'));
      const { code, output, stored } = await importText(text, '1h');
      assert.deepEqual({ code, stored }, { code: 1, stored: whole.length });
      assert.match(output, /the candle is (partial: it was built|still in progress)/);
    }
  });
});
