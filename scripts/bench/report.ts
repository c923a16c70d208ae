/** One line of the result. */
export interface Measurement {
  readonly what: string;
  readonly measured: string;
  /** Empty where it is told only. */
  readonly target: string;
  /** What it is compared with; empty where the target stands by itself. */
  readonly limit: string;
  readonly met: boolean;
}

/** The value in the middle; the mean of two where there are two. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? NaN) + (sorted[Math.floor(middle)] ?? NaN)) / 2;
}

/** The smallest value that at least `share` (0 to 1) of the values do not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? NaN;
}

/** The median of the ratios of two lists of the same rounds: a round that the machine disturbed disturbs both. */
export function medianRatio(values: readonly number[], limits: readonly number[]): number {
  return median(values.map((value, round) => value / (limits[round] ?? NaN)));
}

/** The measurements as a table of plain text. */
export function toTable(measurements: readonly Measurement[]): string {
  const rows = [
    ['what', 'measured', 'target', 'limit', ''],
    ...measurements.map(({ what, measured, target, limit, met }) => [
      what,
      measured,
      target,
      limit,
      met ? (target === '' ? '' : 'ok') : 'MISSED',
    ]),
  ];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** `156,000 rows/s`. */
export function formatRate(rowsPerSecond: number): string {
  return `${Math.round(rowsPerSecond).toLocaleString('en-US')} rows/s`;
}
