import assert from 'node:assert/strict';
import { beforeEach, it } from 'node:test';
import { SYSTEM_CLOCK } from '../../src/clock.ts';
import { AuditRepository } from '../../src/db/repositories/audit-repository.ts';
import { CoverageRepository } from '../../src/db/repositories/coverage-repository.ts';
import { AuditCoverage } from '../../src/jobs/audit-coverage.ts';
import { runAudit, type AuditDeps, type AuditOptions } from '../../src/jobs/run-audit.ts';
import type { CoverageKey, CoverageRange, CoverageState } from '../../src/market/coverage.ts';
import { candleEntry } from '../../src/market/commit-entry.ts';
import { parseDecimal } from '../../src/market/decimal.ts';
import { candleOf, candlesFrom, seriesOf } from '../support/candles.ts';
import { createKeptLog } from '../support/kept-log.ts';
import { describeOnEachServer } from '../support/repository-lanes.ts';

const MINUTE = 60_000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const SINCE = Date.UTC(2026, 2, 1);
const BTC = seriesOf('binance', 'BTC/USDT', '1m');
const BTC_KEY: CoverageKey = { ...BTC, metric: 'ohlcv' };

function range(since: number, until: number, state: CoverageState = 'have'): CoverageRange {
  return { since, until, state, asks: 0, firstAskedAt: null, lastAskedAt: null, reason: null };
}

describeOnEachServer('audit', (lane) => {
  const coverage = () => new CoverageRepository({ kysely: lane.kysely() });
  const audit = () => new AuditRepository({ kysely: lane.kysely() });
  const signal = new AbortController().signal;
  const run = (options: Partial<AuditOptions> = {}, more: Partial<AuditDeps> = {}) =>
    runAudit(
      { stores: { audit: audit(), futures: lane.repositories().futures }, clock: SYSTEM_CLOCK, ...more },
      { repairs: false, crossCheckSince: null, restRatio: 0, ...options },
      signal,
    );

  beforeEach(async () => {
    await lane.clear();
    await lane.query('truncate coverage');
  });

  it('finds no difference where the ledger is true', async () => {
    await lane.rows().candles(BTC, candlesFrom(SINCE, MINUTE, 120));
    await coverage().record(BTC_KEY, [
      range(SINCE, SINCE + 2 * HOUR),
      range(SINCE + 2 * HOUR, SINCE + 3 * HOUR, 'confirmed_empty'),
    ]);
    const report = await run();
    assert.deepEqual(
      [report.differences, report.series, report.slots, report.by_kind, report.examples],
      [0, 1, 180, {}, []],
    );
  });

  it('finds each kind of lie, repairs it, and is content then', async () => {
    await lane.rows().candles(BTC, candlesFrom(SINCE, MINUTE, 120));
    const eth = seriesOf('binance', 'ETH/USDT', '1h');
    await lane.rows().candles(eth, candlesFrom(SINCE, HOUR, 5));
    await coverage().record(BTC_KEY, [
      range(SINCE - HOUR, SINCE + HOUR),
      range(SINCE + HOUR, SINCE + 2 * HOUR, 'confirmed_empty'),
    ]);
    await lane.query(
      `delete from ohlcv_data where symbol = 'BTC/USDT' and timestamp = '${new Date(SINCE + 7 * MINUTE).toISOString()}'`,
    );
    const seen = await run();
    assert.deepEqual(seen.by_kind, { have_without_row: 61, row_outside_have: 60, row_unknown: 5 });
    assert.deepEqual([seen.differences, seen.repaired], [4, 0]);
    assert.deepEqual(
      seen.examples.map(({ symbol, kind, since, slots }) => [symbol, kind, since, slots]),
      [
        ['BTC/USDT', 'have_without_row', new Date(SINCE - HOUR).toISOString(), 60],
        ['BTC/USDT', 'have_without_row', new Date(SINCE + 7 * MINUTE).toISOString(), 1],
        ['BTC/USDT', 'row_outside_have', new Date(SINCE + HOUR).toISOString(), 60],
        ['ETH/USDT', 'row_unknown', new Date(SINCE).toISOString(), 5],
      ],
    );
    assert.equal((await run()).differences, 4, 'looking changes nothing');

    const told: [string, number][] = [];
    const repaired = await run(
      { repairs: true },
      { onMissing: (key, ranges) => told.push(...ranges.map(({ since }): [string, number] => [key.symbol, since])) },
    );
    assert.deepEqual([repaired.differences, repaired.repaired], [4, 4]);
    assert.deepEqual(told, [
      ['BTC/USDT', SINCE - HOUR],
      ['BTC/USDT', SINCE + 7 * MINUTE],
    ]);
    assert.equal((await run()).differences, 0);
    assert.deepEqual(
      (await coverage().list(BTC_KEY)).map(({ state, since, until }) => [
        state,
        (since - SINCE) / MINUTE,
        (until - SINCE) / MINUTE,
      ]),
      [
        ['missing', -60, 0],
        ['have', 0, 7],
        ['missing', 7, 8],
        ['have', 8, 120],
      ],
    );
  });

  it('mends ranges that overlap, and tells rows and keys that are off every grid', async () => {
    await lane.rows().candles(BTC, candlesFrom(SINCE, MINUTE, 60));
    const values = (since: number, until: number, state: string, timeframe = '1m') =>
      `('binance', 'BTC/USDT', '${timeframe}', 'ohlcv', '${new Date(since).toISOString()}', '${new Date(until).toISOString()}', '${state}')`;
    await lane.query(`insert into coverage (exchange, symbol, timeframe, metric, since, until, state) values
      ${values(SINCE, SINCE + HOUR, 'have')}, ${values(SINCE + HOUR / 2, SINCE + 2 * HOUR, 'missing')},
      ${values(SINCE + 3 * HOUR, SINCE + 4 * HOUR, 'missing', 'odd')}`);
    await lane.query(`insert into ohlcv_data (exchange, symbol, timeframe, timestamp, open, high, low, close, volume)
      values ('binance', 'BTC/USDT', '1m', '${new Date(SINCE + 61_000).toISOString()}', 1, 1, 1, 1, 1)`);
    const seen = await run({ repairs: true });
    assert.deepEqual(seen.by_kind, { ranges_overlap: 30, row_off_grid: 1, key_invalid: 1 });
    assert.equal(seen.repaired, 1);
    assert.deepEqual((await run()).by_kind, { row_off_grid: 1, key_invalid: 1 });
    assert.deepEqual(
      (await coverage().list(BTC_KEY)).map(({ state, since, until }) => [state, since - SINCE, until - SINCE]),
      [
        ['have', 0, HOUR],
        ['missing', HOUR, 2 * HOUR],
      ],
    );
  });

  it('holds every futures feed against its own column, and funding against its interval', async () => {
    const one = parseDecimal('1');
    const hours = Array.from({ length: 48 }, (_, index) => SINCE + index * HOUR);
    await lane.rows().futures(
      'binance',
      'BTC/USDT',
      hours.map((timestamp, index) => ({
        timestamp,
        ...(index === 5 ? {} : { open_interest: one }),
        // Every eight hours, the one at 24 lost.
        ...(index % 8 === 0 && index !== 24 ? { funding_rate: one } : {}),
      })),
    );
    const key = (metric: 'open_interest' | 'funding_rate'): CoverageKey => ({ ...BTC_KEY, timeframe: '1h', metric });
    await coverage().record(key('open_interest'), [range(SINCE, SINCE + 2 * DAY)]);
    await coverage().record(key('funding_rate'), [range(SINCE, SINCE + 2 * DAY)]);
    const seen = await run({ repairs: true });
    assert.deepEqual(
      seen.examples.map(({ metric, kind, since, slots }) => [metric, kind, since, slots]),
      [
        ['funding_rate', 'have_without_row', new Date(SINCE + DAY).toISOString(), 1],
        ['open_interest', 'have_without_row', new Date(SINCE + 5 * HOUR).toISOString(), 1],
      ],
    );
    assert.equal((await run()).differences, 0);
  });

  it('sees a row and its ledger entry of one transaction together, whenever it looks', async () => {
    await lane.rows().candles(BTC, candlesFrom(SINCE, MINUTE, 1));
    await coverage().record(BTC_KEY, [range(SINCE, SINCE + MINUTE)]);
    const stop = new AbortController();
    const writing = (async () => {
      for (let minute = 1; !stop.signal.aborted; minute++) {
        const since = SINCE + minute * MINUTE;
        await lane.repositories().commit([candleEntry(BTC, candlesFrom(since, MINUTE, 1))]);
      }
    })();
    let differences = 0;
    for (let round = 0; round < 30; round++) differences += (await run({ repairs: true })).differences;
    stop.abort();
    await writing;
    assert.equal(differences, 0);
  });

  it('reports hours that are not the sum of their minutes, and open interest off its value', async () => {
    const minutes = Array.from({ length: 180 }, (_, index) =>
      candleOf(SINCE + index * MINUTE, ['2', index % 60 === 7 ? '9.5' : '3', '1', '2.5', '0.1']),
    ).filter((_, index) => index !== 70 && index !== 130);
    await lane.rows().candles(BTC, minutes);
    const hour = (index: number, volume: string) => candleOf(SINCE + index * HOUR, ['2', '9.50', '1', '2.5', volume]);
    // The second hour lacks a minute that is known to be empty, the third one that is not.
    await lane
      .rows()
      .candles({ ...BTC, timeframe: seriesOf('x', 'X/Y', '1h').timeframe }, [
        hour(0, '6.0'),
        hour(1, '6.1'),
        hour(2, '99'),
      ]);
    await coverage().record(BTC_KEY, [
      range(SINCE, SINCE + 70 * MINUTE),
      range(SINCE + 70 * MINUTE, SINCE + 71 * MINUTE, 'confirmed_empty'),
      range(SINCE + 71 * MINUTE, SINCE + 130 * MINUTE),
      range(SINCE + 130 * MINUTE, SINCE + 131 * MINUTE, 'missing'),
      range(SINCE + 131 * MINUTE, SINCE + 180 * MINUTE),
    ]);
    const decimals = (open_interest: string, open_interest_value: string, mark_price: string) => ({
      open_interest: parseDecimal(open_interest),
      open_interest_value: parseDecimal(open_interest_value),
      mark_price: parseDecimal(mark_price),
    });
    await lane.rows().futures('binance', 'BTC/USDT', [
      { timestamp: SINCE, ...decimals('10', '1040', '100') },
      { timestamp: SINCE + HOUR, ...decimals('10', '1060', '100') },
      { timestamp: SINCE + 2 * HOUR, open_interest: parseDecimal('10') },
    ]);
    const { cross_checks: checks } = await run({ crossCheckSince: SINCE - DAY });
    assert.deepEqual(checks?.candle_sums, { compared: 2, deviations: 1 });
    assert.deepEqual(checks.open_interest_value, { compared: 2, deviations: 1 });
    assert.deepEqual(
      checks.examples.map(({ check, timestamp }) => [check, timestamp]),
      [
        ['candle_sums', new Date(SINCE + HOUR).toISOString()],
        ['open_interest_value', new Date(SINCE + HOUR).toISOString()],
      ],
    );
    assert.match(checks.examples[0]?.detail ?? '', /^volume: .* 6\.1, its minutes 5\.9$/);
    assert.match(checks.examples[1]?.detail ?? '', /1060.* 1000/);
    const later = await run({ crossCheckSince: SINCE + 2 * HOUR });
    assert.deepEqual(later.cross_checks?.candle_sums, { compared: 0, deviations: 0 });
  });

  it('finds hours that are stored as minutes, and says what to do', async () => {
    const hourly = { ...BTC, timeframe: seriesOf('x', 'X/Y', '1h').timeframe };
    const hour = (index: number) => candleOf(SINCE + index * HOUR, ['2', '3', '1', `2.${index + 10}`, '5']);
    const hours = Array.from({ length: 60 }, (_, index) => hour(index));
    await lane.rows().candles(hourly, hours);
    // Hours 5 to 29 were stored as minutes; of the others 0 to 4 have minutes of their own, 40 to 58 are too few.
    const wrong = hours.filter((_, index) => (index >= 5 && index < 30 && index !== 12) || (index >= 40 && index < 59));
    const own = [0, 1, 2, 3, 4, 30, 39, 59].flatMap((index) => candlesFrom(SINCE + index * HOUR, MINUTE, 2));
    await lane.rows().candles(BTC, [...wrong, ...own]);
    await coverage().record({ ...BTC_KEY, timeframe: '1h' }, [range(SINCE, SINCE + 60 * HOUR)]);
    await coverage().record(BTC_KEY, [range(SINCE, SINCE + 60 * HOUR, 'missing')]);
    const { cross_checks: checks } = await run({ crossCheckSince: SINCE });
    assert.deepEqual(checks?.repeated_candles, { compared: 24 + 19 + 8, deviations: 24 });
    const [found, ...others] = checks.examples.filter(({ check }) => check === 'repeated_candles');
    assert.deepEqual([found?.timestamp, others], [new Date(SINCE + 5 * HOUR).toISOString(), []]);
    const detail = found?.detail ?? '';
    assert.match(detail, /^the rows of 1m are 24 candles of 1h, until 2026-03-02T06:00:00\.000Z\. /);
    // What it says is what helps.
    await lane.query(/delete from [^;]*/.exec(detail)?.[0] ?? '');
    await run({ repairs: true });
    assert.equal((await run({ crossCheckSince: SINCE })).cross_checks?.repeated_candles.deviations, 0);
    assert.deepEqual(await lane.query('select count(*)::int as n from ohlcv_data'), [{ n: 60 + 19 + 16 }]);
  });

  it('finds emptiness that a longer candle contradicts, and leaves hours with some minutes alone', async () => {
    const hourly = { ...BTC, timeframe: seriesOf('x', 'X/Y', '1h').timeframe };
    const one = (index: number, volume: string) => candleOf(SINCE + index * HOUR, ['2', '3', '1', '2.5', volume]);
    await lane.rows().candles(hourly, [one(0, '5'), one(1, '0.1'), one(2, '0')]);
    await lane.rows().candles(BTC, [candleOf(SINCE + HOUR, ['2', '3', '1', '2.5', '0.1'])]);
    await coverage().record({ ...BTC_KEY, timeframe: '1h' }, [range(SINCE, SINCE + 3 * HOUR)]);
    await coverage().record(BTC_KEY, [
      range(SINCE, SINCE + HOUR, 'confirmed_empty'),
      range(SINCE + HOUR, SINCE + HOUR + MINUTE),
      range(SINCE + HOUR + MINUTE, SINCE + 3 * HOUR, 'confirmed_empty'),
    ]);
    assert.deepEqual((await run()).by_kind, { empty_contradicted: 60 });
    assert.equal((await run({ repairs: true })).repaired, 1);
    const [first] = await coverage().list(BTC_KEY);
    assert.deepEqual([first?.state, first?.asks, first?.until], ['missing', 0, SINCE + HOUR]);
    assert.equal((await run()).differences, 0);
  });

  it('does not hold an hour against minutes that the ledger has and the rows lack', async () => {
    const hourly = { ...BTC, timeframe: seriesOf('x', 'X/Y', '1h').timeframe };
    await lane.rows().candles(hourly, [candleOf(SINCE, ['2', '3', '1', '2.5', '99'])]);
    await lane.rows().candles(BTC, candlesFrom(SINCE, MINUTE, 30));
    await coverage().record(BTC_KEY, [range(SINCE, SINCE + HOUR)]);
    const { cross_checks: checks } = await run({ crossCheckSince: SINCE });
    assert.deepEqual(checks?.candle_sums, { compared: 0, deviations: 0 });
  });

  it('goes range by range, and ends when it is told to', async () => {
    await coverage().record(BTC_KEY, [range(SINCE, SINCE + 250_000 * MINUTE, 'missing')]);
    const looked: number[] = [];
    const stopping = new AbortController();
    const repository = audit();
    const counting = {
      listKeys: () => repository.listKeys(),
      inspect: (...asked: Parameters<AuditRepository['inspect']>) => {
        looked.push((asked[1].until - asked[1].since) / MINUTE);
        if (looked.length === 5) stopping.abort(new Error('enough'));
        return repository.inspect(...asked);
      },
      repair: (...asked: Parameters<AuditRepository['repair']>) => repository.repair(...asked),
      checkCandleSums: (...asked: Parameters<AuditRepository['checkCandleSums']>) =>
        repository.checkCandleSums(...asked),
      findRepeatedCandles: (...asked: Parameters<AuditRepository['findRepeatedCandles']>) =>
        repository.findRepeatedCandles(...asked),
    };
    const deps = { stores: { audit: counting, futures: lane.repositories().futures }, clock: SYSTEM_CLOCK };
    const options = { repairs: false, crossCheckSince: null, restRatio: 0 };
    await runAudit(deps, options, stopping.signal);
    assert.deepEqual(looked, [100_000, 100_000, 50_000]);
    await assert.rejects(runAudit(deps, options, stopping.signal), /enough/);
  });

  it('runs as a job: repairs, logs, and tells what it found', async () => {
    await lane.rows().candles(BTC, candlesFrom(SINCE, MINUTE, 3));
    const { logger, lines } = createKeptLog();
    const stores = { audit: audit(), futures: lane.repositories().futures };
    const job = new AuditCoverage({ cron: '17 3 * * *', stores, logger });
    assert.equal(job.snapshot().at, null);
    await job.run(signal);
    const { at, differences, repaired, last_error } = job.snapshot();
    assert.ok(at !== null && Date.parse(at) > Date.now() - 60_000);
    assert.deepEqual([differences, repaired, last_error], [1, 1, null]);
    await job.run(signal);
    assert.deepEqual([job.snapshot().differences, job.snapshot().repaired], [0, 0]);
    assert.deepEqual(
      lines.map(({ msg }) => msg),
      ['the audit found the ledger different from the rows', 'the audit found the ledger true'],
    );
    const broken = Object.assign(audit(), { listKeys: () => Promise.reject(new Error('no table')) });
    const failing = new AuditCoverage({ cron: '17 3 * * *', stores: { ...stores, audit: broken }, logger });
    await assert.rejects(failing.run(signal), /no table/);
    assert.equal(failing.snapshot().last_error, 'no table');
  });
});
