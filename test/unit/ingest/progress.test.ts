import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import type { SeriesState } from '../../../src/market/service-state.ts';
import { ProgressBar } from '../../../src/ingest/progress-bar.ts';
import { ProgressMeter } from '../../../src/ingest/progress-meter.ts';
import { createKeptLog } from '../../support/kept-log.ts';
import { VirtualClock } from './fakes.ts';

const series = (missing: number | null): SeriesState => ({
  exchange: 'binance',
  symbol: 'BTC/USDT',
  timeframe: '1m',
  state: missing === 0 ? 'complete' : 'backfilling',
  missing,
  rejected: 0,
  last_error: null,
  last_candle_at: null,
});

describe('ProgressMeter', () => {
  it('measures rate and time left, logs every ten seconds, each series and the end once', async () => {
    const clock = new VirtualClock(0);
    const { logger, lines } = createKeptLog();
    const meter = new ProgressMeter({ logger, clock });
    for (let second = 1; second <= 20; second++) {
      await clock.run(1_000);
      meter.note(100, 90);
      const { progress, isNews } = meter.tick([series(2_000 - second * 100)]);
      assert.ok(isNews);
      if (second === 11) {
        assert.deepEqual(progress, {
          series: 1,
          complete: 0,
          missing: 900,
          isCounted: true,
          written: 990,
          read: 1_100,
          requests: 11,
          rowsPerSecond: 100,
          etaSeconds: 9,
        });
      }
    }
    assert.equal(meter.tick([series(0)]).isNews, false);
    assert.deepEqual(
      lines.map(({ msg }) => msg),
      ['backfill goes on', 'a series is complete', 'every series is complete'],
    );
    assert.equal(lines[2]?.['seconds'], 20);
  });

  it('looks each second while something is missing, and then sleeps until something changes', async () => {
    const clock = new VirtualClock(0);
    const meter = new ProgressMeter({ logger: createKeptLog().logger, clock });
    let [missing, looks] = [5, 0];
    const news: number[] = [];
    const stopping = new AbortController();
    const running = meter.run(
      {
        states: () => {
          looks++;
          return [series(missing)];
        },
        onNews: (progress) => news.push(progress.missing),
      },
      stopping.signal,
    );
    await clock.run(10_000);
    assert.deepEqual(news, Array<number>(10).fill(5));
    missing = 0;
    await clock.run(1_000);
    assert.equal(news.at(-1), 0);
    looks = 0;
    await clock.run(60 * 60_000);
    assert.ok(looks <= 60, `${looks} looks in a quiet hour`);
    assert.equal(news.length, 11);
    missing = 3;
    for (let change = 0; change < 100; change++) meter.noteChange();
    looks = 0;
    await clock.run(1_000);
    assert.deepEqual([looks, news.at(-1)], [1, 3]);
    await clock.run(2_000);
    assert.equal(looks, 3);
    missing = 0;
    await clock.run(2_000);
    missing = 1;
    await clock.run(62_000);
    assert.equal(news.at(-1), 1, 'what changes without a word is seen within a minute');
    stopping.abort();
    await running;
  });

  it('knows no time left before the database was asked', () => {
    const meter = new ProgressMeter({ logger: createKeptLog().logger, clock: new VirtualClock(0) });
    const { progress } = meter.tick([series(null)]);
    assert.deepEqual([progress.isCounted, progress.etaSeconds], [false, null]);
  });
});

describe('ProgressBar', () => {
  const progress = {
    series: 2,
    complete: 1,
    missing: 500,
    isCounted: true,
    written: 500,
    read: 500,
    requests: 5,
    rowsPerSecond: 100,
    etaSeconds: 5,
  };

  it('draws nothing where there is no terminal', () => {
    const stream = new PassThrough();
    const bar = new ProgressBar({ stream });
    bar.show(progress);
    bar.stop();
    assert.equal(stream.read(), null);
  });

  it('draws on a terminal and goes when everything is complete', () => {
    // What cli-progress calls on a terminal besides write.
    const stream = Object.assign(new PassThrough(), {
      isTTY: true,
      columns: 120,
      cursorTo: () => true,
      clearLine: () => true,
      moveCursor: () => true,
    });
    const bar = new ProgressBar({ stream });
    bar.show(progress);
    const drawn = String(stream.read());
    assert.match(drawn, /50% \| 1\/2 series \| 100 candles\/s \| 5 s left/);
    bar.show({ ...progress, complete: 2, missing: 0 });
    bar.stop();
  });
});
