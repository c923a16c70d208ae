import { quantile } from '../report.ts';

/** What many requests took, in milliseconds. */
export interface Measured {
  readonly count: number;
  readonly meanMs: number;
  readonly medianMs: number;
  readonly p99Ms: number;
}

export function summarize(latencies: readonly number[]): Measured {
  return {
    count: latencies.length,
    meanMs: latencies.reduce((sum, value) => sum + value, 0) / latencies.length,
    medianMs: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
  };
}
