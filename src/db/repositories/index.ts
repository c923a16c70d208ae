import type { Kysely } from 'kysely';
import type { Database } from '../schema.ts';
import { cancelledBy } from './cancelled-by.ts';
import { CandleRevisionsRepository } from './candle-revisions-repository.ts';
import { CoverageRepository } from './coverage-repository.ts';
import { ExchangeBlocksRepository } from './exchange-blocks-repository.ts';
import { FuturesRepository } from './futures-repository.ts';
import { JobRunsRepository } from './job-runs-repository.ts';
import { LiveFeedRepository } from './live-feed-repository.ts';
import { OhlcvRepository } from './ohlcv-repository.ts';
import { QuarantineRepository } from './quarantine-repository.ts';
import { RecentOhlcvRepository } from './recent-ohlcv-repository.ts';
import { ReplicasRepository } from './replicas-repository.ts';
import { TelegramReportsRepository } from './telegram-reports.ts';

export { FuturesRepository, OhlcvRepository, RecentOhlcvRepository };

/** Everything that reads and writes the tables, over one pool or inside one transaction. */
export interface Repositories {
  readonly ohlcv: OhlcvRepository;
  readonly futures: FuturesRepository;
  readonly recentOhlcv: RecentOhlcvRepository;
  readonly telegramReports: TelegramReportsRepository;
  readonly coverage: CoverageRepository;
  readonly candleRevisions: CandleRevisionsRepository;
  readonly quarantine: QuarantineRepository;
  readonly replicas: ReplicasRepository;
  readonly jobRuns: JobRunsRepository;
  readonly liveFeed: LiveFeedRepository;
  readonly exchangeBlocks: ExchangeBlocksRepository;
  /**
   * Runs `fn` with a bundle of its own inside one transaction: committed when `fn` resolves, rolled back when it throws.
   * Only what goes through the bundle that `fn` is given is part of it.
   *
   * @throws Error when called on a bundle that is in a transaction already: one transaction, one owner.
   */
  withTransaction<T>(fn: (repositories: Repositories) => Promise<T>): Promise<T>;
  /**
   * A bundle for whoever may lose interest, such as the client of a request: what it reads is cancelled on the server
   * when `signal` aborts, and rejects with the signal's reason.
   */
  cancelledBy(signal: AbortSignal): Repositories;
}

/** The repositories over a pool, or over a transaction. Makes no connection by itself. */
export function createRepositories(kysely: Kysely<Database>): Repositories {
  return {
    ohlcv: new OhlcvRepository({ kysely }),
    futures: new FuturesRepository({ kysely }),
    recentOhlcv: new RecentOhlcvRepository({ kysely }),
    telegramReports: new TelegramReportsRepository({ kysely }),
    coverage: new CoverageRepository({ kysely }),
    candleRevisions: new CandleRevisionsRepository({ kysely }),
    quarantine: new QuarantineRepository({ kysely }),
    replicas: new ReplicasRepository({ kysely }),
    jobRuns: new JobRunsRepository({ kysely }),
    liveFeed: new LiveFeedRepository({ kysely }),
    exchangeBlocks: new ExchangeBlocksRepository({ kysely }),
    async withTransaction(fn) {
      if (kysely.isTransaction)
        throw new Error('these repositories are in a transaction already: use them as they are');
      return await kysely.transaction().execute((transaction) => fn(createRepositories(transaction)));
    },
    cancelledBy: (signal) => createRepositories(cancelledBy(kysely, signal)),
  };
}
