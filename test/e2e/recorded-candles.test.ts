import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createFastClock } from '../../simulator/fast-clock.ts';
import { loadRecordedCandles, type RecordedSeries } from '../../simulator/recorded-candles.ts';
import { subtractLists } from '../../src/market/range-lists.ts';
import { mergeRanges } from '../../src/market/time-range.ts';
import { countStored, ExchangeStage, listStored } from '../support/exchange-stage.ts';
import { waitUntil } from '../support/patience.ts';
import { createTestDatabase, execute, type TestDatabase } from '../support/postgres.ts';
import { startService } from '../support/service-process.ts';

const RECORDINGS = resolve(import.meta.dirname, '../../../shared/data');
const skip = existsSync(RECORDINGS) ? false : `the recorded candles are not there: ${RECORDINGS}`;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/**
 * Long silence that only pages without rows tell of is believed after sixty times CONFIRM_EMPTY_AFTER_S, and not before:
 * a minute of trading, six seconds of ours at this speed.
 */
const SPEED = 10;
/** The service believes no clock that shows an earlier time. */
const EARLIEST_CLOCK_MS = Date.UTC(2020, 0, 1);

const RECORDED = {
  'XRP/ETH of Binance with its 676 gaps': [['XRP/ETH', 'freqtrade/XRP_ETH-1m.json', 2469]],
  'VVS, EOS and SUN of Bitget': [
    ['VVS/USDT', 'cryptofeed/bitget_VVSUSDT_1m.json', 1000],
    ['EOS/USDT', 'cryptofeed/bitget_EOSUSDT_1m.json', 1000],
    ['SUN/USDT', 'cryptofeed/bitget_SUNUSDT_1m.json', 1000],
  ],
} as const;

describe('recorded candles through the wire into PostgreSQL', { skip, concurrency: 2 }, () => {
  for (const [name, files] of Object.entries(RECORDED)) {
    describe(name, { concurrency: 1 }, () => {
      let recorded: RecordedSeries[];
      let total: number;
      let sinceMs: number;
      let openedMs: number;
      let database: TestDatabase;
      let stage: ExchangeStage;
      let fastTime: string;

      before(async () => {
        recorded = await Promise.all(
          files.map(async ([symbol, file, count]) => {
            const candles = await loadRecordedCandles(join(RECORDINGS, file));
            assert.equal(candles.length, count);
            return { symbol, timeframe: '1m', candles };
          }),
        );
        total = recorded.reduce((sum, { candles }) => sum + candles.length, 0);
        sinceMs = Math.min(...recorded.map(({ candles }) => candles[0]![0]));
        const lastMs = Math.max(...recorded.map(({ candles }) => candles.at(-1)![0]));
        openedMs = Math.floor((Math.max(lastMs, EARLIEST_CLOCK_MS) + HOUR_MS) / MINUTE_MS) * MINUTE_MS;
        const originMs = Date.now();
        stage = await ExchangeStage.open({
          recorded,
          clock: createFastClock({ speed: SPEED, startMs: openedMs, originMs }),
        });
        // Our clock is years ahead of the exchange's, and as fast.
        fastTime = JSON.stringify({ speed: SPEED, startMs: originMs, originMs });
      });
      after(() => stage.exchange.close());

      const environment = () => ({
        DATABASE_URL: database.url,
        ...stage.environment({
          symbols: recorded.map(({ symbol }) => symbol),
          timeframes: '1m',
          fromMs: fromMs(),
        }),
        CONFIRM_EMPTY_AFTER_S: '1',
        FAST_TIME: fastTime,
      });
      const start = (changes: Record<string, string> = {}) =>
        startService({ ...environment(), ...changes }, { script: 'test/support/fast-service.ts' });
      const fromMs = () => Math.floor((sinceMs - 24 * HOUR_MS) / MINUTE_MS) * MINUTE_MS;
      /** The ledger up to a few minutes ago: in the newest ones the exchange may be late. */
      const readLedger = async (symbol: string) => {
        const rows = await execute(
          database.url,
          `select since, until, state, asks, reason, first_asked_at, last_asked_at from coverage
           where exchange = 'binance' and symbol = '${symbol}' and timeframe = '1m' and metric = 'ohlcv' order by since`,
        );
        return rows
          .map((row) => ({
            symbol,
            since: (row['since'] as Date).getTime(),
            until: Math.min((row['until'] as Date).getTime(), openedMs - 5 * MINUTE_MS),
            state: String(row['state']),
            asks: Number(row['asks']),
            reason: row['reason'] as string | null,
            firstAskedAt: (row['first_asked_at'] as Date | null)?.getTime() ?? null,
            lastAskedAt: (row['last_asked_at'] as Date | null)?.getTime() ?? null,
          }))
          .filter(({ since, until }) => since < until);
      };
      /** Compares the ledger with the file: which minutes had trades, which had none, and nothing is left open. */
      const assertLedgerAsRecorded = async () => {
        for (const { symbol, candles } of recorded) {
          const ledger = await readLedger(symbol);
          const rangesOf = (state: string) => mergeRanges(ledger.filter((range) => range.state === state));
          const have = mergeRanges(candles.map(([since]) => ({ since, until: since + MINUTE_MS })));
          const window = { since: fromMs(), until: openedMs - 5 * MINUTE_MS };
          assert.deepEqual(rangesOf('have'), have, `${symbol}: what is there`);
          assert.deepEqual(rangesOf('confirmed_empty'), subtractLists([window], have), `${symbol}: what is not`);
          assert.deepEqual(
            ledger.filter(({ state }) => state !== 'have' && state !== 'confirmed_empty'),
            [],
            `${symbol}: what is left open`,
          );
          for (const { since, until, state, asks, firstAskedAt, lastAskedAt } of ledger) {
            const told = `${symbol} ${new Date(since).toISOString()} to ${new Date(until).toISOString()}`;
            if (state === 'have') assert.deepEqual([asks, firstAskedAt, lastAskedAt], [0, null, null], told);
            else assert.ok(asks >= 2 && lastAskedAt! - firstAskedAt! >= 1_000, `${told}: ${asks} answers`);
          }
        }
      };
      const assertStoredAsRecorded = async () => {
        for (const { symbol, candles } of recorded)
          assert.deepEqual(await listStored(database.url, symbol, '1m'), candles, symbol);
        assert.equal(await countStored(database.url), total, 'rows of another series');
      };

      it('are stored digit for digit, none more and none less', async () => {
        await using fresh = await createTestDatabase();
        database = fresh;
        await using service = start();
        const health = await service.waitUntilComplete();
        assert.equal(health.status, 'healthy');
        assert.equal(health.schema?.version, health.schema?.head);
        await assertStoredAsRecorded();
        await assertLedgerAsRecorded();
        assert.equal((await service.end('SIGTERM')).code, 0);
      });

      it('are complete without a repetition after a SIGKILL in the middle of the backfill', async () => {
        await using fresh = await createTestDatabase();
        database = fresh;
        // The pages with the oldest candles never come: the kill lands in the middle however fast the machine is.
        let stalled = 0;
        stage.intercept = ({ path, query }) => {
          const isOldest = query.get('interval') === '1m' && Number(query.get('startTime')) <= sinceMs;
          if (path !== '/api/v3/klines' || !isOldest) return undefined;
          stalled++;
          return { stall: 'headers' };
        };
        {
          await using service = start();
          await service.waitFor(() => stalled > 0);
          await waitUntil(async () => (await countStored(database.url)) > 0, 'a first row');
          assert.deepEqual(await service.end('SIGKILL'), { code: null, signal: 'SIGKILL' });
        }
        const kept = await countStored(database.url);
        assert.ok(kept > 0 && kept < total, `${kept} of ${total} rows at the kill`);
        stage.intercept = () => undefined;
        await using service = start();
        await service.waitUntilComplete();
        await assertStoredAsRecorded();
        await assertLedgerAsRecorded();
      });

      it('have their gaps confirmed after a SIGKILL between the two answers, and no answer is forgotten', async () => {
        await using fresh = await createTestDatabase();
        database = fresh;
        const listUnsettled = async () =>
          (await Promise.all(recorded.map(({ symbol }) => readLedger(symbol)))).flatMap((ledger) =>
            ledger.filter(({ state }) => state !== 'have'),
          );
        const before = await (async () => {
          // Nothing is confirmed before the kill: the second answer would be due in an hour.
          await using service = start({ CONFIRM_EMPTY_AFTER_S: '3600' });
          const isAskedOnce = async () => {
            const open = await listUnsettled();
            return (
              open.length > 0 && open.every(({ asks }) => asks === 1) && (await countStored(database.url)) === total
            );
          };
          await service.waitFor(({ phase }) => phase === 'running');
          await waitUntil(isAskedOnce, 'one answer for every gap');
          assert.deepEqual(await service.end('SIGKILL'), { code: null, signal: 'SIGKILL' });
          return await listUnsettled();
        })();
        assert.ok(before.every(({ state }) => state === 'missing'));
        const asked = stage.exchange.requests.length;
        await using service = start();
        await service.waitUntilComplete();
        await assertLedgerAsRecorded();
        const after = await listUnsettled();
        for (const gap of before) {
          const parts = after.filter(
            (range) => range.symbol === gap.symbol && range.since < gap.until && range.until > gap.since,
          );
          for (const { since, firstAskedAt, asks } of parts) {
            assert.ok(
              firstAskedAt! <= gap.firstAskedAt!,
              `${new Date(since).toISOString()}: the first answer was forgotten`,
            );
            const needed = gap.reason === 'an answer without any row' ? 3 : 2;
            assert.ok(asks <= needed, `${new Date(since).toISOString()}: it was asked for more often than needed`);
          }
        }
        // Without those for the minutes that end meanwhile, and what is asked for now and then (markets, the clock): of
        // them there are ten times as many as in our time.
        const requests = stage.exchange.requests.slice(asked).filter(({ path, query }) => {
          const startTime = new URLSearchParams(query).get('startTime');
          return path.endsWith('/klines') && (startTime === null || Number(startTime) < openedMs);
        }).length;
        assert.ok(requests <= 20 * recorded.length, `${requests} requests after the kill`);
      });
    });
  }
});
