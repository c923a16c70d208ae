import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findTimeframe, listOffered, listResolutions, toResolution } from '../../../src/http/udf/resolutions.ts';
import { parseTimeframe } from '../../../src/market/timeframe.ts';
import { candleOf, candlesFrom, seriesOf } from '../../support/candles.ts';
import { BTC, createProbes, createTestApp, FIRST_MS, get, HOUR_MS } from './in-memory.ts';

interface History {
  readonly s: string;
  readonly t?: number[];
  readonly nextTime?: number;
  readonly errmsg?: string;
}

const seconds = (hour: number) => (FIRST_MS + hour * HOUR_MS) / 1000;

/** Twelve hours of BTC/USDT from FIRST_MS on, days and weeks of it, and two other markets. */
function createSetting() {
  const { app, rows } = createTestApp();
  rows.put({ ...BTC, timeframe: parseTimeframe('1d') }, candlesFrom(FIRST_MS, 24 * HOUR_MS, 3));
  rows.put({ ...BTC, timeframe: parseTimeframe('1w') }, candlesFrom(FIRST_MS, 168 * HOUR_MS, 1));
  rows.put(seriesOf('okx', 'BTC/USDT', '15m'), [
    candleOf(FIRST_MS, ['60000.100', '60000.25', '60000.00', '60000.1', '0.500']),
  ]);
  rows.put(seriesOf('okx', 'BTCST/EUR', '4h'), [candleOf(FIRST_MS, ['1', '1', '1', '1', '1'])]);
  const history = async (parameters: Record<string, string | number>) => {
    const query = new URLSearchParams(
      Object.entries(parameters).map(([name, value]): [string, string] => [name, String(value)]),
    );
    return await get<History>(app, `/udf/history?${query.toString()}`);
  };
  return { app, rows, history };
}

describe('resolutions', () => {
  it('are written as the charting library writes them, and read again', () => {
    const timeframes = ['1w', '1m', '90m', '1h', '4h', '24h', '3d'].map(parseTimeframe);
    assert.deepEqual(timeframes.map(toResolution), ['1W', '1', '90', '60', '240', '1D', '3D']);
    assert.deepEqual(listResolutions([...timeframes, parseTimeframe('60m')]), [
      '1',
      '60',
      '90',
      '240',
      '1D',
      '3D',
      '1W',
    ]);
    for (const timeframe of timeframes) assert.equal(findTimeframe(toResolution(timeframe), timeframes), timeframe);
    assert.equal(findTimeframe('W', timeframes), '1w');
    assert.equal(findTimeframe('D', timeframes), '24h');
    for (const unknown of ['1M', '1S', 'M', '', '0', '01', '1.5', '9999'])
      assert.equal(findTimeframe(unknown, timeframes), null);
  });

  it('are also those that what is stored adds up to', () => {
    const hourly = ['1h', '1d'].map(parseTimeframe);
    assert.deepEqual(listResolutions(listOffered(hourly)), ['60', '120', '240', '360', '480', '720', '1D', '3D', '1W']);
    assert.equal(findTimeframe('240', hourly), '4h');
    assert.equal(findTimeframe('180', hourly), '180m');
    assert.equal(findTimeframe('W', hourly), '1w');
    for (const finer of ['1', '30', '90']) assert.equal(findTimeframe(finer, hourly), null);
    // Three days, counted from the epoch, do not divide the weeks that begin on Mondays.
    assert.equal(findTimeframe('1W', [parseTimeframe('3d')]), null);
    assert.deepEqual(listOffered([]), []);
  });
});

describe('UDF', () => {
  it('tells what it can do', async () => {
    const { app } = createSetting();
    assert.deepEqual(await get(app, '/udf/config'), {
      supports_search: true,
      supports_group_request: false,
      supports_marks: false,
      supports_timescale_marks: false,
      supports_time: true,
      supported_resolutions: ['15', '30', '60', '120', '240', '360', '480', '720', '1D', '3D', '1W'],
      exchanges: [
        { value: '', name: 'All exchanges', desc: '' },
        { value: 'binance', name: 'binance', desc: 'binance' },
        { value: 'okx', name: 'okx', desc: 'okx' },
      ],
      symbols_types: [{ value: 'crypto', name: 'Crypto' }],
    });
    const time = await app.inject('/udf/time');
    assert.match(time.headers['content-type'] as string, /^text\/plain/);
    assert.match(time.body, /^\d{10}$/);
    assert.ok(Math.abs(Number(time.body) - Date.now() / 1000) < 5);
  });

  it('describes a symbol by its ticker or name, with the digits and timeframes that are stored', async () => {
    const { app } = createSetting();
    const okx = await get<Record<string, unknown>>(app, '/udf/symbols?symbol=OKX:btc/usdt');
    assert.deepEqual(okx, {
      name: 'BTC/USDT',
      full_name: 'okx:BTC/USDT',
      ticker: 'okx:BTC/USDT',
      description: 'BTC/USDT on okx',
      type: 'crypto',
      exchange: 'okx',
      listed_exchange: 'okx',
      session: '24x7',
      timezone: 'Etc/UTC',
      format: 'price',
      minmov: 1,
      pricescale: 100,
      volume_precision: 1,
      currency_code: 'USDT',
      visible_plots_set: 'ohlcv',
      data_status: 'streaming',
      has_empty_bars: false,
      supported_resolutions: ['15', '30', '60', '120', '240', '360', '480', '720', '1D', '3D', '1W'],
      has_intraday: true,
      intraday_multipliers: ['15', '30', '60', '120', '240', '360', '480', '720'],
      has_daily: true,
      daily_multipliers: ['1', '3'],
      has_weekly_and_monthly: true,
      weekly_multipliers: ['1'],
    });
    const binance = await get<Record<string, unknown>>(app, '/udf/symbols?symbol=BTC/USDT');
    assert.equal(binance['ticker'], 'binance:BTC/USDT');
    assert.equal(binance['pricescale'], 1e12);
    assert.deepEqual(binance['supported_resolutions'], ['60', '120', '240', '360', '480', '720', '1D', '3D', '1W']);
    assert.deepEqual(
      [
        binance['has_daily'],
        binance['daily_multipliers'],
        binance['has_weekly_and_monthly'],
        binance['weekly_multipliers'],
      ],
      [true, ['1', '3'], true, ['1']],
    );
    for (const name of ['BTCUSDT', 'binance:btcusdt'])
      assert.equal((await get<{ ticker: string }>(app, `/udf/symbols?symbol=${name}`)).ticker, 'binance:BTC/USDT');
    const unknown = await get<History>(app, '/udf/symbols?symbol=DOGE/USDT');
    assert.equal(unknown.s, 'error');
    assert.match(unknown.errmsg ?? '', /no symbol DOGE\/USDT.*binance:BTC\/USDT, okx:BTC\/USDT/);
  });

  it('finds symbols by a part of their name', async () => {
    const { app } = createSetting();
    const search = async (query: string) =>
      (await get<{ ticker: string }[]>(app, `/udf/search?${query}`)).map(({ ticker }) => ticker);
    assert.deepEqual(await search('query=btcusdt&type=&exchange=&limit=30'), ['binance:BTC/USDT', 'okx:BTC/USDT']);
    assert.deepEqual(await search('query=BTC&exchange=okx&type=crypto&limit=30'), ['okx:BTC/USDT', 'okx:BTCST/EUR']);
    assert.deepEqual(await search('query=eur'), ['okx:BTCST/EUR']);
    assert.deepEqual(await search('query=&limit=1'), ['binance:BTC/USDT']);
    assert.deepEqual(await search('query=BTC&type=stock'), []);
    assert.deepEqual(await search('query=nothing'), []);
  });

  it('answers the bars of [from, to) as numbers in columns', async () => {
    const { history } = createSetting();
    const parameters = { symbol: 'binance:BTC/USDT', resolution: '60', from: seconds(2), to: seconds(4) };
    assert.deepEqual((await history({ ...parameters, countback: 0 })).t, [seconds(2), seconds(3)]);
    assert.deepEqual(await history(parameters), {
      s: 'ok',
      t: [seconds(2), seconds(3)],
      o: [102.00002452, 103.00002452],
      h: [202.1, 203.1],
      l: [0.000000123456, 0.000000123456],
      c: [152, 153],
      v: [12345678901234.5, 12345678901234.5],
      complete: true,
      gaps: 0,
    });
    assert.deepEqual((await history({ ...parameters, to: `${seconds(3)}.9` })).t, [seconds(2)]);
    assert.deepEqual((await history({ ...parameters, resolution: '1D', from: 0, to: seconds(48) })).t, [
      seconds(0),
      seconds(24),
    ]);
  });

  it('gives countback bars before to, whatever from says', async () => {
    const { history } = createSetting();
    const parameters = { symbol: 'BTC/USDT', resolution: '60', from: seconds(8), to: seconds(10) };
    assert.deepEqual((await history({ ...parameters, countback: 4 })).t, [6, 7, 8, 9].map(seconds));
    assert.deepEqual((await history({ ...parameters, from: seconds(11), countback: 1 })).t, [seconds(9)]);
    assert.equal((await history({ ...parameters, countback: 1_000_000 })).t?.length, 10);
    assert.deepEqual(
      (await history({ ...parameters, from: -1e9, countback: 2, firstDataRequest: 'true' })).t?.length,
      2,
    );
  });

  it('says where the next bar is when a range has none, and that there is none before all', async () => {
    const { history } = createSetting();
    const parameters = { symbol: 'BTC/USDT', resolution: '60' };
    assert.deepEqual(await history({ ...parameters, from: seconds(40), to: seconds(50) }), {
      s: 'no_data',
      nextTime: seconds(11),
      complete: true,
      gaps: 0,
    });
    assert.deepEqual(await history({ ...parameters, from: seconds(-9), to: seconds(0) }), {
      s: 'no_data',
      complete: false,
      gaps: 1,
    });
    assert.deepEqual(await history({ ...parameters, from: 0, to: seconds(0), countback: 300 }), {
      s: 'no_data',
      complete: true,
      gaps: 0,
    });
  });

  it('refuses a range that holds more bars than it answers at once, and takes countback for it', async () => {
    const { app, rows } = createTestApp();
    rows.put(BTC, candlesFrom(FIRST_MS, HOUR_MS, 50_002));
    const query = `/udf/history?symbol=BTC/USDT&resolution=60&to=${seconds(50_002)}`;
    assert.match(
      (await get<History>(app, `${query}&from=${seconds(0)}`)).errmsg ?? '',
      /more than 50000 bars.*countback/,
    );
    assert.equal((await get<History>(app, `${query}&from=${seconds(2)}`)).t?.length, 50_000);
    assert.equal((await get<History>(app, `${query}&from=${seconds(0)}&countback=300`)).t?.length, 300);
  });

  it('refuses in the protocol’s way, and says what to do', async () => {
    const { app, history } = createSetting();
    const parameters = { symbol: 'BTC/USDT', resolution: '60', from: seconds(0), to: seconds(4) };
    const refusals: [Record<string, string | number>, RegExp][] = [
      [{ ...parameters, symbol: 'kraken:BTC/USDT' }, /no symbol kraken:BTC\/USDT.*There is binance/],
      [{ ...parameters, resolution: '5' }, /resolution 5: use 60, 120, 240, 360, 480, 720, 1D, 3D, 1W/],
      [{ ...parameters, from: seconds(5) }, /from must lie before to/],
      [{ ...parameters, to: 'now' }, /to must be epoch seconds/],
      [{ symbol: 'BTC/USDT' }, /resolution is required/],
      [{ ...parameters, countback: 'all' }, /countback must be a whole number/],
    ];
    for (const [query, errmsg] of refusals) {
      const answer = await history(query);
      assert.equal(answer.s, 'error');
      assert.match(answer.errmsg ?? '', errmsg);
    }
    const refused = await app.inject('/udf/history');
    assert.match(refused.headers['content-type'] as string, /^application\/json/);
  });

  it('answers 503, readable for its clients, while the service does not run or its database is away', async () => {
    const starting = createTestApp({ probes: createProbes({ phase: () => 'migrating' }) });
    const answer = await get<History & { type: string }>(starting.app, '/udf/config', 503);
    assert.equal(answer.s, 'error');
    assert.match(answer.errmsg ?? '', /The service is migrating/);
    assert.match(answer.type, /not-running$/);
    const { app, rows } = createSetting();
    rows.fault = Object.assign(new Error('secret host'), { code: 'ECONNREFUSED' });
    assert.match(
      (await get<History>(app, '/udf/symbols?symbol=BTC/USDT', 503)).errmsg ?? '',
      /database does not answer/,
    );
    rows.fault = null;
    await get(app, '/udf/symbols?symbol=BTC/USDT');
  });
});
