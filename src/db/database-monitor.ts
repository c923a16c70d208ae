import { sql, type Kysely } from 'kysely';
import { messageOf } from '../errors.ts';
import type { Service, ServiceContext } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import { sleep } from '../retry.ts';
import type { Database } from './schema.ts';

const INTERVAL_MS = 2_000;
const TIMEOUT_MS = 5_000;

export interface DatabaseMonitorDeps {
  readonly kysely: Kysely<Database>;
  readonly logger: Logger;
}

/** Asks the database every two seconds whether it is there, so that /health can say so without asking it. */
export class DatabaseMonitor implements Service {
  readonly name = 'database-monitor';
  readonly #deps: DatabaseMonitorDeps;
  readonly #abort = new AbortController();
  #state: 'up' | 'down' = 'down';
  #loop: Promise<void> = Promise.resolve();

  constructor(deps: DatabaseMonitorDeps) {
    this.#deps = deps;
  }

  state(): 'up' | 'down' {
    return this.#state;
  }

  async start({ signal }: ServiceContext): Promise<void> {
    signal.addEventListener('abort', () => this.#abort.abort(), { once: true });
    await this.#look();
    this.#loop = this.#watch();
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#loop;
    this.#state = 'down';
  }

  async #watch(): Promise<void> {
    const { signal } = this.#abort;
    try {
      for (;;) {
        await sleep(INTERVAL_MS, signal);
        await this.#look();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #look(): Promise<void> {
    const { kysely, logger } = this.#deps;
    try {
      await Promise.race([
        sql`select 1`.execute(kysely),
        sleep(TIMEOUT_MS, this.#abort.signal).then(() => {
          throw new Error(`no answer within ${TIMEOUT_MS / 1000} s`);
        }),
      ]);
      if (this.#state === 'down') logger.info('the database is up');
      this.#state = 'up';
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      if (this.#state === 'up') logger.error({ reason: messageOf(error) }, 'the database is down');
      this.#state = 'down';
    }
  }
}
