import { setTimeout as sleep } from 'node:timers/promises';
import { createBenchDatabase, type BenchDatabase, type BenchServer } from './bench-database.ts';
import { measureBareLimits } from './ingest/bare-limits.ts';
import { startExchange, type ExchangeControl } from './ingest/exchange-control.ts';
import {
  findParent,
  readCpuSeconds,
  readMachineCpuSeconds,
  readMemory,
  readTreeCpuSeconds,
} from './ingest/process-usage.ts';
import { MINUTE_MS } from './invented-candles.ts';
import { startServiceProcess, type ServiceProcess } from './migrations/service-process.ts';
import { quantile, type Measurement } from './report.ts';
import type { Logger } from '../../src/logger.ts';

export interface IngestBench {
  readonly series: number;
  /** Closes that are watched in each phase. */
  readonly minutes: number;
  /** How long the exchange takes for an answer, as one far away does. */
  readonly latencyMs: number;
  /** Whether the futures data of the markets' perpetuals is collected besides, as the service does unless told. */
  readonly futures: boolean;
  /** Where a CPU profile of the service is written; null: none is taken. */
  readonly profileFolder: string | null;
  readonly logger: Logger;
  readonly log: (line: string) => void;
}

interface MeasuredPhase {
  readonly name: string;
  readonly latenciesMs: readonly number[];
  readonly missing: number;
  /** CPU seconds in each second of the phase. */
  readonly cores: { readonly service: number; readonly postgres: number | null; readonly exchange: number };
  readonly requests: number;
  readonly rssBytes: number;
}

/** What is looked at of /health. */
interface Health {
  readonly ingest: { readonly series: number; readonly complete: number };
  readonly exchanges: readonly { readonly stream: { readonly state: string; readonly received: number } | null }[];
}

interface Stage {
  readonly database: BenchDatabase;
  readonly exchange: ExchangeControl;
  readonly service: ServiceProcess;
  /** null: PostgreSQL runs elsewhere. */
  readonly postmaster: number | null;
  readonly momentOfCommit: string;
}

const STREAM_TARGET_MS = 1_000;
const REST_TARGET_MS = 10_000;
const MAX_RSS_BYTES = 400e6;
const MAX_CORES = 1;
/** More than a page for each series: memory is to be measured with full ones. */
const BACKFILL_MS = 24 * 60 * MINUTE_MS;
const COMPLETE_WITHIN_MS = 15 * MINUTE_MS;
/** What was not stored so long after its close is missing. */
const LATEST_MS = 20_000;

/**
 * The service as its users run it, against a simulated exchange in real time: how long after its close each candle of
 * hundreds of 1m series is committed, by the live stream and by REST alone, and what that takes.
 */
export async function measureIngest(server: BenchServer, bench: IngestBench): Promise<Measurement[]> {
  const { series, log, logger } = bench;
  await using database = await createBenchDatabase(server, logger);
  using exchange = await startExchange(series, bench.latencyMs);
  log(
    `${database.version}; ${series} series of 1m, simulated exchange in a process of its own, which answers over ${bench.latencyMs} ms`,
  );
  const ids = Array.from({ length: series }, (_, index) => `M${String(index + 1).padStart(3, '0')}USDT`);
  const limits = await measureBareLimits(exchange.origin, ids);
  log(
    `a client that does nothing else: pushed at p99 after ${toSeconds(limits.pushP99Ms)}, ` +
      `all asked for once in ${toSeconds(limits.pollMs)}`,
  );
  const started = performance.now();
  await using service = await startServiceProcess(database.url, {
    args: bench.profileFolder === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${bench.profileFolder}`],
    environment: {
      MARKETS: 'binance:*/USDT',
      TIMEFRAMES: '1m',
      FUTURES: String(bench.futures),
      BACKFILL_FROM: new Date(Date.now() - BACKFILL_MS).toISOString(),
      EXCHANGE_URLS: `binance=${exchange.origin}`,
    },
  });
  const stage: Stage = { database, exchange, service, ...(await inspect(database)) };
  await waitFor(stage, `every one of ${series} series is complete`, ({ ingest, exchanges }) => {
    return ingest.series === series && ingest.complete === series && exchanges[0]?.stream?.state === 'live';
  });
  const cpuSeconds = await readCpuSeconds(service.pid);
  log(`complete, a day each, after ${toSeconds(performance.now() - started)} with ${cpuSeconds.toFixed(1)} s of CPU`);
  const stream = await watch({ name: 'live stream', isStreamed: true }, stage, bench);
  await exchange.refuseStreams();
  await waitFor(stage, 'the live stream is gone', ({ exchanges }) => exchanges[0]?.stream?.state !== 'live');
  const rest = await watch({ name: 'REST alone', isStreamed: false }, stage, bench);
  const { peak } = await readMemory(service.pid);
  const { bans } = await exchange.count();
  if (bans > 0) throw new Error(`the service was banned ${bans} times for what it asked for`);
  return [
    ...toMeasurements(stream, series, STREAM_TARGET_MS, `bare client: p99 ${toSeconds(limits.pushP99Ms)}`),
    ...toMeasurements(rest, series, REST_TARGET_MS, `bare client asks for all in ${toSeconds(limits.pollMs)}`),
    {
      what: `${series} series, most memory ever held`,
      measured: toMegabytes(peak),
      target: `< ${toMegabytes(MAX_RSS_BYTES)}`,
      limit: `by stream ${toMegabytes(stream.rssBytes)}, by REST ${toMegabytes(rest.rssBytes)} in the end`,
      met: peak < MAX_RSS_BYTES,
    },
  ];
}

/** Where commits are noted by the server (`track_commit_timestamp`) they count, else the beginning of the transaction. */
async function inspect(database: BenchDatabase): Promise<Pick<Stage, 'postmaster' | 'momentOfCommit'>> {
  const [row] = await database.execute(
    `select pg_backend_pid() as pid, current_setting('track_commit_timestamp') as tracks,
       inet_server_addr() is null or inet_server_addr() <<= '127.0.0.0/8' as is_local`,
  );
  const postmaster = row?.['is_local'] === true ? await findParent(Number(row['pid'])).catch(() => null) : null;
  return { postmaster, momentOfCommit: row?.['tracks'] === 'on' ? 'pg_xact_commit_timestamp(xmin)' : 'created_at' };
}

/** Watches whole minutes: from the middle of one on, so that no close is cut in two. */
async function watch(
  { name, isStreamed }: { readonly name: string; readonly isStreamed: boolean },
  stage: Stage,
  { series, minutes, log }: IngestBench,
): Promise<MeasuredPhase> {
  const { service } = stage;
  const since = Math.ceil((Date.now() - MINUTE_MS / 2) / MINUTE_MS) * MINUTE_MS;
  await sleep(since + MINUTE_MS / 2 - Date.now());
  const before = await sample(stage);
  const endAt = since + minutes * MINUTE_MS + MINUTE_MS / 2;
  log(`${name}: ${minutes} closes until ${new Date(endAt).toISOString()}`);
  await sleep(endAt - Date.now());
  const after = await sample(stage);
  const seconds = (after.at - before.at) / 1000;
  const latenciesMs = await readLatencies(stage, since, minutes);
  const received = after.received - before.received;
  if (received !== (isStreamed ? series * minutes : 0))
    throw new Error(`${name}: ${received} candles came by the stream, so that this is not what was to be measured`);
  log(
    `${name}: everything else on this machine used ${(after.others - before.others).toFixed(0)} s of CPU in ${seconds.toFixed(0)} s`,
  );
  return {
    name,
    latenciesMs,
    missing: series * minutes - latenciesMs.length,
    cores: {
      service: (after.service - before.service) / seconds,
      postgres:
        after.postgres === null || before.postgres === null ? null : (after.postgres - before.postgres) / seconds,
      exchange: (after.exchange - before.exchange) / seconds,
    },
    requests: after.requests - before.requests,
    rssBytes: (await readMemory(service.pid)).now,
  };
}

async function sample({ service, exchange, postmaster }: Stage) {
  const [{ requests }, health] = await Promise.all([exchange.count(), readHealth(service)]);
  const used = {
    service: await readCpuSeconds(service.pid),
    exchange: await readCpuSeconds(exchange.pid),
    postgres: postmaster === null ? null : await readTreeCpuSeconds(postmaster),
  };
  return {
    at: performance.now(),
    requests,
    received: health.exchanges[0]?.stream?.received ?? 0,
    ...used,
    others: readMachineCpuSeconds() - used.service - used.exchange - (used.postgres ?? 0),
  };
}

/** From its close to its row, for each candle that opened in the `minutes` minutes from `since` on and was in time. */
async function readLatencies({ database, momentOfCommit }: Stage, since: number, minutes: number): Promise<number[]> {
  const bounds = [since, since + minutes * MINUTE_MS].map((at) => `'${new Date(at).toISOString()}'::timestamptz`);
  const rows = await database.execute(
    `select extract(epoch from ${momentOfCommit} - timestamp)::float8 * 1000 - ${MINUTE_MS} as ms
     from ohlcv_data where timeframe = '1m' and timestamp >= ${bounds[0]} and timestamp < ${bounds[1]}`,
  );
  return rows.map(({ ms }) => Number(ms)).filter((ms) => ms < LATEST_MS);
}

async function readHealth({ url }: ServiceProcess): Promise<Health> {
  return (await (await fetch(`${url}/health`)).json()) as Health;
}

async function waitFor({ service }: Stage, what: string, isMet: (health: Health) => boolean): Promise<void> {
  const deadline = Date.now() + COMPLETE_WITHIN_MS;
  while (!isMet(await readHealth(service))) {
    if (Date.now() > deadline)
      throw new Error(`waited ${COMPLETE_WITHIN_MS / MINUTE_MS} minutes in vain until ${what}`);
    await sleep(500);
  }
}

function toMeasurements(phase: MeasuredPhase, series: number, targetMs: number, limit: string): Measurement[] {
  const { name, latenciesMs, missing, cores, requests } = phase;
  const p99 = quantile(latenciesMs, 0.99);
  const shown = [quantile(latenciesMs, 0.5), p99, Math.max(...latenciesMs)].map(toSeconds);
  const others = [
    ...(cores.postgres === null ? [] : [`PostgreSQL ${cores.postgres.toFixed(2)}`]),
    `exchange ${cores.exchange.toFixed(2)}`,
    `${requests} requests`,
  ];
  return [
    {
      what: `${name}, close to row, ${latenciesMs.length + missing} candles of ${series} series`,
      measured: `p50 ${shown[0]}, p99 ${shown[1]}, max ${shown[2]}${missing > 0 ? `, ${missing} missing` : ''}`,
      target: `p99 < ${targetMs / 1000} s`,
      limit,
      met: missing === 0 && p99 < targetMs,
    },
    {
      what: `${name}, the service's CPU`,
      measured: `${cores.service.toFixed(2)} cores`,
      target: `< ${MAX_CORES} core`,
      limit: others.join(', '),
      met: cores.service < MAX_CORES,
    },
  ];
}

function toSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}

function toMegabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
