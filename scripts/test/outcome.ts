import type { LaneName } from './lanes.ts';

/** What a check of the sources said. */
export interface CheckOutcome {
  readonly name: string;
  readonly isOk: boolean;
  /** Whether it was ended from outside, which says nothing about the sources. */
  readonly isEnded: boolean;
  readonly ms: number;
  /** Standard output and error, as they came. */
  readonly text: string;
}

/** What one test file did. */
export interface FileOutcome {
  /** Relative to the repository. */
  readonly file: string;
  readonly passed: number;
  /** Where and what. */
  readonly failed: readonly string[];
  /** Names of tests and suites, with the reason. */
  readonly skipped: readonly string[];
  readonly ms: number;
  /** As Node's reporter `spec` writes it, what the file printed included. */
  readonly text: string;
}

/** What a lane took. */
export interface LaneCost {
  readonly lane: string;
  /** From its first file's beginning to its last one's end. */
  readonly wallMs: number;
  /** Of its processes and of what they started and saw end; null where the system does not tell. */
  readonly cpuMs: number | null;
}

export interface RunOutcome {
  readonly files: readonly FileOutcome[];
  /** Lanes of which at least one test was not skipped. */
  readonly ranLanes: ReadonlySet<LaneName>;
  readonly failedChecks: readonly string[];
  readonly costs: readonly LaneCost[];
  /** Processor time by test file or check, as far as it is known. */
  readonly cpuMs: ReadonlyMap<string, number>;
}
