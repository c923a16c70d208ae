import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { EmbeddedServer } from '../../src/db/embedded/embedded-server.ts';
import type { ChaosRates } from '../../simulator/chaos-rates.ts';
import { createFastClock } from '../../simulator/fast-clock.ts';
import { limitsForSpeed } from '../../simulator/stream-server.ts';
import { DEFAULT_MARKETS, inventMarkets, toMarketId } from '../../simulator/symbol-catalogue.ts';
import { createLogger } from '../../src/logger.ts';
import type { FUTURES_METRICS } from '../../src/market/futures-snapshot.ts';
import { FUTURES_FEEDS, type FuturesFeed } from '../../src/market/futures-snapshot.ts';
import { ExchangeStage, listStored, listStoredFutures } from './exchange-stage.ts';
import { findFreePort } from './loopback-proxy.ts';
import { execute } from './postgres.ts';
import { randomFrom } from './random.ts';
import { runScript, startService, type ServiceProcess } from './service-process.ts';
import { createTemporaryDataDir } from './temporary-data-dir.ts';

export interface ChaosPlan {
  /** Repeats what the exchange does, and when the service and the database are disturbed. */
  readonly seed: number;
  /** Hours of trading under chaos. */
  readonly hours: number;
  /** How often the service is killed with SIGKILL and started again. */
  readonly kills: number;
  /** How often the database server is stopped and started again. */
  readonly restarts: number;
}

export interface ChaosReport {
  readonly candles: number;
  readonly futuresValues: number;
  /** Seconds of trading in one real second. */
  readonly speed: number;
  /** What the exchange did, by kind. */
  readonly faults: Readonly<Record<string, number>>;
  readonly kills: number;
  readonly restarts: number;
  /** Rows of the log of rewritten history, and of the quarantine. */
  readonly revisions: number;
  readonly quarantined: number;
}

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const START_MS = Date.UTC(2026, 2, 2, 5, 30);
/** Trading before the service starts for the first time: its backfill. */
const BACKFILL_HOURS = 6;
/** Our clock is behind the exchange's. */
const SKEW_MS = -3 * MINUTE_MS;
const SERIES = 20;
/** How long after the end of chaos everything must be there: what was believed wrongly is looked at again hourly. */
const SETTLE_MS = 4 * HOUR_MS;
/** A machine too slow for that at this speed may take longer while it gets on: so long without a change, by our clock. */
const STANDSTILL_MS = 60_000;
/** And so long at most, which is below the limit of the test. */
const MOST_SETTLE_MS = 480_000;
/**
 * Seconds of trading in one real second, on a machine that makes a database server within the usual time. What a service
 * may wait for is so much shorter (three seconds for a candle of the stream are 25 ms): where a machine needs longer, time
 * goes slower, down to a third, as else nothing but what is late would be asked for.
 */
const SPEED = 120;
const LOWEST_SPEED = 40;
const USUAL_START_MS = 3_000;
/** Worse than usual: REST only audits while the stream lives, and each kind should meet some of its few requests. */
const RATES: Partial<ChaosRates> = {
  throttled: 0.6,
  throttledBare: 0.5,
  banned: 0.6,
  outage: 0.7,
  vanished: 0.15,
  tooMany: 0.01,
  serverError: 0.02,
  html: 0.02,
  cutJson: 0.02,
  cutSocket: 0.02,
  stalledHead: 0.003,
  stalledBody: 0.003,
  slow: 0.02,
  wrongTime: 0.3,
  wrongDate: 0.03,
  reordered: 0.05,
  duplicated: 0.04,
  missing: 0.06,
  misaligned: 0.03,
  impossible: 0.03,
  disputed: 0.03,
  late: 0.03,
  streamRefused: 0.3,
  streamDropped: 0.6,
  streamSilent: 0.4,
};
const METRICS: Readonly<Record<FuturesFeed, readonly (typeof FUTURES_METRICS)[number][]>> = {
  open_interest: ['open_interest', 'open_interest_value'],
  top_trader_ratio: ['top_trader_ratio'],
  taker_buy_sell_ratio: ['taker_buy_sell_ratio'],
  funding_rate: ['funding_rate'],
  mark_price: ['mark_price'],
};

/** CHAOS_SEED, or one of the moment. */
export function readSeed(): number {
  const seed = Number(process.env['CHAOS_SEED'] ?? Date.now() % 1_000_000_007);
  assert.ok(Number.isSafeInteger(seed), 'CHAOS_SEED is a whole number');
  return seed;
}

/**
 * Hours of trading of twenty series, candles and futures data, on an exchange that misbehaves in every way at once,
 * while the service is killed and the database restarted at random moments. Afterwards chaos ends, and the database
 * must come to equal the exchange's truth, digit for digit. Errors name the seed.
 */
export async function tradeThroughChaos(plan: ChaosPlan): Promise<ChaosReport> {
  try {
    return await trade(plan);
  } catch (error) {
    throw new Error(`CHAOS_SEED=${plan.seed} repeats this`, { cause: error });
  }
}

async function trade({ seed, hours, kills, restarts }: ChaosPlan): Promise<ChaosReport> {
  const begunAt = performance.now();
  await using database = await startDatabase();
  const slowness = (performance.now() - begunAt) / USUAL_START_MS;
  const speed = Math.round(Math.max(LOWEST_SPEED, SPEED / Math.max(1, slowness)));
  const originMs = Date.now();
  const clock = createFastClock({ speed, startMs: START_MS, originMs });
  const listed = DEFAULT_MARKETS.filter(({ haltedMs, listedMs }) => haltedMs === undefined && listedMs < START_MS);
  const markets = [...listed, ...inventMarkets(SERIES)].slice(0, SERIES);
  const symbols = markets.map(({ symbol }) => symbol);
  const fromMs = START_MS - BACKFILL_HOURS * HOUR_MS;

  await using stage = await ExchangeStage.open({
    markets,
    clock,
    stream: limitsForSpeed(speed),
    chaos: { seed: String(seed), rates: RATES },
  });
  const environment = {
    ...stage.environment({ symbols, timeframes: '1m', fromMs }),
    FUTURES: 'true',
    DATABASE_URL: database.url,
    LOG_LEVEL: 'info',
    FAST_TIME: JSON.stringify({ speed, startMs: START_MS + SKEW_MS, originMs }),
  };
  const start = (): ServiceProcess => startService(environment, { script: 'test/support/fast-service.ts' });
  let service = start();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => service[Symbol.asyncDispose]());

  for (const { kind, atMs } of plot({ seed, hours, kills, restarts })) {
    await delay(Math.max(0, (START_MS + atMs - stage.now()) / speed));
    if (kind === 'kill') {
      service.kill('SIGKILL');
      await service.waitForExit();
      service = start();
    } else {
      await database.restart();
    }
  }
  await delay(Math.max(0, (START_MS + hours * HOUR_MS - stage.now()) / speed));
  assert.ok(!service.hasExited, `the service ended by itself\n${service.output.slice(-3_000)}`);
  stage.chaos?.stop();
  const chaosUntil = stage.now();

  await settle({ stage, url: database.url, service, symbols, fromMs, chaosUntil, speed });
  const end = await service.end('SIGTERM');
  assert.equal(end.code, 0, service.output.slice(-2_000));
  return {
    ...(await compare({ stage, url: database.url, symbols, fromMs, chaosUntil })),
    speed,
    faults: stage.chaos?.counts ?? {},
    kills,
    restarts,
  };
}

interface World {
  readonly stage: ExchangeStage;
  readonly url: string;
  readonly symbols: readonly string[];
  readonly fromMs: number;
  readonly chaosUntil: number;
}

/**
 * Waits until the database says that nothing is missing and the rows of the time of chaos are the truth; at least for the
 * simulated hours that are promised, and then as long as what differs changes.
 */
async function settle(world: World & { service: ServiceProcess; speed: number }): Promise<void> {
  const { stage, service, chaosUntil, speed } = world;
  const deadline = chaosUntil + SETTLE_MS;
  // The last kill may have hit its first migration, where the machine is slow.
  await service.waitFor(({ phase }) => phase === 'running');
  const begunAt = performance.now();
  let [last, changedAt] = ['', begunAt];
  for (;;) {
    const difference = await findDifference(world);
    if (difference === null) return;
    const now = performance.now();
    if (difference !== last) [last, changedAt] = [difference, now];
    const hasHadItsTime = stage.now() > deadline && now - changedAt > STANDSTILL_MS;
    if (hasHadItsTime || now - begunAt > MOST_SETTLE_MS || service.hasExited)
      throw new Error(`${difference}; health: ${JSON.stringify(await service.health().catch(() => null))}`);
    await delay((2 * MINUTE_MS) / speed);
  }
}

async function findDifference({ stage, url, symbols, fromMs, chaosUntil }: World): Promise<string | null> {
  const wrong: string[] = [];
  for (const symbol of symbols) {
    const truth = stage.listTruth(symbol, '1m', fromMs, chaosUntil);
    const stored = new Map((await listStored(url, symbol, '1m')).map((row) => [row[0], row.join(' ')]));
    const missing = truth.filter(([at]) => !stored.has(at));
    const other = truth.filter((row) => stored.has(row[0]) && stored.get(row[0]) !== row.join(' '));
    const name = (rows: typeof truth) => rows.slice(0, 3).map(([at]) => new Date(at).toISOString());
    if (missing.length + other.length > 0)
      wrong.push(
        `${symbol}: ${missing.length} missing ${String(name(missing))}, ${other.length} other ${String(name(other))}`,
      );
  }
  for (const { stored, truth, name } of await listFutures({ stage, url, symbols, fromMs, chaosUntil }))
    if (!isDeepStrictEqual(stored, truth)) wrong.push(`${name}: ${stored.length} of ${truth.length}`);
  const unsettled = await execute(
    url,
    `select exchange, symbol, metric, state, since, until, asks, reason from coverage
     where metric = 'ohlcv' and state <> 'have' and since < to_timestamp(${chaosUntil / 1000}) limit 5`,
  );
  if (unsettled.length > 0) wrong.push(`the ledger says ${JSON.stringify(unsettled)}`);
  return wrong.length === 0 ? null : wrong.join('; ');
}

/** All rows, with nobody writing any more: each must be a true one, and none may lack before the last. */
async function compare({ stage, url, symbols, fromMs, chaosUntil }: World) {
  let candles = 0;
  for (const symbol of symbols) {
    const stored = await listStored(url, symbol, '1m');
    const last = stored.at(-1)?.[0] ?? 0;
    assert.ok(last >= chaosUntil - 2 * MINUTE_MS, `${symbol} ends at ${new Date(last).toISOString()}`);
    assert.deepEqual(stored, stage.listTruth(symbol, '1m', fromMs, last + 1), symbol);
    candles += stored.length;
    const ledger = await execute(
      url,
      `select state, (extract(epoch from since) * 1000)::bigint::text as since,
         (extract(epoch from until) * 1000)::bigint::text as until
       from coverage where symbol = '${symbol}' and metric = 'ohlcv' and state = 'have'`,
    );
    assert.deepEqual(ledger, [{ state: 'have', since: String(fromMs), until: String(last + MINUTE_MS) }], symbol);
  }
  let futuresValues = 0;
  for (const { stored, truth, name } of await listFutures({ stage, url, symbols, fromMs, chaosUntil })) {
    assert.deepEqual(stored, truth, name);
    futuresValues += truth.length;
  }
  const audit = await runScript('audit', [], { DATABASE_URL: url });
  assert.equal(audit.code, 0, audit.output);
  const count = async (table: string) => Number((await execute(url, `select count(*) as n from ${table}`))[0]?.['n']);
  return {
    candles,
    futuresValues,
    revisions: await count('candle_revisions'),
    quarantined: await count('quarantine'),
  };
}

/** Each futures feed of each perpetual until the last full hour of chaos, as it is stored and as it should be. */
async function listFutures({ stage, url, symbols, fromMs, chaosUntil }: World) {
  const until = Math.floor(chaosUntil / HOUR_MS) * HOUR_MS;
  const feeds = [];
  for (const symbol of symbols.filter((each) => stage.exchange.venue.perpetuals.has(toMarketId(each)))) {
    for (const feed of FUTURES_FEEDS) {
      const rows = await listStoredFutures(url, symbol, METRICS[feed]);
      feeds.push({
        name: `${feed} of ${symbol}`,
        stored: rows.filter(({ timestamp }) => timestamp < until),
        truth: stage.listFuturesTruth(symbol, feed, fromMs, until),
      });
    }
  }
  return feeds;
}

/** When what is disturbed, in milliseconds of trading since the start, in order. */
function plot({ seed, hours, kills, restarts }: Pick<ChaosPlan, 'seed' | 'hours' | 'kills' | 'restarts'>) {
  const random = randomFrom(seed);
  const kinds = [...Array<'kill'>(kills).fill('kill'), ...Array<'restart'>(restarts).fill('restart')];
  return kinds
    .map((kind) => ({ kind, atMs: (0.02 + 0.96 * random()) * hours * HOUR_MS }))
    .toSorted((a, b) => a.atMs - b.atMs);
}

/** A database server of its own, at a port that stays. */
async function startDatabase() {
  const folder = await createTemporaryDataDir();
  const logger = createLogger({ level: 'silent', pretty: false });
  const server = new EmbeddedServer({
    dataDir: folder.path,
    port: await findFreePort(),
    logger,
    settings: { fsync: 'off' },
  });
  const start = () => server.start({ signal: new AbortController().signal, fail: () => undefined });
  await start();
  return {
    url: server.connectionString(),
    restart: async () => {
      await server.stop();
      await start();
    },
    async [Symbol.asyncDispose]() {
      await server.stop();
      await folder[Symbol.asyncDispose]();
    },
  };
}
