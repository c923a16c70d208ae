import type { Kysely } from 'kysely';
import type { CommitEntry, CommitOutcome } from '../../market/commit-entry.ts';
import { commitEntries } from '../commit/commit-entries.ts';
import type { Database } from '../schema.ts';
import { cancelledBy } from './cancelled-by.ts';
import { CandleRewritesRepository } from './candle-rewrites-repository.ts';
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
import { WantedWindowsRepository } from './wanted-windows-repository.ts';

export { FuturesRepository, OhlcvRepository, RecentOhlcvRepository };

/** Everything that reads and writes the tables. */
export interface Repositories {
  readonly ohlcv: OhlcvRepository;
  readonly futures: FuturesRepository;
  readonly recentOhlcv: RecentOhlcvRepository;
  readonly telegramReports: TelegramReportsRepository;
  readonly coverage: CoverageRepository;
  readonly candleRewrites: CandleRewritesRepository;
  readonly quarantine: QuarantineRepository;
  readonly replicas: ReplicasRepository;
  readonly jobRuns: JobRunsRepository;
  readonly liveFeed: LiveFeedRepository;
  readonly exchangeBlocks: ExchangeBlocksRepository;
  readonly wantedWindows: WantedWindowsRepository;
  /** Writes rows, ledger, quarantine and the log of rewritten candles in one transaction: see `commitEntries`. */
  commit(entries: readonly CommitEntry[]): Promise<CommitOutcome>;
  /**
   * A bundle for whoever may lose interest, such as the client of a request: what it reads is cancelled on the server
   * when `signal` aborts, and rejects with the signal's reason.
   */
  cancelledBy(signal: AbortSignal): Repositories;
}

/** The repositories over a pool. Makes no connection by itself. */
export function createRepositories(kysely: Kysely<Database>): Repositories {
  return {
    ohlcv: new OhlcvRepository({ kysely }),
    futures: new FuturesRepository({ kysely }),
    recentOhlcv: new RecentOhlcvRepository({ kysely }),
    telegramReports: new TelegramReportsRepository({ kysely }),
    coverage: new CoverageRepository({ kysely }),
    candleRewrites: new CandleRewritesRepository({ kysely }),
    quarantine: new QuarantineRepository({ kysely }),
    replicas: new ReplicasRepository({ kysely }),
    jobRuns: new JobRunsRepository({ kysely }),
    liveFeed: new LiveFeedRepository({ kysely }),
    exchangeBlocks: new ExchangeBlocksRepository({ kysely }),
    wantedWindows: new WantedWindowsRepository({ kysely }),
    commit: (entries) => commitEntries(kysely, entries),
    cancelledBy: (signal) => createRepositories(cancelledBy(kysely, signal)),
  };
}
