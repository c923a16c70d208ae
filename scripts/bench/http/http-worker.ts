import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import fastify from 'fastify';
import type { Pool } from 'pg';
import { createApp } from '../../../src/app.ts';
import { parseConfig } from '../../../src/config.ts';
import { createPool } from '../../../src/db/client.ts';
import { findExchangeFault } from '../../../src/exchanges/ccxt/ccxt-library.ts';
import { findCronFault } from '../../../src/jobs/scheduler.ts';
import { createLogger } from '../../../src/logger.ts';
import type { Measured } from './latencies.ts';
import { CONNECTIONS, measureRounds } from './measure-rounds.ts';

/** What the parent asks for, one at a time. */
export type WorkerRequest =
  | { readonly kind: 'sql'; readonly statement: string; readonly values: string[][]; readonly seconds: number }
  | { readonly kind: 'watch-memory' }
  | { readonly kind: 'memory-growth' };

export type WorkerAnswer =
  | { readonly kind: 'ready'; readonly url: string; readonly emptyUrl: string }
  | { readonly kind: 'sql'; readonly measured: Measured }
  | { readonly kind: 'watching' }
  | { readonly kind: 'memory-growth'; readonly bytes: number };

/** Connections of the pool for requests in `src/app.ts`. */
const POOL_CONNECTIONS = 10;
const SAMPLE_MS = 5;

/**
 * The service as `src/app.ts` composes it on DATABASE_URL, with its HTTP listener alone started, and beside it in the same
 * process an empty Fastify handler and a pool of the same size for bare SQL. Serves until its parent disconnects.
 */
const logger = createLogger({ level: 'error', pretty: false });
const app = createApp(parseConfig(process.env, { findCronFault, findExchangeFault }, false), logger);
const stopping = new AbortController();
await app.http.start({ signal: stopping.signal });
app.state.enter('running');
const empty = fastify({ logger: false });
empty.get('/', () => ({}));
await empty.listen({ host: '127.0.0.1', port: 0 });
const pool = createPool({
  url: app.runtimeUrl(),
  applicationName: 'candlekeep bench sql',
  maxConnections: POOL_CONNECTIONS,
  logger,
});

let [before, peak] = [0, 0];
let sampler: NodeJS.Timeout | null = null;
const sample = () => {
  peak = Math.max(peak, process.memoryUsage.rss());
};
const answer = (message: WorkerAnswer): void => void process.send?.(message);

process.on('message', (request: WorkerRequest) => {
  switch (request.kind) {
    case 'sql':
      measureSql(pool, request).then(
        (measured) => answer({ kind: 'sql', measured }),
        (error: unknown) => {
          logger.fatal({ err: error }, 'the bare SQL failed');
          process.exit(1);
        },
      );
      break;
    case 'watch-memory':
      before = process.memoryUsage.rss();
      peak = before;
      sampler = setInterval(sample, SAMPLE_MS);
      answer({ kind: 'watching' });
      break;
    case 'memory-growth':
      if (sampler) clearInterval(sampler);
      sample();
      answer({ kind: 'memory-growth', bytes: peak - before });
  }
});
answer({ kind: 'ready', url: app.http.url ?? '', emptyUrl: `http://127.0.0.1:${portOf(empty.server.address())}` });
await once(process, 'disconnect');
stopping.abort();
process.exit();

function measureSql(
  through: Pool,
  { statement, values, seconds }: Extract<WorkerRequest, { kind: 'sql' }>,
): Promise<Measured> {
  let next = 0;
  return measureRounds(CONNECTIONS, seconds, async () => {
    await through.query(statement, values[next++ % values.length]);
  });
}

function portOf(address: AddressInfo | string | null): number {
  return address === null || typeof address === 'string' ? 0 : address.port;
}
