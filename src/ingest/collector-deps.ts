import type { Logger } from '../logger.ts';
import type { DatabaseGate } from './database-gate.ts';
import type { Source } from './source.ts';

export interface CollectorDeps {
  readonly source: Source;
  readonly database: DatabaseGate;
  readonly logger: Logger;
  /** The exchange's clock. */
  readonly now: () => number;
  /** The oldest moment to keep. */
  readonly windowSince: number;
  /** Called after each answer, with how many rows were new or changed. */
  readonly onAnswer: (answer: { readonly rows: number; readonly written: number }) => void;
}

/** What a collector wants: how urgent it is, and not before which moment of the exchange's clock. */
export interface Wish {
  readonly urgency: number;
  readonly at: number;
  /** Whether it is the live tail, rather than history. */
  readonly isTail: boolean;
}
