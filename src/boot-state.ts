import type { Phase } from './http/health/health-schema.ts';

/** Written by boot, read by the health probes. */
export class BootState {
  phase: Phase = 'connecting';
  /** Such as `revision 3 of 5: 0003_futures_data`. */
  progress: string | null = null;
  /** Why the process is about to end. */
  failure: string | null = null;
  /** The schema of our tables where the runtime role's own search_path does not lead to it. */
  schema: string | null = null;

  enter(phase: Phase): void {
    // Whatever was still going on when the stop came must not look like a start again.
    if (this.phase === 'stopping') return;
    this.phase = phase;
    this.progress = null;
  }
}
