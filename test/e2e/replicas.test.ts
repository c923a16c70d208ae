import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { DEFAULT_MARKETS, toMarketId } from '../../simulator/symbol-catalogue.ts';
import { ExchangeStage, listStored } from '../support/exchange-stage.ts';
import { MachineWatch, elapsedMs } from '../support/machine-watch.ts';
import { createMinuteClock } from '../support/minute-clock.ts';
import { waitUntil } from '../support/patience.ts';
import { createTestDatabase, execute } from '../support/postgres.ts';
import { startService, type ServiceProcess } from '../support/service-process.ts';
import { TelegramServer } from '../support/telegram-server.ts';

const MINUTE_MS = 60_000;
const SYMBOLS = DEFAULT_MARKETS.slice(0, 9).map(({ symbol }) => symbol);
const TAKEOVER_MS = 15_000;
const TURN_MS = 2_000;

/** A service with an exchange of its own: all tell the same candles, and each shows what one service asked for. */
interface Replica {
  readonly name: string;
  readonly service: ServiceProcess;
  readonly stage: ExchangeStage;
}

/** The markets by the replica (its pid) that holds them. */
async function listOwners(url: string): Promise<Map<number, string[]>> {
  const rows = await execute(
    url,
    `select l.symbol, split_part(l.replica_id, ':', 2)::int as pid from leases l join replicas r on r.id = l.replica_id
     where r.expires_at > clock_timestamp() order by l.symbol`,
  );
  return new Map(
    [...Map.groupBy(rows, (row) => Number(row['pid']))].map(([pid, held]) => [
      pid,
      held.map((row) => String(row['symbol'])),
    ]),
  );
}

/** The markets whose candles a replica asked for or is sent since `sinceMs`, by market id, with how often it asked. */
function listCollected({ stage }: Replica, sinceMs: number): Map<string, number> {
  const collected = new Map<string, number>();
  for (const stream of stage.exchange.streams.listStreams())
    collected.set(stream.slice(0, stream.indexOf('@')).toUpperCase(), 0);
  for (const { path, query, atMs } of stage.exchange.requests) {
    const id = new URLSearchParams(query).get('symbol');
    if (atMs >= sinceMs && path.endsWith('/klines') && id !== null) collected.set(id, (collected.get(id) ?? 0) + 1);
  }
  return collected;
}

/** How long it takes in milliseconds, without what the machine held up meanwhile. */
async function measure(isReached: () => Promise<boolean> | boolean, what: string): Promise<number> {
  return Math.round(await elapsedMs(() => waitUntil(isReached, what)));
}

describe('replicas', () => {
  it('three processes share the markets, take over from one that is killed, and run each turn of a job once', async (t) => {
    await using stack = new AsyncDisposableStack();
    const database = stack.use(await createTestDatabase());
    const telegram = stack.use(new TelegramServer());
    const telegramUrl = await telegram.listen();
    // The replicas' leases and the turns of their jobs go by the machine's time, candles by this one.
    const time = { startMs: Date.now(), originMs: Date.now() };
    const clock = createMinuteClock(time);
    const fromMs = Math.floor(clock.now() / MINUTE_MS) * MINUTE_MS - 30 * MINUTE_MS;
    /** Waits until `ms` have passed and the candles of the next minute to end have had their time to come. */
    const passMinute = async (ms: number): Promise<void> => {
      const begunAt = Date.now();
      const minuteAt = Math.ceil(clock.now() / MINUTE_MS) * MINUTE_MS;
      await clock.sleep(minuteAt + 8_000 - clock.now(), new AbortController().signal);
      await delay(Math.max(0, begunAt + ms - Date.now()));
    };
    const start = async (name: string): Promise<Replica> => {
      const stage = stack.use(await ExchangeStage.open({ symbols: SYMBOLS, clock }));
      const service = stack.use(
        startService(
          {
            ...stage.environment({ symbols: SYMBOLS, timeframes: '1m', fromMs }),
            DATABASE_URL: database.url,
            LOG_LEVEL: 'debug',
            TELEGRAM_BOT_TOKEN: '123:token',
            TELEGRAM_CHAT_ID: '1',
            TELEGRAM_API_URL: telegramUrl,
            TELEGRAM_CRON: `*/${TURN_MS / 1000} * * * * *`,
            MINUTE_TIME: JSON.stringify(time),
          },
          { script: 'test/support/fast-service.ts' },
        ),
      );
      return { name, service, stage };
    };
    const [a, b, c] = await Promise.all([start('a'), start('b'), start('c')]);
    const holds = async (replica: Replica): Promise<readonly string[]> =>
      (await listOwners(database.url)).get(replica.service.pid) ?? [];
    const isShared = async (replicas: readonly Replica[]): Promise<boolean> => {
      const counts = await Promise.all(replicas.map(async (replica) => (await holds(replica)).length));
      const part = SYMBOLS.length / replicas.length;
      return counts.reduce((sum, n) => sum + n) === SYMBOLS.length && counts.every((n) => Math.abs(n - part) < 1);
    };
    const assertComplete = async (): Promise<void> => {
      const untilMs = Math.floor(clock.now() / MINUTE_MS) * MINUTE_MS;
      for (const symbol of SYMBOLS) {
        const truth = a.stage.listTruth(symbol, '1m', fromMs, untilMs);
        let stored: typeof truth = [];
        await waitUntil(async () => {
          stored = (await listStored(database.url, symbol, '1m')).filter(([at]) => at < untilMs);
          return stored.length >= truth.length;
        }, `${symbol} complete`);
        assert.deepEqual(stored, truth, symbol);
      }
    };
    /** No market is collected by two; together they collect all. */
    const assertDisjoint = (replicas: readonly Replica[], sinceMs: number): void => {
      const all = replicas.flatMap((replica) => [...listCollected(replica, sinceMs).keys()]);
      assert.deepEqual(all.toSorted(), SYMBOLS.map(toMarketId).toSorted());
    };

    // Steady state.
    await Promise.all([a, b, c].map(({ service }) => service.waitFor(({ phase }) => phase === 'running')));
    const sharedMs = await measure(() => isShared([a, b, c]), 'three parts');
    await assertComplete();
    await delay(4_000);
    const steadyAt = Date.now();
    await using machine = new MachineWatch();
    const steadySince = clock.now();
    await passMinute(4 * TURN_MS);
    assertDisjoint([a, b, c], steadySince);
    const requests = [a, b, c].flatMap((replica) => [...listCollected(replica, steadySince).values()]);
    const closed = Math.floor(clock.now() / MINUTE_MS) - Math.floor(steadySince / MINUTE_MS);
    assert.ok(Math.max(...requests) <= 3 * closed, `${requests.join()} requests for ${closed} candles`);
    await assertComplete();

    // Turns, while all three are alive.
    const countClaims = async (sinceMs: number, untilMs: number) => {
      const [row] = await execute(
        database.url,
        `select count(*)::int as n from job_runs where job = 'send-telegram-report'
         and turn >= to_timestamp(${sinceMs / 1000}) and turn < to_timestamp(${untilMs / 1000})`,
      );
      return Number(row?.['n']);
    };
    const firstTurn = Math.ceil(steadyAt / TURN_MS) * TURN_MS;
    const lastTurn = Math.floor(Date.now() / TURN_MS) * TURN_MS;
    const turns = (lastTurn - firstTurn) / TURN_MS;
    // Each that was claimed was sent once, whenever it got there; a machine that is held up may leave one out.
    const countRuns = async () =>
      Number(
        (await execute(database.url, `select count(*) from job_runs where job = 'send-telegram-report'`))[0]?.['count'],
      );
    await waitUntil(
      async () => telegram.received.length === (await countRuns()),
      () => `a message for each turn, of which ${telegram.received.length} came`,
    );
    const claims = await countClaims(firstTurn, lastTurn);
    assert.ok(claims <= turns && claims >= turns - Math.floor(machine.totalMs / 1_000), `${claims} of ${turns} turns`);

    // kill -9: a neighbour sees at its next beat that the process is gone.
    const lostByC = await holds(c);
    assert.equal(lostByC.length, 3);
    const killedAt = clock.now();
    await c.service.end('SIGKILL');
    const killedMs = await measure(() => {
      const taken = new Set([a, b].flatMap((replica) => [...listCollected(replica, killedAt).keys()]));
      return lostByC.every((symbol) => taken.has(toMarketId(symbol)));
    }, 'the markets of the killed one collected by others');
    assert.ok(killedMs < TAKEOVER_MS, `${killedMs} ms`);
    await waitUntil(() => isShared([a, b]), 'two parts');

    // SIGSTOP: what the database sees of a machine that is gone; only the lease tells.
    const lostByB = await holds(b);
    const stoppedAt = clock.now();
    const frozenAt = performance.now();
    b.service.kill('SIGSTOP');
    const frozenMs = await measure(() => {
      const taken = listCollected(a, stoppedAt);
      return lostByB.every((symbol) => taken.has(toMarketId(symbol)));
    }, 'the markets of the frozen one collected by the other');
    assert.ok(frozenMs < TAKEOVER_MS, `${frozenMs} ms`);
    assert.ok(performance.now() - frozenAt >= 5_000, `${frozenMs} ms: only the lease can have told`);
    await assertComplete();

    // It wakes, finds that it holds nothing, and gets its part again.
    b.service.kill('SIGCONT');
    const backMs = await measure(() => isShared([a, b]), 'two parts again');
    assert.ok(backMs < 15_000, `${backMs} ms`);
    await delay(4_000);
    const againAt = clock.now();
    await passMinute(5_000);
    assertDisjoint([a, b], againAt);
    await assertComplete();

    // A stop in order frees everything at once.
    assert.deepEqual(await a.service.end('SIGTERM'), { code: 0, signal: null });
    const leftMs = await measure(() => isShared([b]), 'all with the last one');
    assert.ok(leftMs < 5_000, `${leftMs} ms: the lease had to run out`);
    await assertComplete();
    const [double] = await execute(
      database.url,
      `select count(*)::int as n from (select from candle_revisions limit 1) as r`,
    );
    assert.equal(double?.['n'], 0, 'nobody ever stored a candle that was not the final one');
    t.diagnostic(
      `shared after ${sharedMs} ms; taken over after kill -9 in ${killedMs} ms, after a freeze in ${frozenMs} ms; part again in ${backMs} ms; after SIGTERM in ${leftMs} ms; ${turns} turns, each once; requests per market and candle at most ${Math.max(...requests) / closed}`,
    );
  });
});
