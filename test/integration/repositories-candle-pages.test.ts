import assert from 'node:assert/strict';
import { beforeEach, it } from 'node:test';
import { createKysely, createPool } from '../../src/db/client.ts';
import { cancelledBy } from '../../src/db/repositories/cancelled-by.ts';
import { createRepositories } from '../../src/db/repositories/index.ts';
import type { CandlePageRequest } from '../../src/db/repositories/read-candle-page.ts';
import { executeText, Parameters } from '../../src/db/repositories/statement-text.ts';
import { createLogger } from '../../src/logger.ts';
import { haveRange } from '../../src/market/coverage.ts';
import { parseTimeframe } from '../../src/market/timeframe.ts';
import { candleOf, candlesFrom, seriesOf } from '../support/candles.ts';
import { elapsedMs } from '../support/machine-watch.ts';
import { waitUntil } from '../support/patience.ts';
import { describeOnEachServer } from '../support/repository-lanes.ts';
import { storeCandles } from '../support/store-candles.ts';

const HOUR = 3_600_000;
const START = Date.UTC(2026, 0, 1);
const SERIES = seriesOf('binance', 'BTC/USDT', '1h');
const KEY = { ...SERIES, metric: 'ohlcv' } as const;
const FOUR = { ...SERIES, timeframe: parseTimeframe('4h') };
const at = (hour: number) => START + hour * HOUR;
const PAGE: CandlePageRequest = {
  series: SERIES,
  since: at(0),
  until: at(20),
  limit: 100,
  shape: 'object',
  numbers: 'string',
  from: null,
  now: at(1000),
};

interface Written {
  readonly timestamp: string;
  readonly open: string;
  readonly partial?: boolean;
}

function read(text: string): Written[] {
  return JSON.parse(`[${text}]`) as Written[];
}

describeOnEachServer('pages of candles as text', (lane) => {
  beforeEach(async () => {
    await lane.clear();
    // Hours 10 and 11 are missing.
    await storeCandles(lane.repositories(), SERIES, [...candlesFrom(at(0), HOUR, 10), ...candlesFrom(at(12), HOUR, 8)]);
  });
  const readPage = (changes: Partial<CandlePageRequest> = {}) =>
    lane.repositories().ohlcv.readPage({ ...PAGE, ...changes });
  const hours = (text: string) => read(text).map(({ timestamp }) => (Date.parse(timestamp) - START) / HOUR);

  it('cuts pages that together are the range, with the gaps in each', async () => {
    const first = await readPage({ limit: 11 });
    assert.deepEqual(hours(first.text), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12]);
    assert.deepEqual([first.count, first.nextSince], [11, at(13)]);
    assert.deepEqual(first.gaps, [{ since: at(10), until: at(12), state: 'unknown' }]);
    const second = await readPage({ limit: 11, since: first.nextSince });
    assert.deepEqual([hours(second.text), second.nextSince, second.gaps], [[13, 14, 15, 16, 17, 18, 19], null, []]);
    const full = await readPage({ limit: 7, since: at(13) });
    assert.deepEqual([full.count, full.nextSince], [7, null]);
  });

  it('answers the newest, oldest of them first, and only their gaps', async () => {
    const page = await readPage({ since: null, limit: 3, until: at(16) });
    assert.deepEqual([hours(page.text), page.nextSince, page.gaps], [[13, 14, 15], null, []]);
    const wide = await readPage({ since: null, limit: 5, until: at(14) });
    assert.deepEqual(hours(wide.text), [7, 8, 9, 12, 13]);
    assert.deepEqual(wide.gaps, [{ since: at(10), until: at(12), state: 'unknown' }]);
    // Who asks for what lies before all of it is told so, not that nothing is missing of nothing.
    assert.deepEqual(await readPage({ since: null, until: at(-5) }), {
      text: '',
      count: 0,
      nextSince: null,
      answered: { since: at(-6), until: at(-5) },
      gaps: [{ since: at(-6), until: at(-5), state: 'unknown' }],
    });
  });

  it('tells each state but have and confirmed_empty as a gap, and only of slots that have ended', async () => {
    const { coverage } = lane.repositories();
    const evidence = { asks: 2, firstAskedAt: at(30), lastAskedAt: at(31), reason: null };
    await coverage.record(KEY, [
      { since: at(10), until: at(11), state: 'confirmed_empty', ...evidence },
      { since: at(11), until: at(12), state: 'missing', ...evidence },
      { since: at(20), until: at(22), state: 'refused', ...evidence },
    ]);
    const { gaps } = await readPage({ since: at(-2), until: at(40), now: at(25) + 5 });
    assert.deepEqual(gaps, [
      { since: at(-2), until: at(0), state: 'unknown' },
      { since: at(11), until: at(12), state: 'missing' },
      { since: at(20), until: at(22), state: 'refused' },
      { since: at(22), until: at(25), state: 'unknown' },
    ]);
    // Off the grid: the slots whose opening times lie in the range.
    assert.deepEqual((await readPage({ since: at(10) + 1, until: at(11) + 1 })).gaps, [
      { since: at(11), until: at(12), state: 'missing' },
    ]);
  });

  it('writes each shape, numbers without quotes, and null for what JSON cannot say', async () => {
    const lines = async (changes: Partial<CandlePageRequest>) => (await readPage({ limit: 1, ...changes })).text;
    assert.equal(
      await lines({ shape: 'array' }),
      `[${START},"0.00002000","0.000040000","0.00002000","0.000040000","0.500"]`,
    );
    assert.equal(
      await lines({ shape: 'array', numbers: 'float' }),
      `[${START},0.00002000,0.000040000,0.00002000,0.000040000,0.500]`,
    );
    assert.equal(
      await lines({ shape: 'csv' }),
      '2026-01-01T00:00:00.000Z,0.00002000,0.000040000,0.00002000,0.000040000,0.500',
    );
    await lane.query(`update ohlcv_data set volume = 'NaN', high = 'NaN' where timestamp = '2026-01-01T00:00:00Z'`);
    assert.equal(
      await lines({ shape: 'array', numbers: 'float' }),
      `[${START},0.00002000,null,0.00002000,0.000040000,null]`,
    );
    assert.match(await lines({ numbers: 'float' }), /"high":null,.*"volume":null}$/);
  });

  it('builds candles from complete children only, and marks the others', async () => {
    const built = await readPage({ series: FOUR, from: SERIES.timeframe });
    assert.deepEqual(
      read(built.text).map(({ timestamp, partial }) => [(Date.parse(timestamp) - START) / HOUR, partial ?? false]),
      [
        [0, false],
        [4, false],
        [8, true],
        [12, false],
        [16, false],
      ],
    );
    assert.deepEqual(read(built.text)[1], {
      timestamp: '2026-01-01T04:00:00.000Z',
      open: '0.00002004',
      high: '0.000040070',
      low: '0.00002004',
      close: '0.000040070',
      volume: '24.000',
    });
    assert.deepEqual(built.gaps, [{ since: at(10), until: at(12), state: 'unknown' }]);
    const arrays = await readPage({ series: FOUR, from: SERIES.timeframe, shape: 'array' });
    assert.equal((JSON.parse(`[${arrays.text}]`) as unknown[]).length, 4);

    const evidence = { asks: 2, firstAskedAt: at(30), lastAskedAt: at(31), reason: null };
    await lane
      .repositories()
      .coverage.record(KEY, [{ since: at(10), until: at(12), state: 'confirmed_empty', ...evidence }]);
    const confirmed = await readPage({ series: FOUR, from: SERIES.timeframe });
    assert.deepEqual([read(confirmed.text).some(({ partial }) => partial), confirmed.gaps], [false, []]);
    await lane.query(`update coverage set state = 'missing' where state = 'confirmed_empty'`);
    assert.equal(read((await readPage({ series: FOUR, from: SERIES.timeframe })).text)[2]!.partial, true);
  });

  it('pages through built candles, and answers the newest of them', async () => {
    const asked = { series: FOUR, from: SERIES.timeframe, limit: 2 };
    const seen: number[] = [];
    for (let since: number | null = at(0); since !== null;) {
      const page = await readPage({ ...asked, since });
      seen.push(...hours(page.text));
      since = page.nextSince;
    }
    assert.deepEqual(seen, [0, 4, 8, 12, 16]);
    assert.deepEqual(hours((await readPage({ ...asked, since: null, until: at(17) })).text), [12, 16]);
    // The candle that opens in the range is built of all its children, also those behind the range.
    const [last] = read((await readPage({ ...asked, since: at(16), until: at(17) })).text);
    assert.equal(last!.partial, undefined);
  });

  it('builds weeks from Monday on', async () => {
    const daily = seriesOf('binance', 'ETH/USDT', '1d');
    // 2026-01-05 is a Monday.
    await storeCandles(lane.repositories(), daily, candlesFrom(Date.UTC(2026, 0, 5), 24 * HOUR, 8));
    const weekly = { ...daily, timeframe: parseTimeframe('1w') };
    const page = await readPage({ series: weekly, from: daily.timeframe, since: START, until: at(24 * 30) });
    assert.deepEqual(
      read(page.text).map(({ timestamp, partial }) => [timestamp.slice(0, 10), partial ?? false]),
      [
        ['2026-01-05', false],
        ['2026-01-12', true],
      ],
    );
  });

  it('streams lines of any number of pages, exactly those of the range', async () => {
    const minutes = seriesOf('okx', 'BTC/USDT', '1m');
    const candles = candlesFrom(START, 60_000, 60_001);
    await storeCandles(lane.repositories(), minutes, candles);
    const collect = async (
      shape: 'csv' | 'object',
      limit: number | null,
      from = null as null | typeof minutes.timeframe,
    ) => {
      const series = from === null ? minutes : { ...minutes, timeframe: parseTimeframe('5m') };
      const asked = { series, since: START, until: at(10_000), limit, shape, numbers: 'string', from } as const;
      let text = '';
      let count = 0;
      for await (const page of lane.repositories().ohlcv.streamText(asked)) {
        text += page.lines.toString();
        count += page.count;
      }
      assert.equal(text.split('\n').length - 1, count);
      return text.trimEnd().split('\n');
    };
    const lines = await collect('csv', null);
    assert.deepEqual(
      lines,
      candles.map(({ timestamp, open, high, low, close, volume }) =>
        [new Date(timestamp).toISOString(), open, high, low, close, volume].join(','),
      ),
    );
    const objects = await collect('object', 30_000);
    assert.equal(objects.length, 30_000);
    assert.equal((JSON.parse(objects.at(-1)!) as Written).timestamp, new Date(START + 29_999 * 60_000).toISOString());
    const built = await collect('csv', null, minutes.timeframe);
    assert.equal(built.length, 12_001);
    assert.match(built[0]!, /^2026-01-01T00:00:00\.000Z,.*,false$/);
    assert.match(built.at(-1)!, /,true$/);
  });

  it('has another digest as soon as a candle of the range is stored or rewritten', async () => {
    const { ohlcv } = lane.repositories();
    const digest = async () =>
      (await ohlcv.readRangeState({ series: SERIES, since: at(0), until: at(10), newest: null, now: at(50) })).digest;
    const before = await digest();
    await storeCandles(lane.repositories(), SERIES, [candleOf(at(11))]);
    assert.equal(await digest(), before, 'beside the range');
    await lane.rows().candles(SERIES, [candleOf(at(3))]);
    const rewritten = await digest();
    assert.notEqual(rewritten, before);
    await lane.query(`update coverage set until = '2026-01-01T05:00:00Z' where since = '2026-01-01T00:00:00Z'`);
    assert.notEqual(await digest(), rewritten);
    const state = await ohlcv.readRangeState({ series: SERIES, since: null, until: at(20), newest: 3, now: at(50) });
    assert.equal(state.since, at(17));
  });

  it('lists the gaps of each futures feed', async () => {
    const { coverage, futures } = lane.repositories();
    const key = { ...SERIES, metric: 'mark_price' } as const;
    const have = { state: 'have', asks: 0, firstAskedAt: null, lastAskedAt: null, reason: null } as const;
    await coverage.record(key, [{ since: at(0), until: at(2), ...have }]);
    const gaps = await futures.listLedgerGaps('binance', 'BTC/USDT', { since: at(0) + 1, until: at(9) }, at(4));
    assert.deepEqual(
      gaps.filter(({ metric }) => metric === 'mark_price'),
      [{ metric: 'mark_price', since: at(2), until: at(4), state: 'unknown' }],
    );
    assert.equal(gaps.length, 5);
  });

  it('cancels on the server what nobody waits for any more, and the connection stays usable', async () => {
    const leaving = new AbortController();
    const text = `select pg_sleep(600), 'sleeper' as mark`;
    const kysely = cancelledBy(lane.kysely(), leaving.signal);
    const asked = executeText(kysely, text, new Parameters());
    const running = async () =>
      (
        await lane.query(
          `select pid from pg_stat_activity where datname = current_database() and state = 'active' and query = '${text.replaceAll("'", "''")}'`,
        )
      ).length;
    await waitUntil(async () => (await running()) > 0, 'it runs');
    const rejectedMs = await elapsedMs(async () => {
      leaving.abort(new Error('the client left'));
      await assert.rejects(asked, /the client left/);
    });
    assert.ok(rejectedMs < 1000, `${rejectedMs} ms`);
    await waitUntil(async () => (await running()) === 0, 'it is cancelled');
    await assert.rejects(executeText(kysely, text, new Parameters()), /the client left/);
    await assert.rejects(createRepositories(kysely).ohlcv.listBounds(), /the client left/);
    assert.equal((await readPage()).count, 18);
  });

  it('does not call whole what row security hides, or what was dropped, in pages, in states and in what is built', async () => {
    const { ohlcv, coverage } = lane.repositories();
    await coverage.record(KEY, [haveRange({ since: at(10), until: at(12) })]);
    await lane.rows().candles(SERIES, candlesFrom(at(10), HOUR, 2));
    const whole = { since: at(0), until: at(20) };
    const read = async (reader: typeof ohlcv) => {
      const page = await reader.readPage({ ...PAGE, ...whole });
      const built = await reader.readPage({ ...PAGE, ...whole, series: FOUR, from: SERIES.timeframe });
      const state = await reader.readRangeState({ series: SERIES, ...whole, newest: null, now: at(1000) });
      return [page, built, state].map(({ gaps }) => gaps.map(({ since, until, state }) => [since, until, state]));
    };
    assert.deepEqual(await read(ohlcv), [[], [], []]);

    // One whom the policy of a shared database lets see a part.
    const role = `reader_${new URL(lane.url()).pathname.slice(1)}`;
    await lane.query(`create role ${role} login password 'part'`);
    try {
      await lane.query(
        `grant select on ohlcv_data, coverage, candle_revisions, wanted_windows to ${role};
         alter table ohlcv_data enable row level security;
         create policy part on ohlcv_data to ${role} using (extract(hour from timestamp at time zone 'UTC') not in (3, 4, 15))`,
      );
      const url = new URL(lane.url());
      [url.username, url.password] = [role, 'part'];
      const reader = createKysely(() =>
        createPool({
          url: url.href,
          applicationName: 'reader',
          maxConnections: 1,
          logger: createLogger({ level: 'silent', pretty: false }),
        }),
      );
      try {
        const hidden = [
          [at(3), at(5), 'absent'],
          [at(15), at(16), 'absent'],
        ];
        assert.deepEqual(await read(createRepositories(reader).ohlcv), [hidden, hidden, hidden]);
      } finally {
        await reader.destroy();
      }
    } finally {
      await lane.query(
        `drop policy if exists part on ohlcv_data; alter table ohlcv_data disable row level security;
         drop owned by ${role}; drop role ${role}`,
      );
    }

    // What a retention policy drops goes without a word to the ledger.
    if (lane.kind === 'timescale')
      await lane.query(`select drop_chunks('ohlcv_data', older_than => '2100-01-01'::timestamptz)`);
    else await lane.query('delete from ohlcv_data');
    const dropped = [[at(0), at(20), 'absent']];
    const [page, , state] = await read(ohlcv);
    assert.deepEqual([page, state], [dropped, dropped]);
  });
});
