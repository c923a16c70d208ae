import type { Logger } from '../../logger.ts';
import type { DatabaseGate } from './database-gate.ts';
import type { IngestStores } from './ports.ts';
import type { Source } from './source.ts';
import type { AnswerTally } from './answer-tally.ts';

/** What a collector of one source, and its ledger, work with. */
export interface SourceLedgerDeps {
  readonly source: Source;
  readonly stores: IngestStores;
  readonly database: DatabaseGate;
  readonly logger: Logger;
  /** The exchange's clock. */
  readonly now: () => number;
  /** The oldest moment to keep. */
  readonly windowSince: number;
  readonly confirmEmptyAfterMs: number;
  /** Called after each answer that was committed. */
  readonly onAnswer: (tally: AnswerTally) => void;
}
