import { mixHash, seedOf } from './noise.ts';
import type { FaultSpanSpec } from './chaos-rates.ts';

/** A span of time, half-open. */
export interface FaultSpan {
  readonly startMs: number;
  readonly untilMs: number;
}

/** Chance that is a pure function of the seed and of what is asked about. */
export class ChaosDice {
  readonly #seed: string;

  constructor(seed: string) {
    this.#seed = seed;
  }

  /** From 0 (inclusive) to 1 (exclusive), for the thing that `key` names. */
  roll(key: string): number {
    return mixHash(seedOf(`${this.#seed}:${key}`), 0) / 0x1_0000_0000;
  }

  /** Numbers from 0 to 1, one after the other, for the occasion that `key` names. */
  sequence(key: string): () => number {
    const seed = seedOf(`${this.#seed}:${key}`);
    let n = 0;
    return () => mixHash(seed, n++) / 0x1_0000_0000;
  }

  /** The span of the kind `key` that holds the moment, or null. */
  findSpan(key: string, chance: number, spec: FaultSpanSpec, nowMs: number): FaultSpan | null {
    const window = Math.floor(nowMs / spec.windowMs);
    const next = this.sequence(`${key}:${window}`);
    if (next() >= chance) return null;
    const lengthMs = Math.round(spec.shortestMs + (spec.longestMs - spec.shortestMs) * next());
    const startMs = window * spec.windowMs + Math.round((spec.windowMs - lengthMs) * next());
    return startMs <= nowMs && nowMs < startMs + lengthMs ? { startMs, untilMs: startMs + lengthMs } : null;
  }
}
