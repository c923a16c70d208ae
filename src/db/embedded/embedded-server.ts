import { basename, dirname, join } from 'node:path';
import { Client } from 'pg';
import { AppError, sqlStateOf } from '../../errors.ts';
import type { Service, ServiceContext } from '../../lifecycle.ts';
import type { Logger } from '../../logger.ts';
import { findBinaries } from './binaries.ts';
import { linkCluster, placeCluster } from './cluster-place.ts';
import { checkCluster, createCluster, OWN_NAME, removeDrafts, resetPassword } from './cluster.ts';
import { lockFolder } from './data-dir-lock.ts';
import { dataDirError, keepPassword, prepareDataDir } from './data-dir.ts';
import { endLeftoverServer } from './leftover-server.ts';
import { startPostmaster, type Postmaster, type PostmasterOptions } from './postmaster.ts';
import { reachableBinaries } from './reachable-binaries.ts';
import { findServerUser } from './server-user.ts';

export interface EmbeddedServerDeps {
  /** DATA_DIR; made where it is missing. */
  readonly dataDir: string;
  readonly logger: Logger;
  /** Default: a free port, another one at each start. */
  readonly port?: number;
  /**
   * Further server settings, which win over the cluster's postgresql.conf. `fsync: 'off'` also makes a new cluster
   * without waiting for the disk: for tests.
   */
  readonly settings?: Readonly<Record<string, string>>;
  /** Where, as root, what the server's user cannot reach under DATA_DIR or the repository is kept. */
  readonly systemDir?: string;
}

const SYSTEM_DIR = '/var/lib/candlekeep';
const CONNECT_TIMEOUT_MS = 30_000;
// https://www.postgresql.org/docs/18/errcodes-appendix.html
const INVALID_PASSWORD = '28P01';
const DUPLICATE_DATABASE = '42P04';

/**
 * PostgreSQL as a part of this process, for those who have no server: made under DATA_DIR at the first start, kept
 * over restarts, stopped with the service, reachable only from this machine with a random password.
 *
 * `start` may be called again after `stop`.
 */
export class EmbeddedServer implements Service {
  readonly name = 'embedded-postgres';
  readonly #deps: EmbeddedServerDeps;
  #starting: Promise<void> | null = null;
  #running: { url: string; resources: AsyncDisposableStack } | null = null;
  #stopped = new AbortController();

  constructor(deps: EmbeddedServerDeps) {
    this.#deps = deps;
  }

  /**
   * Resolves when the database accepts connections. When the server later ends by itself, `context.fail` is called once.
   *
   * @throws AppError DATA_DIR_IN_USE, DATA_DIR_UNUSABLE, DATA_DIR_FULL, EMBEDDED_POSTGRES_MISSING,
   * EMBEDDED_POSTGRES_USER, EMBEDDED_POSTGRES_OWNER, EMBEDDED_POSTGRES_VERSION or EMBEDDED_POSTGRES_FAILED, each with
   * what to do; nothing is left running then.
   */
  async start(context: ServiceContext): Promise<void> {
    if (this.#starting) throw new AppError('EMBEDDED_POSTGRES_FAILED', 'the embedded server was started already');
    this.#stopped = new AbortController();
    this.#starting = this.#start(context, AbortSignal.any([context.signal, this.#stopped.signal]));
    try {
      await this.#starting;
    } catch (error) {
      this.#starting = null;
      throw error;
    }
  }

  /** Stops the server within 9 s, also one that is starting, and releases DATA_DIR. */
  async stop(): Promise<void> {
    this.#stopped.abort(new AppError('EMBEDDED_POSTGRES_FAILED', 'the embedded server was stopped while it started'));
    // Whoever called start has its error.
    await this.#starting?.catch(() => undefined);
    const running = this.#running;
    this.#running = null;
    this.#starting = null;
    await running?.resources.disposeAsync();
  }

  /**
   * The URL of the database for its owner and superuser, `candlekeep`.
   *
   * @throws AppError before `start` resolved and after `stop`.
   */
  connectionString(): string {
    if (!this.#running)
      throw new AppError('EMBEDDED_POSTGRES_FAILED', 'the embedded server has no address: it is not started');
    return this.#running.url;
  }

  async #start(context: ServiceContext, signal: AbortSignal): Promise<void> {
    const { port = null, settings = {}, logger, systemDir = SYSTEM_DIR } = this.#deps;
    await using resources = new AsyncDisposableStack();
    const dataDir = await prepareDataDir(this.#deps.dataDir);
    resources.use(lockFolder(dataDir));
    const user = await findServerUser();
    const place = await placeCluster({ dataDir, user, systemDir, logger }).catch((error: unknown) => {
      throw dataDirError(error, dataDir, 'find the database under');
    });
    // The cluster may be reached from two DATA_DIRs, one of them a copy with the same link.
    if (dirname(place.cluster) !== dataDir) resources.use(lockFolder(dirname(place.cluster)));
    const found = await findBinaries();
    if (place.exists) await checkCluster(place.cluster, found);
    const binaries = await reachableBinaries(found, place.user, { systemDir, logger });
    const password = await keepPassword(dataDir);
    for (const folder of new Set([dataDir, dirname(place.cluster)])) await removeDrafts(folder);
    const target = { cluster: place.cluster, user: place.user, binaries, password, signal };
    if (place.exists) await endLeftoverServer(place.cluster, logger, signal);
    else {
      await createCluster({ ...target, durable: settings['fsync'] !== 'off' });
      await linkCluster(dataDir, place.cluster);
      logger.info({ cluster: place.cluster, version: binaries.version }, 'created the embedded database');
    }

    const options = { ...target, port, settings, logger, logPath: join(dataDir, 'postgres.log') };
    let postmaster = await this.#launch(options, resources);
    if (!(await this.#prepareDatabase(postmaster, password))) {
      // postgres-password was lost, or the cluster came from elsewhere; whoever can stop the server owns it.
      logger.warn({ cluster: place.cluster }, 'the database does not know the kept password and is given it');
      await postmaster.stop();
      await resetPassword(target);
      postmaster = await this.#launch(options, resources);
      if (!(await this.#prepareDatabase(postmaster, password)))
        throw new AppError(
          'EMBEDDED_POSTGRES_FAILED',
          `the database in ${place.cluster} refuses its superuser ${OWN_NAME}: it was not made by candlekeep, or ` +
            `its pg_hba.conf was changed. Move it away to begin with an empty database, or set DATABASE_URL.`,
        );
    }
    signal.throwIfAborted();
    const { pid, port: usedPort } = postmaster;
    void postmaster.ended.then(({ how, problems }) => {
      if (this.#stopped.signal.aborted) return;
      context.fail(
        new AppError(
          'EMBEDDED_POSTGRES_FAILED',
          `the embedded database server ended by itself (${how}). Start the service again. ` +
            [`Its log, ${options.logPath}, says:`, ...problems].join('\n'),
        ),
      );
    });
    this.#running = { url: urlOf(usedPort, password, OWN_NAME), resources: resources.move() };
    logger.info({ pid, port: usedPort, dataDir: basename(dataDir) }, 'the embedded database server is running');
  }

  async #launch(options: PostmasterOptions, resources: AsyncDisposableStack): Promise<Postmaster> {
    const postmaster = await startPostmaster(options);
    resources.defer(() => postmaster.stop());
    return postmaster;
  }

  /** Makes the database where it is missing (a first start that was cut off). False: the password is refused. */
  async #prepareDatabase({ port }: Postmaster, password: string): Promise<boolean> {
    const client = new Client({
      connectionString: urlOf(port, password, 'postgres'),
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    });
    // Without a listener, a connection that breaks ends the process; the query in flight rejects as well.
    client.on('error', () => undefined);
    try {
      await client.connect();
      const found = await client.query('select 1 from pg_database where datname = $1', [OWN_NAME]);
      if (found.rowCount === 0) await client.query(`create database ${OWN_NAME}`);
      return true;
    } catch (error) {
      const state = sqlStateOf(error);
      if (state === INVALID_PASSWORD) return false;
      if (state === DUPLICATE_DATABASE) return true;
      throw new AppError('EMBEDDED_POSTGRES_FAILED', 'the embedded database server runs but cannot be used', {
        cause: error,
      });
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}

function urlOf(port: number, password: string, database: string): string {
  return `postgresql://${OWN_NAME}:${password}@127.0.0.1:${port}/${database}`;
}
