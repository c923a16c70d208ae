/** How far a backfill is. */
export interface IngestProgress {
  readonly series: number;
  readonly complete: number;
  /** Candles still missing in the series that were counted. */
  readonly missing: number;
  /** Whether every series was counted. */
  readonly isCounted: boolean;
  /** Since the start: rows that were new or changed, rows that were read, requests answered. */
  readonly written: number;
  readonly read: number;
  readonly requests: number;
  readonly rowsPerSecond: number;
  /** Null where nothing tells. */
  readonly etaSeconds: number | null;
}
